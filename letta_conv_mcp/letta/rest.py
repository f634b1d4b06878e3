"""Letta Cloud and Letta servers, as the `Letta` protocol.

What each call does on a real server, and where that differs from its documentation, was measured on Letta
server 0.16.8.
"""

from collections.abc import Sequence
from typing import cast

from pydantic import SecretStr

from letta_conv_mcp import errors
from letta_conv_mcp.letta.content import Json, objects
from letta_conv_mcp.letta.paging import newest_first
from letta_conv_mcp.letta.port import (
    MODELS_SHOWN,
    ConversationQuery,
    MessageQuery,
    NewAgent,
    NewConversation,
    Order,
    Run,
)
from letta_conv_mcp.letta.records import (
    DEFAULT_PREFIX,
    agent_from_json,
    approvals_from_json,
    conversation_from_json,
    default_conversation_json,
    search_hit_from_json,
    tool_names,
)
from letta_conv_mcp.letta.rest_changes import RestChanges
from letta_conv_mcp.letta.rest_connection import Call, RestConnection
from letta_conv_mcp.letta.rest_failures import not_letta
from letta_conv_mcp.letta.rest_runs import given, path_of
from letta_conv_mcp.views import Agent, Approval, Conversation, SearchHit


class RestLetta(RestChanges):
    """The `Letta` protocol over REST.

    Args:
        base_url: the server's address; None answers every call with NotConfigured.
        api_key: sent as a bearer token, and shown nowhere.
    """

    def __init__(self, base_url: str | None, api_key: SecretStr | None = None) -> None:
        super().__init__(RestConnection(base_url, api_key))

    @property
    def is_there(self) -> bool:
        return True

    async def agents(
        self, *, query: str | None = None, name: str | None = None, after: str | None = None, limit: int
    ) -> list[Agent]:
        arguments = given(query_text=query, name=name, after=after, limit=limit)
        answer = await self._list(lambda client: client.agents.with_raw_response.list(**arguments), after)
        return [agent_from_json(agent) for agent in answer]

    async def agent(self, agent_id: str) -> Agent:
        return agent_from_json(await self._agent_json(agent_id, errors.AgentNotFound(agent_id)))

    async def create_agent(self, new: NewAgent) -> Agent:
        arguments = given(
            name=new.name,
            model=new.model,
            system=new.system,
            description=new.description,
            memory_blocks=new.memory_blocks,
        )
        # A 404 here is the model's.
        question = self._question("the new agent", errors.ModelNeeded(new.model, []), check="call list_agents to see")
        try:
            agent = await self._one(lambda client: client.agents.with_raw_response.create(**arguments), question)
        except errors.ModelNeeded:
            raise errors.ModelNeeded(new.model, await self._models()) from None
        except errors.RequestRejected:
            if new.model is not None:
                raise
            raise errors.ModelNeeded(None, await self._models()) from None
        return agent_from_json(agent)

    async def _models(self) -> list[str]:
        answer = await self._list(lambda client: client.models.with_raw_response.list(), None)
        return [str(model.get("handle")) for model in answer][:MODELS_SHOWN]

    async def conversations(
        self, query: ConversationQuery, *, after: str | None = None, limit: int
    ) -> list[Conversation]:
        arguments = given(
            agent_id=query.agent_id,
            archive_status={None: "all", True: "archived", False: "unarchived"}[query.archived],
            order_by=query.order_by,
            order=query.order,
            after=after,
            limit=limit,
        )
        answer = await self._list(lambda client: client.conversations.with_raw_response.list(**arguments), after)
        return [conversation_from_json(conversation, listed=True) for conversation in answer]

    async def conversation(self, conversation_id: str) -> Conversation:
        return conversation_from_json(await self._conversation_json(conversation_id))

    async def create_conversation(self, new: NewConversation) -> Conversation:
        arguments = given(agent_id=new.agent_id, summary=new.summary, description=new.description, model=new.model)
        if new.isolated_blocks:
            await self._require_blocks(new.agent_id, new.isolated_blocks)
            # letta-client 1.12 has no argument for it.
            arguments["extra_body"] = {"isolated_block_labels": list(new.isolated_blocks)}
        question = self._question(
            "the new conversation", errors.AgentNotFound(new.agent_id), check="call list_conversations to see"
        )
        made = await self._one(lambda client: client.conversations.with_raw_response.create(**arguments), question)
        conversation = conversation_from_json(made)
        if new.isolated_blocks and not made.get("isolated_block_ids"):
            raise errors.NotIsolated(conversation.id)
        return conversation

    async def _require_blocks(self, agent_id: str, labels: Sequence[str]) -> None:
        known = {block.label for block in await self.memory_blocks(agent_id)}
        for label in labels:
            if label not in known:
                raise errors.BlockNotFound(agent_id, label)

    async def messages(
        self, conversation_id: str, *, order: Order, before: str | None = None, after: str | None = None, limit: int
    ) -> list[Json]:
        path_id, agent_id = path_of(conversation_id)
        arguments = given(agent_id=agent_id, order=order, before=before, after=after, limit=limit)
        cursor = before or after
        missing: errors.LettaFailure = errors.ConversationNotFound(conversation_id)
        if agent_id is not None and cursor is not None:
            # Only in an agent's own thread does Letta refuse a cursor that it doesn't know.
            missing = errors.UnknownCursor("before" if before else "after", cursor)
        answer = await self._connection.ask(
            lambda client: client.conversations.messages.with_raw_response.list(path_id, **arguments),
            self._question("the request", missing),
        )
        entries = objects(answer)
        # 0.16.8 picks the right part of an agent's own thread, but lists it oldest first whatever the order.
        return newest_first(entries) if agent_id is not None and order == "desc" else entries

    async def search_messages(self, query: MessageQuery, *, limit: int) -> list[SearchHit] | None:
        if (query.conversation_id or "").startswith(DEFAULT_PREFIX):
            # Nothing tells how its index names an agent's own thread.
            return None
        arguments = given(query=query.text, agent_id=query.agent_id, conversation_id=query.conversation_id, limit=limit)
        try:
            answer = await self._connection.ask(
                lambda client: client.messages.with_raw_response.search(**arguments), self._question("the search", None)
            )
        except (errors.RequestRejected, errors.NotLetta):
            # 400 on 0.16.8, which lacks the database for it; older ones lack the path.
            return None
        return [search_hit_from_json(row) for row in objects(answer)]

    async def pending_approvals(self, conversation_id: str) -> list[Approval]:
        conversation = await self._conversation_json(conversation_id)
        ids = conversation.get("in_context_message_ids")
        if not isinstance(ids, list):
            # Nothing said is not the same as nothing pending.
            raise not_letta(self._about(conversation_id))
        in_context = cast("list[str]", ids)
        if not in_context:
            return []
        parts = await self._connection.ask(
            lambda client: client.messages.with_raw_response.retrieve(in_context[-1]), self._about(conversation_id)
        )
        approvals = approvals_from_json(objects(parts))
        if not approvals:
            return []
        # Nothing in the request tells a tool of the client's from one of the agent's.
        agent_id = str(conversation.get("agent_id"))
        agent = await self._agent_json(agent_id, errors.AgentNotFound(agent_id))
        return approvals_from_json(objects(parts), tool_names(agent))

    async def cancel_run(self, run: Run) -> None:
        thread = f"{DEFAULT_PREFIX}{run.agent_id}"
        if run.conversation_id is not None and await self.pending_approvals(thread):
            # 0.16.8 then denies that approval, in the person's name.
            raise errors.CancelWouldDeny(thread)
        await super().cancel_run(run)

    async def aclose(self) -> None:
        """Let go of the connections."""
        await self._connection.aclose()

    async def _agent_json(self, agent_id: str, missing: errors.LettaFailure) -> Json:
        question = self._question("the agent id", missing)
        return await self._one(lambda client: client.agents.with_raw_response.retrieve(agent_id), question)

    async def _conversation_json(self, conversation_id: str) -> Json:
        path_id, agent_id = path_of(conversation_id)
        if agent_id is not None:
            missing = errors.ConversationNotFound(conversation_id)
            return default_conversation_json(await self._agent_json(agent_id, missing))
        return await self._one(
            lambda client: client.conversations.with_raw_response.retrieve(path_id), self._about(conversation_id)
        )

    async def _list(self, call: Call, cursor: str | None) -> list[Json]:
        missing = errors.UnknownCursor("cursor", cursor) if cursor else None
        return objects(await self._connection.ask(call, self._question("the list's arguments", missing)))
