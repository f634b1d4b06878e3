"""Changing conversations and memory of Letta Cloud and Letta servers, and making other conversations of them.

0.16.8 has no room for a description and archives nothing, keeps a summary that is set to null, and forks the whole
whatever message is named.
"""

from abc import abstractmethod
from dataclasses import asdict, replace
from hashlib import sha256
from typing import cast

from letta_conv_mcp import errors
from letta_conv_mcp.letta.content import Json, content_text, first_object, objects
from letta_conv_mcp.letta.port import ConversationChanges, MemoryState, Prompt
from letta_conv_mcp.letta.records import DEFAULT_PREFIX, block_from_json, changeable_block, compaction_from_json
from letta_conv_mcp.letta.rest_connection import Call
from letta_conv_mcp.letta.rest_failures import Question
from letta_conv_mcp.letta.rest_runs import RestRuns, given, path_of
from letta_conv_mcp.views import Compaction, Conversation, MemoryBlock

COMPACTION_SECONDS = 40.0
"""The agent's model writes a summary meanwhile."""


class RestChanges(RestRuns):
    """The part of the `Letta` protocol that changes conversations and memory."""

    @abstractmethod
    async def conversation(self, conversation_id: str) -> Conversation:
        """See the protocol."""

    @abstractmethod
    async def _conversation_json(self, conversation_id: str) -> Json: ...

    async def update_conversation(self, conversation_id: str, changes: ConversationChanges) -> Conversation:
        if conversation_id.startswith(DEFAULT_PREFIX):
            raise errors.OwnThread("be changed")
        arguments = given(**asdict(changes))
        await self._changed(
            conversation_id, lambda client: client.conversations.with_raw_response.update(conversation_id, **arguments)
        )
        # The answer shows no message in context.
        return await self.conversation(conversation_id)

    async def delete_conversation(self, conversation_id: str) -> None:
        if conversation_id.startswith(DEFAULT_PREFIX):
            raise errors.OwnThread("be deleted")
        await self._connection.ask(
            lambda client: client.conversations.with_raw_response.delete(conversation_id),
            self._change(conversation_id),
        )

    async def delete_agent(self, agent_id: str) -> None:
        question = self._question(
            "the deletion", errors.AgentNotFound(agent_id), check="call list_agents to see whether it is there"
        )
        await self._connection.ask(lambda client: client.agents.with_raw_response.delete(agent_id), question)

    async def memory_blocks(self, agent_id: str) -> list[MemoryBlock]:
        question = self._question("the agent id", errors.AgentNotFound(agent_id))
        answer = await self._connection.ask(
            lambda client: client.agents.blocks.with_raw_response.list(agent_id), question
        )
        return [block_from_json(block) for block in objects(answer)]

    async def own_blocks(self, conversation_id: str) -> list[MemoryBlock]:
        if conversation_id.startswith(DEFAULT_PREFIX):
            return []
        conversation = await self._conversation_json(conversation_id)
        ids = cast("list[str]", conversation.get("isolated_block_ids") or [])
        return [await self._block(block_id, conversation_id) for block_id in ids]

    async def _block(self, block_id: str, conversation_id: str) -> MemoryBlock:
        about = self._about(conversation_id)
        return block_from_json(
            await self._one(lambda client: client.blocks.with_raw_response.retrieve(block_id), about)
        )

    async def memory_state(self, agent_id: str) -> MemoryState:
        question = self._question("the agent id", errors.AgentNotFound(agent_id))
        # On 0.16.8 this takes half as long as the list of blocks does: nothing else is looked up.
        agent = await self._one(
            lambda client: client.agents.with_raw_response.retrieve(agent_id, include=["agent.blocks"]), question
        )
        return _memory_of(agent)

    async def prompt(self, conversation_id: str) -> Prompt:
        conversation = await self._conversation_json(conversation_id)
        about = Prompt(
            agent_id=str(conversation.get("agent_id")), has_own_memory=bool(conversation.get("isolated_block_ids"))
        )
        ids = conversation.get("in_context_message_ids")
        if about.has_own_memory or not isinstance(ids, list) or not ids:
            return about
        first = cast("list[str]", ids)[0]
        parts = await self._connection.ask(
            lambda client: client.messages.with_raw_response.retrieve(first), self._about(conversation_id)
        )
        return replace(about, text=content_text(first_object(parts).get("content")))

    async def update_memory_block(self, agent_id: str, label: str, value: str) -> MemoryBlock:
        changeable_block(await self.memory_blocks(agent_id), agent_id, label, value)
        question = self._question(
            "the new value", errors.BlockNotFound(agent_id, label), check="look at the block to see"
        )
        return block_from_json(
            await self._one(
                lambda client: client.agents.blocks.with_raw_response.update(label, agent_id=agent_id, value=value),
                question,
            )
        )

    async def fork_conversation(self, conversation_id: str, message_id: str | None) -> Conversation:
        path_id, agent_id = path_of(conversation_id)
        arguments = given(agent_id=agent_id, message_id=message_id)
        fork = await self._changed(
            conversation_id, lambda client: client.conversations.with_raw_response.fork(path_id, **arguments)
        )
        return await self.conversation(str(fork.get("id")))

    async def compact_conversation(self, conversation_id: str) -> Compaction:
        path_id, agent_id = path_of(conversation_id)
        arguments = given(agent_id=agent_id)
        done = await self._changed(
            conversation_id,
            lambda client: client.conversations.messages.with_raw_response.compact(
                path_id, **arguments, timeout=COMPACTION_SECONDS
            ),
        )
        return compaction_from_json(conversation_id, done)

    async def recompile_conversation(self, conversation_id: str) -> str:
        path_id, agent_id = path_of(conversation_id)
        arguments = given(agent_id=agent_id)
        if agent_id is None and (await self._conversation_json(conversation_id)).get("isolated_block_ids"):
            raise errors.IsolationAtRisk(conversation_id)
        prompt = await self._connection.ask(
            lambda client: client.conversations.with_raw_response.recompile(path_id, **arguments),
            self._change(conversation_id),
        )
        return str(prompt)

    async def _changed(self, conversation_id: str, call: Call) -> Json:
        return await self._one(call, self._change(conversation_id))

    def _change(self, conversation_id: str) -> Question:
        missing = errors.ConversationNotFound(conversation_id)
        return self._question("the change", missing, check="call retrieve_conversation to see")


def _memory_of(agent: Json) -> MemoryState:
    """What an agent's blocks come to. Blocks carry no dates, so all that stands of them in a prompt is compared."""
    blocks = [block_from_json(block) for block in objects(agent.get("blocks"))]
    told = sorted(repr(block) for block in blocks)
    return MemoryState(
        mark=sha256("\n".join(told).encode()).hexdigest(), values={block.label: block.value for block in blocks}
    )
