"""The composition root: settings and a Letta become an MCP server."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from mcp.server.caching import CacheableMethod, CacheHint
from mcp.server.mcpserver import MCPServer

from letta_conv_mcp import __version__
from letta_conv_mcp.app import App, open_app
from letta_conv_mcp.cancels import Cancels
from letta_conv_mcp.completions import add_completions
from letta_conv_mcp.instructions import instructions_for
from letta_conv_mcp.letta.opening import open_letta
from letta_conv_mcp.logs import set_levels
from letta_conv_mcp.prompt_serving import add_prompts
from letta_conv_mcp.prompts import offered_prompts
from letta_conv_mcp.resources import add_resources, offered_templates
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


def build_server(settings: Settings, *, cancels: Cancels | None = None) -> MCPServer[App]:
    """An MCP server for one Letta identity. Building it and starting it touch no network.

    Args:
        settings: which Letta, and how to wait for it.
        cancels: where the transport notes what hosts cancel; without it a cancelled call leaves its run alone.

    Raises:
        SettingsError: the settings leave no tool, or name an unknown one.
    """

    tools = offered_tools(settings)
    offered = frozenset(tool.name for tool in tools)

    @asynccontextmanager
    async def lifespan(_: MCPServer[App]) -> AsyncGenerator[App]:
        async with open_letta(settings) as letta, open_app(settings, letta, cancels or Cancels(), offered) as app:
            yield app

    server = MCPServer[App](
        NAME,
        title="Letta conversations",
        description="Talk to Letta agents: conversations as tools and resources.",
        version=__version__,
        instructions=instructions_for(offered),
        website_url=WEBSITE,
        tools=tools,
        lifespan=lifespan,
        log_level="WARNING",
        cache_hints=CACHE_HINTS,
    )
    set_levels(settings)
    templates = offered_templates(offered)
    add_resources(server, templates)
    prompts = offered_prompts(offered)
    add_prompts(server, prompts)
    add_completions(server, prompts, templates)
    add_subscriptions(server)
    return server
