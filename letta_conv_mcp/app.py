"""What one server has at hand while it runs, and how a handler gets at it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
from mcp.server.mcpserver import Context

from letta_conv_mcp.cancels import Cancels
from letta_conv_mcp.letta.port import Letta
from letta_conv_mcp.recent import Recent
from letta_conv_mcp.settings import Settings
from letta_conv_mcp.turns.hub import Hub
from letta_conv_mcp.turns.memories import Memories


@dataclass(frozen=True, kw_only=True)
class App:
    """One Letta identity: its client, the turns it has alive, and what was last active on it."""

    settings: Settings
    letta: Letta
    hub: Hub
    recent: Recent
    cancels: Cancels


@asynccontextmanager
async def open_app(settings: Settings, letta: Letta, cancels: Cancels) -> AsyncGenerator[App]:
    """An App whose readers end with the block. Closing leaves the agents' runs alone; they go on in Letta."""
    async with anyio.create_task_group() as group:
        hub = Hub(letta, group, Memories(letta) if settings.refresh_memory == "auto" else None)
        yield App(settings=settings, letta=letta, hub=hub, recent=Recent(letta), cancels=cancels)
        group.cancel_scope.cancel()


def app_of(ctx: Context[App]) -> App:
    """The App that serves a request. Handlers reach Letta through this and nothing else."""
    return ctx.request_context.lifespan_context
