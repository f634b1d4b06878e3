"""The catalog: every tool, its toolset and its hints, as data that can be walked.

What a host is shown of a tool comes from its function: the name, the docstring, the arguments, the view it
returns. The catalog adds what a signature can't say.
"""

import inspect
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, cast, get_args

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.tools import Tool
from mcp_types import CallToolResult, InputRequiredResult, TextContent, ToolAnnotations

from letta_conv_mcp.app import App, app_of
from letta_conv_mcp.settings import Settings
from letta_conv_mcp.tools.agents import create_agent, list_agents, retrieve_agent
from letta_conv_mcp.tools.approvals import answer_approval, cancel_reply
from letta_conv_mcp.tools.comparison import compare_replies
from letta_conv_mcp.tools.conversations import create_conversation, list_conversations, retrieve_conversation
from letta_conv_mcp.tools.deletion import delete_agent, delete_conversation
from letta_conv_mcp.tools.exports import export_conversation
from letta_conv_mcp.tools.keyed import open_conversation
from letta_conv_mcp.tools.links import links_of
from letta_conv_mcp.tools.manage import (
    compact_conversation,
    fork_conversation,
    recompile_conversation,
    update_conversation,
)
from letta_conv_mcp.tools.memory import read_memory, search_messages, update_memory
from letta_conv_mcp.tools.messages import get_history, send_message, wait_for_reply
from letta_conv_mcp.tools.offered import OfferedTool
from letta_conv_mcp.tools.progress import STARTING
from letta_conv_mcp.tools.render import structure_of, text_of
from letta_conv_mcp.tools.selection import CatalogEntry, selected
from letta_conv_mcp.views import View

_READS = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=True)
_WRITES_HERE = ToolAnnotations(read_only_hint=True, idempotent_hint=False, open_world_hint=True)
"""Changes nothing in Letta; each call leaves another file."""
_ADDS = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=True)
_SETS = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=True)
_CHANGES = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=True)
_DECIDES = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=True)


CATALOG = (
    CatalogEntry(list_agents, "List agents", "core", _READS),
    CatalogEntry(create_agent, "Create agent", "core", _ADDS, makes_agents=True),
    CatalogEntry(create_conversation, "Create conversation", "core", _ADDS),
    CatalogEntry(list_conversations, "List conversations", "core", _READS),
    CatalogEntry(retrieve_conversation, "Retrieve conversation", "core", _READS),
    CatalogEntry(send_message, "Send message", "core", _ADDS, may_be_long=True),
    CatalogEntry(wait_for_reply, "Wait for reply", "core", _READS, may_be_long=True),
    CatalogEntry(get_history, "Get history", "core", _READS, may_be_long=True),
    CatalogEntry(answer_approval, "Answer approval", "core", _DECIDES),
    CatalogEntry(cancel_reply, "Cancel reply", "core", _DECIDES),
    CatalogEntry(update_conversation, "Update conversation", "manage", _SETS),
    CatalogEntry(fork_conversation, "Fork conversation", "manage", _ADDS),
    CatalogEntry(delete_conversation, "Delete conversation", "manage", _DECIDES, needs_rest=True),
    CatalogEntry(compact_conversation, "Compact conversation", "manage", _DECIDES),
    CatalogEntry(recompile_conversation, "Recompile conversation", "manage", _SETS),
    CatalogEntry(read_memory, "Read memory", "memory", _READS),
    CatalogEntry(search_messages, "Search messages", "memory", _READS),
    CatalogEntry(update_memory, "Update memory", "memory", _CHANGES),
    CatalogEntry(retrieve_agent, "Retrieve agent", "agents", _READS),
    CatalogEntry(delete_agent, "Delete agent", "agents", _DECIDES),
    CatalogEntry(open_conversation, "Open conversation", "patterns", _SETS),
    CatalogEntry(compare_replies, "Compare replies", "patterns", _ADDS),
    CatalogEntry(export_conversation, "Export conversation", "patterns", _WRITES_HERE),
)


LONG = {"anthropic/maxResultSizeChars": 200_000}
"""Claude Code puts what is longer than about 50,000 characters into a file, and takes so many where a tool says it."""


def offered_tools(settings: Settings) -> list[Tool]:
    """What the settings choose of the catalog, as the SDK wants it, in the catalog's order.

    Raises:
        SettingsError: they choose an unknown tool, or none at all.
    """
    return [_offered(entry) for entry in selected(CATALOG, settings)]


def _offered(entry: CatalogEntry) -> Tool:
    return OfferedTool.offered(
        _with_both_results(entry.function),
        title=entry.title,
        description=inspect.getdoc(entry.function) or "",
        annotations=entry.annotations,
        meta=LONG if entry.may_be_long else None,
    )


def _with_both_results(
    function: Callable[..., Awaitable[View | InputRequiredResult]],
) -> Callable[..., Awaitable[CallToolResult | InputRequiredResult]]:
    """The same tool, returning its view as text and as structure; a question goes through as it is."""
    signature = inspect.signature(function, eval_str=True)

    async def tool(**arguments: Any) -> CallToolResult | InputRequiredResult:
        ctx = cast("Context[App]", arguments["ctx"])
        if not app_of(ctx).letta.is_there:
            # Zero, so that what the call itself reports rises from it.
            await ctx.report_progress(0, None, STARTING)
        view = await function(**arguments)
        if isinstance(view, InputRequiredResult):
            return view
        text = TextContent(type="text", text=text_of(view))
        can_read = "get_history" in app_of(ctx).offered
        links = links_of(view, ctx.protocol_version or "") if can_read else []
        return CallToolResult(content=[text, *links], structured_content=structure_of(view))

    # The SDK reads the arguments and the output schema from here.
    views = [kind for kind in get_args(signature.return_annotation) if kind is not InputRequiredResult]
    returned: Any = Annotated[CallToolResult, views[0] if views else signature.return_annotation]
    if views:
        returned = returned | InputRequiredResult
    tool.__name__ = function.__name__
    tool.__signature__ = signature.replace(return_annotation=returned)  # type: ignore[attr-defined]
    tool.__annotations__ = {name: p.annotation for name, p in signature.parameters.items()} | {"return": returned}
    return tool
