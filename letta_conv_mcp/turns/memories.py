"""Keeping the promise that an agent's memory is shared: a prompt that is older than the memory is made anew.

Letta promises that a memory block changed in one conversation is seen in all. A Letta server 0.16.8 goes on with the
memory that a conversation began with; an App Server 0.34.12 tells a conversation of a change once, and forgets that it
did. Both make the prompt anew when they are asked to.
"""

from collections.abc import MutableMapping
from contextlib import suppress
from typing import TypeVar

import anyio

from letta_conv_mcp.errors import IsolationAtRisk, LettaFailure, NotLetta, NotSupported
from letta_conv_mcp.letta.port import Letta, MemoryState, NewConversation, Prompt
from letta_conv_mcp.turns.freshness import is_other, tells_all
from letta_conv_mcp.turns.recover import standing_of
from letta_conv_mcp.views import Conversation

REFRESH_SECONDS = 3.0
"""How long anything waits at most for a look at the memory, and for the prompt to be made anew."""
KNOWN_SECONDS = 2.0
"""How long an agent's memory is taken to be what it was when it was asked for, unless something of ours changed it."""
KEPT = 2_000
"""How many conversations and agents are remembered; others are looked at again."""

_Value = TypeVar("_Value")


class Memories:
    """The memory of agents, and what stands of it in the prompts of their conversations.

    Args:
        letta: whose agents.
    """

    def __init__(self, letta: Letta) -> None:
        self._letta = letta
        self._memories: dict[str, tuple[MemoryState, float]] = {}
        self._agents: dict[str, str | None] = {}
        self._marks: dict[str, str] = {}
        self._forgotten = 0

    async def refresh(self, conversation_id: str) -> bool:
        """Make a conversation's prompt anew if it is older than the agent's memory. Returns whether it was.

        Left alone is one in which a run goes on or an approval is pending, and one with blocks of its own: 0.16.8 would
        put the agent's in their place.

        Raises:
            LettaFailure: it can't be told, or can't be done.
        """
        prompt = None
        if conversation_id not in self._agents:
            prompt = await self._letta.prompt(conversation_id)
            _keep(self._agents, conversation_id, None if prompt.has_own_memory else prompt.agent_id)
        agent_id = self._agents[conversation_id]
        if agent_id is None:
            return False
        memory = await self._memory(agent_id)
        known = self._marks.get(conversation_id)
        if known == memory.mark:
            return False
        return await self._renew(conversation_id, prompt or await self._letta.prompt(conversation_id), memory, known)

    async def create_conversation(self, new: NewConversation) -> Conversation:
        """A new conversation, which needn't be looked at before the memory changes. Raises as the port does."""
        memory = None
        with anyio.move_on_after(REFRESH_SECONDS), suppress(LettaFailure):
            # Asked for first: what changes meanwhile is a change.
            memory = await self._memory(new.agent_id)
        made = await self._letta.create_conversation(new)
        if memory is not None:
            _keep(self._agents, made.id, None if new.isolated_blocks else new.agent_id)
            _keep(self._marks, made.id, memory.mark)
        return made

    def forget(self, *, agent_id: str | None = None, conversation_id: str | None = None) -> None:
        """Something of ours may have changed the memory of an agent, or of the agent of a conversation."""
        of = agent_id or self._agents.get(conversation_id or "")
        self._memories.pop(of or "", None)
        self._forgotten += 1

    async def _memory(self, agent_id: str) -> MemoryState:
        memory, until = self._memories.get(agent_id, (None, 0.0))
        asked_at, forgotten = anyio.current_time(), self._forgotten
        if memory is None or asked_at >= until:
            memory = await self._letta.memory_state(agent_id)
            if forgotten == self._forgotten:
                _keep(self._memories, agent_id, (memory, asked_at + KNOWN_SECONDS))
        return memory

    async def _renew(self, conversation_id: str, prompt: Prompt, memory: MemoryState, known: str | None) -> bool:
        before, values = prompt.text, memory.values
        if before is not None and values is not None and tells_all(before, values):
            _keep(self._marks, conversation_id, memory.mark)
            return False
        standing = await standing_of(self._letta, conversation_id)
        if standing.running_run_id is not None or standing.approvals:
            return False
        try:
            after = await self._letta.recompile_conversation(conversation_id)
        except (NotLetta, NotSupported, IsolationAtRisk):
            # It never can be made anew here, so there is no use in looking before every message.
            _keep(self._marks, conversation_id, memory.mark)
            raise
        _keep(self._marks, conversation_id, memory.mark)
        # Where the prompt is shown to nobody, and nothing is known of its age, nothing is claimed.
        return known is not None if before is None else is_other(before, after)


def _keep(values: MutableMapping[str, _Value], key: str, value: _Value) -> None:
    """Remember it as the newest, and forget the oldest where there are too many."""
    values.pop(key, None)
    values[key] = value
    if len(values) > KEPT:
        del values[next(iter(values))]
