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
from letta_conv_mcp.state.folder import StateFolder, state_folder_of
from letta_conv_mcp.state.keys import Keys
from letta_conv_mcp.state.sqlite_keys import SqliteKeys
from letta_conv_mcp.subscribers import Subscribers
from letta_conv_mcp.turns.hub import Hub
from letta_conv_mcp.turns.memories import Memories
from letta_conv_mcp.watches import Watches


@dataclass(frozen=True, kw_only=True)
class App:
    """One Letta identity: its client and turns, what was last active on it, who hears of its changes, what is kept."""

    settings: Settings
    letta: Letta
    hub: Hub
    recent: Recent
    subscribers: Subscribers
    cancels: Cancels
    folder: StateFolder
    keys: Keys
    offered: frozenset[str]
    """The tools that the host is offered, by name."""


@asynccontextmanager
async def open_app(
    settings: Settings, letta: Letta, cancels: Cancels, offered: frozenset[str] = frozenset()
) -> AsyncGenerator[App]:
    """An App whose readers end with the block. Closing leaves the agents' runs alone; they go on in Letta."""
    folder = state_folder_of(settings)
    async with anyio.create_task_group() as group:
        memories = Memories(letta) if settings.refresh_memory == "auto" else None
        subscribers = Subscribers(Watches(letta, group), group)
        yield App(
            settings=settings,
            letta=letta,
            hub=Hub(letta, group, memories, on_settled=subscribers.conversation_changed),
            recent=Recent(letta),
            subscribers=subscribers,
            cancels=cancels,
            folder=folder,
            keys=SqliteKeys(folder),
            offered=offered,
        )
        group.cancel_scope.cancel()


def app_of(ctx: Context[App]) -> App:
    """The App that serves a request. Handlers reach Letta through this and nothing else."""
    return ctx.request_context.lifespan_context
