"""The composition root: settings and a Letta become an MCP server."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from mcp.server.caching import CacheableMethod, CacheHint
from mcp.server.mcpserver import MCPServer

from letta_conv_mcp import __version__
from letta_conv_mcp.app import App, open_app
from letta_conv_mcp.cancels import Cancels
from letta_conv_mcp.completions import add_completions
from letta_conv_mcp.letta.opening import open_letta
from letta_conv_mcp.logs import set_levels
from letta_conv_mcp.prompts import add_prompts, offered_prompts
from letta_conv_mcp.resources import add_resources
from letta_conv_mcp.settings import Settings
from letta_conv_mcp.subscriptions import add_subscriptions
from letta_conv_mcp.tools import offered_tools

NAME = "letta-conv-mcp"
WEBSITE = "https://docs.letta.com/"

_NEVER_CHANGES = CacheHint(ttl_ms=3_600_000, scope="public")
CACHE_HINTS: dict[CacheableMethod, CacheHint] = {
    "server/discover": _NEVER_CHANGES,
    "tools/list": _NEVER_CHANGES,
    "prompts/list": _NEVER_CHANGES,
    "resources/templates/list": _NEVER_CHANGES,
}
"""Lists that stay the same while the process lives. Those of conversations, and what is read, are stale at once."""

INSTRUCTIONS = """\
Talk to Letta agents. An agent keeps memory and tools of its own and remembers across chats. A conversation is one \
isolated message thread on an agent: what is said in one is not seen in another, while memory blocks and tools are \
shared by all of an agent's conversations.

Start: to go on with something, list_conversations (search takes part of the summary); for something new, \
list_agents, then create_conversation with a short summary. Then send_message with the conversation's id. \
default:<agent_id> is the agent's own thread and works wherever a conversation id does.

Every reply has a `status`; read it before `text`:
- completed: `text` is the whole reply.
- running: the agent is still at work and `text` is what it said so far. Call wait_for_reply, also later or after a \
restart. Never send the message again.
- awaiting_approval: the agent wants to run a tool and waits for a person. Show `approvals`; decide nothing yourself. \
Then call answer_approval.
- failed, cancelled, interrupted: `next_step` says what happened, what to do, and whether sending again is safe.

A message is spoken as the user; the agent may act on it and remembers it. To read without speaking use get_history \
(newest page first; go back with older_cursor). Lists come in pages: pass next_cursor on until it is null. Results \
that were cut say so and how to get the rest."""


def build_server(settings: Settings, *, cancels: Cancels | None = None) -> MCPServer[App]:
    """An MCP server for one Letta identity. Building it and starting it touch no network.

    Args:
        settings: which Letta, and how to wait for it.
        cancels: where the transport notes what hosts cancel; without it a cancelled call leaves its run alone.

    Raises:
        SettingsError: the settings leave no tool, or name an unknown one.
    """

    tools = offered_tools(settings)

    @asynccontextmanager
    async def lifespan(_: MCPServer[App]) -> AsyncGenerator[App]:
        async with open_letta(settings) as letta, open_app(settings, letta, cancels or Cancels()) as app:
            yield app

    server = MCPServer[App](
        NAME,
        title="Letta conversations",
        description="Talk to Letta agents: conversations as tools and resources.",
        version=__version__,
        instructions=INSTRUCTIONS,
        website_url=WEBSITE,
        tools=list(tools),
        lifespan=lifespan,
        log_level="WARNING",
        cache_hints=CACHE_HINTS,
    )
    set_levels(settings)
    add_resources(server)
    prompts = offered_prompts([tool.name for tool in tools])
    add_prompts(server, prompts)
    add_completions(server, prompts)
    add_subscriptions(server)
    return server
