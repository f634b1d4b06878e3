"""A Letta App Server, over its WebSocket, as the `Letta` protocol.

What each request does was seen on letta 0.34.12, where nothing describes it but types.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import anyio
from pydantic import SecretStr

from letta_conv_mcp import errors
from letta_conv_mcp.letta.appserver_json import DEFAULT_THREAD, entries_from_messages
from letta_conv_mcp.letta.appserver_link import Link
from letta_conv_mcp.letta.appserver_memory import edit_memory
from letta_conv_mcp.letta.appserver_runs import PAGE, AppServerRuns
from letta_conv_mcp.letta.content import Json, first_object, objects
from letta_conv_mcp.letta.port import ConversationQuery, NewConversation, Order
from letta_conv_mcp.letta.records import (
    DEFAULT_PREFIX,
    agent_from_json,
    conversation_from_json,
    default_conversation_json,
)
from letta_conv_mcp.views import Agent, Conversation


@asynccontextmanager
async def open_app_server(
    address: str, token: SecretStr | None = None, *, tools: Sequence[str] = ()
) -> AsyncGenerator["AppServerLetta"]:
    """The App Server at an address. Nothing is asked of it before it is needed.

    Args:
        address: ws:// or wss://, without the path.
        token: its capability token.
        tools: the server's own tools that agents may ask a person to use.
    """
    async with anyio.create_task_group() as group:
        link = Link(address, token, group, edit_memory)
        try:
            yield AppServerLetta(link, tools)
        finally:
            with anyio.move_on_after(1, shield=True):
                await link.close()
            group.cancel_scope.cancel()


class AppServerLetta(AppServerRuns):
    """The `Letta` protocol over an App Server's WebSocket; its arguments are those of `AppServerRuns`."""

    async def version(self) -> str:
        """The version of Letta Code that the server runs."""
        return str((await self._link.ask("app_server_info")).get("letta_code_version"))

    async def agents(
        self, *, query: str | None = None, name: str | None = None, after: str | None = None, limit: int
    ) -> list[Agent]:
        needle = (name or query or "").casefold()
        found: list[Agent] = []
        while len(found) < limit:
            wanted = {"limit": PAGE if needle else limit, "after": after, "query_text": needle or None}
            answer = await self._link.ask(
                "agent_list", query={field: value for field, value in wanted.items() if value is not None}
            )
            agents = [agent_from_json(agent) for agent in objects(answer.get("agents"))]
            # It looks for a text in ids too.
            found += [agent for agent in agents if needle in agent.name.casefold() and name in (None, agent.name)]
            if not needle or len(agents) < PAGE:
                break
            after = agents[-1].id
        return found[:limit]

    async def agent(self, agent_id: str) -> Agent:
        return agent_from_json(await self._agent_json(agent_id, errors.AgentNotFound(agent_id)))

    async def conversations(
        self, query: ConversationQuery, *, after: str | None = None, limit: int
    ) -> list[Conversation]:
        if (query.order_by, query.order) != ("last_message_at", "desc"):
            raise errors.NotSupported("list conversations in another order than the most recently active first")
        if after is not None:
            # It answers an unknown cursor with the first page, and a walk would never end.
            await self._link.ask("conversation_retrieve", errors.UnknownCursor("cursor", after), conversation_id=after)
        wanted = {"agent_id": query.agent_id, "after": after, "limit": limit}
        answer = await self._link.ask(
            "conversation_list", query={name: value for name, value in wanted.items() if value is not None}
        )
        return [conversation_from_json(conversation) for conversation in objects(answer.get("conversations"))]

    async def conversation(self, conversation_id: str) -> Conversation:
        return conversation_from_json(await self._conversation_json(conversation_id))

    async def create_conversation(self, new: NewConversation) -> Conversation:
        if new.description is not None:
            raise errors.NotSupported("keep a conversation's description; put it into the summary")
        wanted = {"agent_id": new.agent_id, "summary": new.summary, "model": new.model}
        answer = await self._link.ask(
            "conversation_create",
            errors.AgentNotFound(new.agent_id),
            check="call list_conversations to see",
            body={name: value for name, value in wanted.items() if value is not None},
        )
        return conversation_from_json(first_object(answer.get("conversation")))

    async def messages(
        self, conversation_id: str, *, order: Order, before: str | None = None, after: str | None = None, limit: int
    ) -> list[Json]:
        query: dict[str, object] = {"order": order, "limit": limit}
        path_id = conversation_id
        if conversation_id.startswith(DEFAULT_PREFIX):
            path_id, query["agent_id"] = DEFAULT_THREAD, conversation_id.removeprefix(DEFAULT_PREFIX)
        cursors = {"before": before, "after": after}
        query |= {name: value for name, value in cursors.items() if value is not None}
        missing = errors.ConversationNotFound(conversation_id)
        answer = await self._link.ask("conversation_messages_list", missing, conversation_id=path_id, query=query)
        return entries_from_messages(answer.get("messages"))

    async def _agent_json(self, agent_id: str, missing: errors.LettaFailure) -> Json:
        return first_object((await self._link.ask("agent_retrieve", missing, agent_id=agent_id)).get("agent"))

    async def _conversation_json(self, conversation_id: str) -> Json:
        missing = errors.ConversationNotFound(conversation_id)
        if conversation_id.startswith(DEFAULT_PREFIX):
            agent = await self._agent_json(conversation_id.removeprefix(DEFAULT_PREFIX), missing)
            # It lists no messages there, however many there are.
            return {**default_conversation_json(agent), "in_context_message_ids": None}
        answer = await self._link.ask("conversation_retrieve", missing, conversation_id=conversation_id)
        return first_object(answer.get("conversation"))
