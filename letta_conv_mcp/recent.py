"""The agents and conversations that a person most likely means, kept for a few seconds.

Hosts ask for completions at every key that is pressed. One of these serves one Letta identity, like its client.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

import anyio

from letta_conv_mcp.errors import NotSupported
from letta_conv_mcp.letta.port import ConversationQuery, Letta
from letta_conv_mcp.views import Agent, Conversation
from letta_conv_mcp.walk import Gathered, gather

Item = TypeVar("Item", Agent, Conversation)

KEPT_SECONDS = 5.0
NEWEST = 200
"""How many of each are looked through; a person who means an older one has its id or its name."""
PAGE = 100


@dataclass(frozen=True)
class Newest(Generic[Item]):
    """The newest items, and whether there are older ones."""

    items: list[Item]
    more: bool


class Recent:
    """What was last active on one Letta.

    Args:
        letta: where it is asked for.
    """

    def __init__(self, letta: Letta) -> None:
        self._agents = Kept(lambda: _newest_agents(letta))
        self._conversations = Kept(lambda: _newest_conversations(letta))

    async def agents(self) -> Newest[Agent]:
        """The newest agents, newest first. Raises LettaFailure."""
        return await self._agents.value()

    async def conversations(self) -> Newest[Conversation]:
        """The conversations that were last active and are not put away, latest first. Raises LettaFailure."""
        return await self._conversations.value()

    def forget(self) -> None:
        """Ask anew next time: something was added, renamed or taken away."""
        self._agents.forget()
        self._conversations.forget()


class Kept(Generic[Item]):
    """One list, asked for once however many want it at the same time.

    Args:
        fetch: asks for it.
    """

    def __init__(self, fetch: Callable[[], Awaitable[Newest[Item]]]) -> None:
        self._fetch = fetch
        self._lock = anyio.Lock()
        self._newest: Newest[Item] | None = None
        self._until = 0.0
        self._changes = 0

    async def value(self) -> Newest[Item]:
        """The list, at most some seconds old. Raises what asking for it raises."""
        async with self._lock:
            if self._newest is None or anyio.current_time() >= self._until:
                changes = self._changes
                self._newest = await self._fetch()
                # What changed while it was asked for may not be in it.
                self._until = anyio.current_time() + (KEPT_SECONDS if changes == self._changes else 0)
            return self._newest

    def forget(self) -> None:
        """Ask anew next time."""
        self._changes += 1
        self._until = 0.0


async def _newest_agents(letta: Letta) -> Newest[Agent]:
    async def fetch(last: Agent | None, size: int) -> list[Agent]:
        return await letta.agents(after=last.id if last else None, limit=size)

    gathered = await gather(fetch, lambda _: True, limit=NEWEST)
    return Newest(gathered.kept, gathered.more)


async def _newest_conversations(letta: Letta) -> Newest[Conversation]:
    active = await _conversations(letta, ConversationQuery(), NEWEST)
    found = {conversation.id: conversation for conversation in active.kept}
    if active.more:
        # One in which nobody has spoken yet stands at the very end of that list.
        with suppress(NotSupported):
            created = await _conversations(letta, ConversationQuery(order_by="created_at"), PAGE)
            found = {conversation.id: conversation for conversation in created.kept} | found
    latest = sorted(found.values(), key=lambda each: each.last_message_at or each.created_at or "", reverse=True)
    return Newest(latest, active.more)


async def _conversations(letta: Letta, query: ConversationQuery, limit: int) -> Gathered[Conversation]:
    async def fetch(last: Conversation | None, size: int) -> list[Conversation]:
        return await letta.conversations(query, after=last.id if last else None, limit=size)

    return await gather(fetch, lambda conversation: not conversation.archived, limit=limit, size=PAGE)
