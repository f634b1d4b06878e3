"""Changing conversations and memory of a Letta App Server, and making other conversations of them."""

from abc import abstractmethod

from letta_conv_mcp import errors
from letta_conv_mcp.letta.appserver_json import runtime_of
from letta_conv_mcp.letta.appserver_memory import blocks_from_entries, path_of_block, with_body
from letta_conv_mcp.letta.appserver_runs import AppServerRuns
from letta_conv_mcp.letta.content import Json, first_object
from letta_conv_mcp.letta.port import ConversationChanges, MemoryState, Prompt
from letta_conv_mcp.letta.records import DEFAULT_PREFIX, changeable_block, compaction_from_json
from letta_conv_mcp.views import Agent, Compaction, Conversation, MemoryBlock

COMPACTION_SECONDS = 40.0
"""The agent's model writes a summary meanwhile."""
CHECK = "call retrieve_conversation to see"


class AppServerChanges(AppServerRuns):
    """The part of the `Letta` protocol that changes conversations and memory."""

    @abstractmethod
    async def conversation(self, conversation_id: str) -> Conversation:
        """See the protocol."""

    @abstractmethod
    async def agent(self, agent_id: str) -> Agent:
        """See the protocol."""

    async def update_conversation(self, conversation_id: str, changes: ConversationChanges) -> Conversation:
        if conversation_id.startswith(DEFAULT_PREFIX):
            raise errors.OwnThread("be changed")
        if changes.description is not None:
            raise errors.NotSupported("keep a conversation's description; put it into the summary")
        # It would take a model that isn't there, and the next turn would fail.
        if changes.model is not None and changes.model not in await self.models():
            raise errors.ModelUnknown(conversation_id)
        wanted = {"summary": changes.summary, "archived": changes.archived}
        body = {name: value for name, value in wanted.items() if value is not None}
        before = await self.conversation(conversation_id)
        if body:
            await self._changed("conversation_update", conversation_id, body)
        if changes.model is not None:
            runtime = runtime_of(conversation_id, before.agent_id)
            await self._link.ask("update_model", check=CHECK, runtime=runtime, payload={"model_handle": changes.model})
        return await self.conversation(conversation_id)

    async def delete_conversation(self, conversation_id: str) -> None:
        del conversation_id
        raise errors.NotSupported("delete a conversation")

    async def delete_agent(self, agent_id: str) -> None:
        await self.agent(agent_id)
        await self._link.ask("agent_delete", check="call list_agents to see whether it is there", agent_id=agent_id)

    async def memory_blocks(self, agent_id: str) -> list[MemoryBlock]:
        await self.agent(agent_id)
        answer = await self._link.ask("list_memory", agent_id=agent_id)
        return blocks_from_entries(answer.get("entries"))

    async def own_blocks(self, conversation_id: str) -> list[MemoryBlock]:
        del conversation_id  # It has none.
        return []

    async def memory_state(self, agent_id: str) -> MemoryState:
        missing = errors.AgentNotFound(agent_id)
        # Of all its files; what isn't committed stands in no prompt.
        answer = await self._link.ask("memory_history", missing, agent_id=agent_id, limit=1)
        return MemoryState(mark=str(first_object(answer.get("commits")).get("sha") or ""))

    async def prompt(self, conversation_id: str) -> Prompt:
        conversation = await self._conversation_json(conversation_id)
        return Prompt(agent_id=str(conversation.get("agent_id")))

    async def update_memory_block(self, agent_id: str, label: str, value: str) -> MemoryBlock:
        block = changeable_block(await self.memory_blocks(agent_id), agent_id, label, value)
        place: Json = {"agent_id": agent_id, "path": path_of_block(label)}
        read = await self._link.ask("read_memory_file", **place)
        content = with_body(str(read.get("content") or ""), value)
        await self._link.ask("write_memory_file", check="look at the block to see", **place, content=content)
        return block.model_copy(update={"value": value})

    async def fork_conversation(self, conversation_id: str, message_id: str | None) -> Conversation:
        body = {} if message_id is None else {"message_id": message_id}
        done = await self._changed("conversation_fork", conversation_id, body)
        return await self.conversation(str(first_object(done.get("conversation")).get("id")))

    async def compact_conversation(self, conversation_id: str) -> Compaction:
        done = await self._changed("conversation_compact", conversation_id, {}, seconds=COMPACTION_SECONDS)
        return compaction_from_json(conversation_id, first_object(done.get("compaction")))

    async def recompile_conversation(self, conversation_id: str) -> str:
        return str((await self._changed("conversation_recompile", conversation_id, {})).get("result"))

    async def _changed(self, kind: str, conversation_id: str, body: Json, *, seconds: float | None = None) -> Json:
        missing = errors.ConversationNotFound(conversation_id)
        if conversation_id.startswith(DEFAULT_PREFIX):
            body = {**body, "agent_id": conversation_id.removeprefix(DEFAULT_PREFIX)}
        path_id = str(runtime_of(conversation_id, "")["conversation_id"])
        return await self._link.ask(kind, missing, check=CHECK, seconds=seconds, conversation_id=path_id, body=body)
