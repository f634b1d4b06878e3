"""A Letta of which only certain agents can be reached: `--agents`, enforced in one place for everything that asks.

What lies outside is not found, as if it weren't there; a caller can't tell the two apart.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

from letta_conv_mcp import errors
from letta_conv_mcp.letta.content import Json
from letta_conv_mcp.letta.events import Frame
from letta_conv_mcp.letta.naming import find_agent
from letta_conv_mcp.letta.outgoing import Outgoing
from letta_conv_mcp.letta.port import (
    ConversationChanges,
    ConversationQuery,
    Frames,
    Letta,
    MemoryState,
    MessageQuery,
    NewAgent,
    NewConversation,
    Order,
    Prompt,
    Run,
)
from letta_conv_mcp.letta.records import DEFAULT_PREFIX
from letta_conv_mcp.views import Agent, Approval, Compaction, Conversation, MemoryBlock, SearchHit

PAGE = 100
KEPT = 10_000
"""Conversations that are known to be an allowed agent's; what is forgotten is looked up again."""


class LimitedLetta:
    """The `Letta` protocol before another one, for the agents that it may reach."""

    def __init__(self, letta: Letta, agents: tuple[str, ...]) -> None:
        """Nothing is asked yet.

        Args:
            letta: what answers.
            agents: the ids or exact names of the agents that can be reached. A name is looked up until it is found
                once; the agent stays the same then, whatever is renamed.
        """
        self._letta = letta
        self._wanted = agents
        self._ids: dict[str, str] = {}
        self._conversation_ids = set[str]()

    @property
    def is_there(self) -> bool:
        """See the protocol."""
        return self._letta.is_there

    async def agents(
        self, *, query: str | None = None, name: str | None = None, after: str | None = None, limit: int
    ) -> list[Agent]:
        found = [agent for agent_id in await self._allowed() if (agent := await self._agent_if_there(agent_id))]
        ids = [agent.id for agent in found]
        later = found[ids.index(after) + 1 :] if after in ids else found
        fitting = [
            agent for agent in later if (query or "").casefold() in agent.name.casefold() and name in (None, agent.name)
        ]
        return fitting[:limit]

    async def agent(self, agent_id: str) -> Agent:
        await self._require_agent(agent_id)
        return await self._letta.agent(agent_id)

    async def create_agent(self, new: NewAgent) -> Agent:
        del new
        raise errors.AgentsLimited

    async def delete_agent(self, agent_id: str) -> None:
        await self._require_agent(agent_id)
        await self._letta.delete_agent(agent_id)

    async def memory_blocks(self, agent_id: str) -> list[MemoryBlock]:
        await self._require_agent(agent_id)
        return await self._letta.memory_blocks(agent_id)

    async def update_memory_block(self, agent_id: str, label: str, value: str) -> MemoryBlock:
        await self._require_agent(agent_id)
        return await self._letta.update_memory_block(agent_id, label, value)

    async def memory_state(self, agent_id: str) -> MemoryState:
        await self._require_agent(agent_id)
        return await self._letta.memory_state(agent_id)

    async def prompt(self, conversation_id: str) -> Prompt:
        await self._require(conversation_id)
        return await self._letta.prompt(conversation_id)

    async def conversations(
        self, query: ConversationQuery, *, after: str | None = None, limit: int
    ) -> list[Conversation]:
        if query.agent_id is not None:
            await self._require_agent(query.agent_id)
            return await self._letta.conversations(query, after=after, limit=limit)
        allowed = await self._allowed()
        if len(allowed) == 1:
            return await self._letta.conversations(replace(query, agent_id=allowed[0]), after=after, limit=limit)
        async with AsyncExitStack() as stack:
            listed = [self._listed(replace(query, agent_id=agent_id)) for agent_id in allowed]
            for each in listed:
                stack.push_async_callback(each.aclose)
            return await _merged(listed, query, after=after, limit=limit)

    async def _listed(self, query: ConversationQuery) -> AsyncGenerator[Conversation]:
        """One agent's conversations, a page after the other."""
        after: str | None = None
        while True:
            page = await self._letta.conversations(query, after=after, limit=PAGE)
            for conversation in page:
                yield conversation
            # A Letta that doesn't know a cursor answers with the first page.
            if len(page) < PAGE or page[-1].id == after:
                return
            after = page[-1].id

    async def conversation(self, conversation_id: str) -> Conversation:
        conversation = await self._letta.conversation(conversation_id)
        if conversation.agent_id not in await self._allowed():
            raise errors.ConversationNotFound(conversation_id)
        if len(self._conversation_ids) >= KEPT:
            self._conversation_ids.clear()
        self._conversation_ids.add(conversation_id)
        return conversation

    async def own_blocks(self, conversation_id: str) -> list[MemoryBlock]:
        await self._require(conversation_id)
        return await self._letta.own_blocks(conversation_id)

    async def create_conversation(self, new: NewConversation) -> Conversation:
        await self._require_agent(new.agent_id)
        return await self._letta.create_conversation(new)

    async def update_conversation(self, conversation_id: str, changes: ConversationChanges) -> Conversation:
        await self._require(conversation_id)
        return await self._letta.update_conversation(conversation_id, changes)

    async def delete_conversation(self, conversation_id: str) -> None:
        await self._require(conversation_id)
        await self._letta.delete_conversation(conversation_id)

    async def fork_conversation(self, conversation_id: str, message_id: str | None) -> Conversation:
        await self._require(conversation_id)
        return await self._letta.fork_conversation(conversation_id, message_id)

    async def compact_conversation(self, conversation_id: str) -> Compaction:
        await self._require(conversation_id)
        return await self._letta.compact_conversation(conversation_id)

    async def recompile_conversation(self, conversation_id: str) -> str:
        await self._require(conversation_id)
        return await self._letta.recompile_conversation(conversation_id)

    async def messages(
        self, conversation_id: str, *, order: Order, before: str | None = None, after: str | None = None, limit: int
    ) -> list[Json]:
        await self._require(conversation_id)
        return await self._letta.messages(conversation_id, order=order, before=before, after=after, limit=limit)

    async def search_messages(self, query: MessageQuery, *, limit: int) -> list[SearchHit] | None:
        if query.conversation_id is not None:
            await self._require(query.conversation_id)
        elif query.agent_id is not None:
            await self._require_agent(query.agent_id)
        else:
            # Letta's search would go through everybody's.
            return None
        return await self._letta.search_messages(query, limit=limit)

    async def pending_approvals(self, conversation_id: str) -> list[Approval]:
        await self._require(conversation_id)
        return await self._letta.pending_approvals(conversation_id)

    async def runs(self, conversation_id: str, *, active: bool = False, limit: int = 1) -> list[Run]:
        await self._require(conversation_id)
        return await self._letta.runs(conversation_id, active=active, limit=limit)

    async def run(self, run_id: str, conversation_id: str) -> Run:
        await self._require(conversation_id)
        return await self._letta.run(run_id, conversation_id)

    @asynccontextmanager
    async def open_turn(
        self, conversation_id: str, outgoing: Outgoing, otid: str, *, tokens: bool, repeats: bool = False
    ) -> AsyncGenerator[AsyncIterator[Frame]]:
        await self._require(conversation_id)
        async with self._letta.open_turn(conversation_id, outgoing, otid, tokens=tokens, repeats=repeats) as frames:
            yield frames

    async def find_run(self, conversation_id: str, outgoing: Outgoing, otid: str) -> Run | None:
        await self._require(conversation_id)
        return await self._letta.find_run(conversation_id, outgoing, otid)

    # A run comes from a conversation that was looked at already.

    async def run_messages(self, run: Run) -> list[Json]:
        return await self._letta.run_messages(run)

    async def cancel_run(self, run: Run) -> None:
        await self._letta.cancel_run(run)

    def resume(self, run: Run, after: int) -> Frames:
        return self._letta.resume(run, after)

    async def _require(self, conversation_id: str) -> None:
        if conversation_id.startswith(DEFAULT_PREFIX):
            if conversation_id.removeprefix(DEFAULT_PREFIX) not in await self._allowed():
                raise errors.ConversationNotFound(conversation_id)
        elif conversation_id not in self._conversation_ids:
            await self.conversation(conversation_id)

    async def _agent_if_there(self, agent_id: str) -> Agent | None:
        try:
            return await self._letta.agent(agent_id)
        except errors.AgentNotFound:
            # It was deleted meanwhile.
            return None

    async def _require_agent(self, agent_id: str) -> None:
        if agent_id not in await self._allowed():
            raise errors.AgentNotFound(agent_id)

    async def _allowed(self) -> list[str]:
        """The ids of the agents that can be reached, in the order in which they were named."""
        for wanted in self._wanted:
            if wanted not in self._ids:
                try:
                    self._ids[wanted] = (await find_agent(self._letta, wanted)).id
                except errors.AgentNotFound:
                    # It may be made later.
                    continue
        return list(dict.fromkeys(self._ids[wanted] for wanted in self._wanted if wanted in self._ids))


async def _merged(
    lists: list[AsyncGenerator[Conversation]], query: ConversationQuery, *, after: str | None, limit: int
) -> list[Conversation]:
    """Some conversations of several lists, in the order of all, after one of them.

    Raises:
        UnknownCursor: none of the lists holds that one.
    """
    heads = {place: head for place, each in enumerate(lists) if (head := await anext(each, None)) is not None}
    choose = max if query.order == "desc" else min
    kept: list[Conversation] = []
    is_after = after is None
    while heads and len(kept) < limit:
        place = choose(heads, key=lambda place: _moment(heads[place], query))
        head = heads.pop(place)
        if is_after:
            kept.append(head)
        is_after = is_after or head.id == after
        if (following := await anext(lists[place], None)) is not None:
            heads[place] = following
    if not is_after:
        raise errors.UnknownCursor("cursor", after or "")
    return kept


def _moment(conversation: Conversation, query: ConversationQuery) -> str:
    # Dates of one Letta are all written alike. Of a run's end a list says nothing; it is near the last message.
    if query.order_by == "created_at":
        return conversation.created_at or ""
    return conversation.last_message_at or conversation.created_at or ""
