"""A Letta App Server, over its WebSocket, as the `Letta` protocol.

What each request does was seen on letta 0.34.12, where nothing describes it but types.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio

from letta_conv_mcp import errors
from letta_conv_mcp.letta.appserver_changes import AppServerChanges
from letta_conv_mcp.letta.appserver_json import DEFAULT_THREAD, entries_from_messages
from letta_conv_mcp.letta.appserver_link import Link
from letta_conv_mcp.letta.appserver_memory import edit_memory
from letta_conv_mcp.letta.appserver_runs import PAGE
from letta_conv_mcp.letta.appserver_server import Server
from letta_conv_mcp.letta.content import Json, first_object, objects
from letta_conv_mcp.letta.port import MODELS_SHOWN, ConversationQuery, NewAgent, NewConversation, Order
from letta_conv_mcp.letta.records import (
    DEFAULT_PREFIX,
    agent_from_json,
    conversation_from_json,
    default_conversation_json,
)
from letta_conv_mcp.views import Agent, Conversation


@asynccontextmanager
async def open_app_server(
    server: Server, *, tools: Sequence[str] = (), models: "Models | None" = None
) -> AsyncGenerator["AppServerLetta"]:
    """An App Server. Nothing is asked of it before it is needed.

    Args:
        server: where it is.
        tools: the server's own tools that agents may ask a person to use.
        models: which models new agents get; None where each has to be told.
    """
    async with anyio.create_task_group() as group:
        link = Link(server, group, edit_memory)
        try:
            yield AppServerLetta(link, tools, models or Models())
        finally:
            with anyio.move_on_after(1, shield=True):
                await link.close()
            group.cancel_scope.cancel()


@dataclass(frozen=True, kw_only=True)
class Models:
    """Which model a new agent gets that is told none.

    Attributes:
        chosen: looks up the one that was set up.
        standin: the one for a server that offers no other.
    """

    chosen: Callable[[], str | None] = lambda: None
    standin: str | None = None


class AppServerLetta(AppServerChanges):
    """The `Letta` protocol over an App Server's WebSocket.

    Args:
        link: the connections.
        tools: the server's own tools that agents may ask a person to use.
        models: which models new agents get.
    """

    def __init__(self, link: Link, tools: Sequence[str], models: Models) -> None:
        super().__init__(link, tools)
        self._models = models

    @property
    def default_model(self) -> str | None:
        """The handle of the model that new agents get which are told none; None where none was set up."""
        return self._models.chosen()

    @property
    def is_there(self) -> bool:
        return self._link.server.is_running

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

    async def create_agent(self, new: NewAgent) -> Agent:
        wanted = {
            "name": new.name,
            # Without one it takes a model that may not be there, and the first turn fails.
            "model": await self._model_for(new.model or self.default_model),
            "system": new.system,
            "description": new.description,
            "memory_blocks": new.memory_blocks,
        }
        body = {name: value for name, value in wanted.items() if value is not None}
        check = "call list_agents to see"
        try:
            answer = await self._link.ask("agent_create", check=check, body=body)
        except errors.LettaUnavailable:
            # It says no after it has made the agent, where it can't keep its memory.
            raise errors.OutcomeUnknown(self._link.server.name, "could not do all that was asked", check) from None
        return agent_from_json(first_object(answer.get("agent")))

    async def delete_agent(self, agent_id: str) -> None:
        """Delete an agent with its conversations. Raises AgentNotFound."""
        await self._link.ask(
            "agent_delete", errors.AgentNotFound(agent_id), check="call list_agents to see", agent_id=agent_id
        )

    async def use_model(self, agent_id: str, handle: str) -> None:
        """Give an agent another model. Raises AgentNotFound."""
        missing = errors.AgentNotFound(agent_id)
        body = {"model": handle}
        await self._link.ask("agent_update", missing, check="call list_agents to see", agent_id=agent_id, body=body)

    async def models(self) -> list[str]:
        """The handles of the models that its providers offer."""
        answer = await self._link.ask("list_models", force=True)
        # One that can think in several ways stands there once for each.
        return list(dict.fromkeys(str(entry.get("handle")) for entry in objects(answer.get("entries"))))

    async def _model_for(self, wanted: str | None) -> str:
        offered = await self.models()
        if wanted is None and offered == [self._models.standin]:
            return offered[0]
        if wanted is None or wanted not in offered:
            others = [handle for handle in offered if handle != self._models.standin]
            raise errors.ModelNeeded(wanted, others[:MODELS_SHOWN])
        return wanted

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
        if new.isolated_blocks:
            raise errors.NotSupported("keep memory blocks apart in a conversation")
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
