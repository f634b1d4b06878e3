"""Keeping the promise that an agent's memory is shared: a prompt that is older than the memory is made anew.

Letta promises that a memory block changed in one conversation is seen in all. A Letta server 0.16.8 goes on with the
memory that a conversation began with; an App Server 0.34.12 tells a conversation of a change once, and forgets that it
did. Both make the prompt anew when they are asked to.
"""

from letta_conv_mcp.letta.port import Letta, Prompt
from letta_conv_mcp.turns.freshness import is_other, tells_all
from letta_conv_mcp.turns.recover import standing_of

KEPT_CONVERSATIONS = 2_000
"""How many are remembered with the memory that stands in their prompts; the others are looked at again."""


class Memories:
    """What stands in the prompts of conversations.

    Args:
        letta: whose conversations.
    """

    def __init__(self, letta: Letta) -> None:
        self._letta = letta
        self._agents: dict[str, str | None] = {}
        self._marks: dict[str, str] = {}

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
            self._note_agent(conversation_id, prompt)
        agent_id = self._agents[conversation_id]
        if agent_id is None:
            return False
        memory = await self._letta.memory(agent_id)
        known = self._marks.get(conversation_id)
        if known == memory.mark:
            return False
        before = (prompt or await self._letta.prompt(conversation_id)).text
        if before is not None and memory.values is not None and tells_all(before, memory.values):
            self._marks[conversation_id] = memory.mark
            return False
        standing = await standing_of(self._letta, conversation_id)
        if standing.running_run_id is not None or standing.approvals:
            return False
        after = await self._letta.recompile_conversation(conversation_id)
        self._marks[conversation_id] = memory.mark
        # Where the prompt is shown to nobody, and nothing is known of its age, nothing is claimed.
        return known is not None if before is None else is_other(before, after)

    def _note_agent(self, conversation_id: str, prompt: Prompt) -> None:
        self._agents[conversation_id] = None if prompt.has_own_memory else prompt.agent_id
        if len(self._agents) > KEPT_CONVERSATIONS:
            oldest = next(iter(self._agents))
            del self._agents[oldest]
            self._marks.pop(oldest, None)
