"""Our server over HTTP for the conformance suite, which doesn't speak stdio.

One address serves both eras: sessions for the older revisions, single requests for 2026-07-28. Beside our own tools it
has the few that `server-stateless` uses to make a server do what no client may ask for by itself.
"""

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager

from mcp.server.mcpserver import Context
from mcp.server.subscriptions import PromptsListChanged, ServerEvent, ToolsListChanged
from mcp.shared.exceptions import MCPError
from mcp_types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    ClientCapabilities,
    MissingRequiredClientCapabilityErrorData,
    SamplingCapability,
)

from letta_conv_mcp.app import App, app_of
from letta_conv_mcp.server import build_server
from letta_conv_mcp.settings import Settings
from letta_conv_mcp.subscriptions import ListeningSubscriber

STOPS_WITHIN = 10


@contextmanager
def open_app(letta_url: str) -> Generator[str]:
    """The address of our MCP endpoint, served from a thread while the block lasts."""
    # Imported here: a test that needs no server shouldn't pay for one.
    import uvicorn

    server = build_server(Settings(base_url=letta_url))
    for trigger in (test_missing_capability, test_trigger_tool_change, test_trigger_prompt_change):
        server.add_tool(trigger)
    config = uvicorn.Config(
        server.streamable_http_app(), ws="none", log_level="critical", timeout_graceful_shutdown=STOPS_WITHIN // 2
    )
    http = uvicorn.Server(config)
    # It listens before the server starts: a client that comes early waits in its queue, and nobody has to poll.
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=http.run, args=([listening],), name="conformance-app", daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/mcp"
        finally:
            http.should_exit = True
            thread.join(STOPS_WITHIN)
            assert not thread.is_alive(), "The server under test did not stop."


async def test_missing_capability() -> str:
    """Needs a client that declares sampling, which the suite never does here."""
    missing = MissingRequiredClientCapabilityErrorData(
        required_capabilities=ClientCapabilities(sampling=SamplingCapability())
    )
    data = missing.model_dump(by_alias=True, exclude_none=True)
    raise MCPError(MISSING_REQUIRED_CLIENT_CAPABILITY, "The client did not declare sampling.", data)


async def test_trigger_tool_change(ctx: Context[App]) -> str:
    """Says that the list of tools has changed."""
    await _publish(ctx, ToolsListChanged())
    return "said"


async def test_trigger_prompt_change(ctx: Context[App]) -> str:
    """Says that the list of prompts has changed."""
    await _publish(ctx, PromptsListChanged())
    return "said"


async def _publish(ctx: Context[App], event: ServerEvent) -> None:
    for subscriber in app_of(ctx).subscribers.members:
        if isinstance(subscriber, ListeningSubscriber):
            await subscriber.bus.publish(event)
