"""What a host can offer its user to attach: agents, conversations, messages, transcripts.

Each has a tool twin served by the same function, since models rarely read resources by themselves.
"""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any

import anyio.to_thread
from mcp.server.context import ServerRequestContext
from mcp.server.mcpserver import Context, MCPServer
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, ListResourcesResult, PaginatedRequestParams, Resource

from letta_conv_mcp.app import App, app_of
from letta_conv_mcp.errors import ConversationNotFound, ExportNotFound, LettaFailure, UnknownCursor
from letta_conv_mcp.history import read_history
from letta_conv_mcp.letta.port import ConversationQuery
from letta_conv_mcp.state.exports import conversation_of, read_export
from letta_conv_mcp.tools.agents import agent_page, resolve_agent
from letta_conv_mcp.tools.conversations import conversation_detail, conversation_page
from letta_conv_mcp.transcript import markdown_transcript
from letta_conv_mcp.uris import AGENTS_URI, transcript_uri
from letta_conv_mcp.views import Conversation, Message

JSON = "application/json"
MARKDOWN = "text/markdown"
TEXT = "text/plain"
LISTED = 50
"""Conversations on a page of resources/list."""
TRANSCRIPT_MESSAGES = 1_000
TRANSCRIPT_PAGE = 100


async def agents(ctx: Context[App], cursor: str | None = None) -> str:
    """The agents that can be talked to; cursor takes a next_cursor."""
    return (await agent_page(app_of(ctx), limit=100, cursor=cursor)).model_dump_json()


async def agent_conversations(ctx: Context[App], agent_id: str) -> str:
    """An agent's conversations, most recently active first."""
    app = app_of(ctx)
    query = ConversationQuery(agent_id=(await resolve_agent(app, agent_id)).id)
    return (await conversation_page(app, query, limit=100)).model_dump_json()


async def conversation(ctx: Context[App], conversation_id: str) -> str:
    """A conversation's state: agent, size, active run, pending approvals."""
    return (await conversation_detail(app_of(ctx), conversation_id)).model_dump_json()


async def messages(ctx: Context[App], conversation_id: str, limit: str = "20", before: str | None = None) -> str:
    """What was said in a conversation, newest page first, oldest first within it; before takes an older_cursor."""
    if not limit.isdecimal() or not 1 <= int(limit) <= TRANSCRIPT_PAGE:
        raise MCPError(INVALID_PARAMS, f"limit must be a number from 1 to {TRANSCRIPT_PAGE}, got {limit!r}.")
    page = await read_history(app_of(ctx).letta, conversation_id, limit=int(limit), before=before)
    return page.model_dump_json()


async def transcript(ctx: Context[App], conversation_id: str) -> str:
    """A conversation's transcript to read, its newest thousand messages."""
    letta = app_of(ctx).letta
    about = await letta.conversation(conversation_id)
    said: list[Message] = []
    cursor = None
    for _ in range(TRANSCRIPT_MESSAGES // TRANSCRIPT_PAGE):
        page = await read_history(letta, conversation_id, limit=TRANSCRIPT_PAGE, before=cursor, whole=True)
        said = page.messages + said
        cursor = page.older_cursor
        if cursor is None:
            break
    return markdown_transcript(about, said, earlier=cursor is not None)


async def export(ctx: Context[App], name: str) -> str:
    """A whole transcript that export_conversation has written."""
    app = app_of(ctx)
    try:
        # Who can't see the conversation can't see what was exported of it.
        await app.letta.conversation(conversation_of(name))
    except ConversationNotFound:
        raise ExportNotFound(name) from None
    return await anyio.to_thread.run_sync(read_export, app.folder, name)


@dataclass(frozen=True)
class Template:
    """A kind of resource.

    Attributes:
        uri: its address, with what varies in braces.
        function: an async function from a Context and what varies to the text.
        title: the name for people.
        mime_type: of the text.
        twin: the tool that gives a model the same; where it isn't offered, neither is this.
    """

    uri: str
    function: Callable[..., Awaitable[str]]
    title: str
    mime_type: str
    twin: str


_CONVERSATION = "letta://conversations/{conversation_id}"
TEMPLATES = (
    # A template, because only templates are given the context.
    Template("letta://agents{?cursor}", agents, "Agents", JSON, "list_agents"),
    Template(
        "letta://agents/{agent_id}/conversations",
        agent_conversations,
        "An agent's conversations",
        JSON,
        "list_conversations",
    ),
    Template(_CONVERSATION, conversation, "Conversation", JSON, "retrieve_conversation"),
    Template(f"{_CONVERSATION}/messages{{?limit,before}}", messages, "Messages", JSON, "get_history"),
    Template(f"{_CONVERSATION}/transcript.md", transcript, "Transcript", MARKDOWN, "get_history"),
    Template("letta://exports/{name}", export, "Export", TEXT, "export_conversation"),
)


def offered_templates(tools: Collection[str]) -> list[Template]:
    """The kinds of resources whose tool twins are among those that are offered."""
    return [template for template in TEMPLATES if template.twin in tools]


def add_resources(server: MCPServer[App], templates: Collection[Template]) -> None:
    """Register these resource templates, and the list of what there is now."""
    for template in templates:
        server.resource(template.uri, title=template.title, mime_type=template.mime_type)(template.function)
    # The SDK's own list is static and has no pages; it offers no public way to replace it.
    server._lowlevel_server.add_request_handler("resources/list", PaginatedRequestParams, list_resources)  # noqa: SLF001


async def list_resources(ctx: ServerRequestContext[App, Any], params: PaginatedRequestParams) -> ListResourcesResult:
    """The agents and the recent conversations, a page at a time."""
    app = ctx.lifespan_context
    of_agents = Resource(uri=AGENTS_URI, name="agents", title="Agents", mime_type=JSON)
    first = [of_agents] if params.cursor is None and "list_agents" in app.offered else []
    if not {"list_conversations", "get_history"} <= app.offered:
        return ListResourcesResult(resources=first)
    try:
        page = await conversation_page(app, ConversationQuery(), limit=LISTED, cursor=params.cursor)
    except UnknownCursor as failure:
        raise MCPError(INVALID_PARAMS, str(failure)) from None
    except LettaFailure as failure:
        raise MCPError(INTERNAL_ERROR, str(failure)) from None
    listed = [_listed(conversation) for conversation in page.conversations]
    return ListResourcesResult(resources=[*first, *listed], next_cursor=page.next_cursor)


def _listed(conversation: Conversation) -> Resource:
    return Resource(
        uri=transcript_uri(conversation.id),
        name=conversation.summary or conversation.id,
        title=conversation.summary,
        description=f"Conversation with {conversation.agent_id}, last message {conversation.last_message_at or 'none'}",
        mime_type=MARKDOWN,
    )
