"""Letta Cloud and Letta servers, as the `Letta` protocol.

What each call does on a real server, and where that differs from its documentation, was measured on Letta
server 0.16.8.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

from pydantic import SecretStr

from letta_conv_mcp import errors
from letta_conv_mcp.letta.content import Json, first_object, objects, text_or_none
from letta_conv_mcp.letta.events import Frame
from letta_conv_mcp.letta.paging import newest_first
from letta_conv_mcp.letta.port import ConversationQuery, Frames, NewConversation, Order, Run
from letta_conv_mcp.letta.records import (
    DEFAULT_PREFIX,
    agent_from_json,
    approvals_from_json,
    conversation_from_json,
    default_conversation_json,
)
from letta_conv_mcp.letta.rest_connection import Call, RestConnection
from letta_conv_mcp.letta.rest_failures import NoBackground, Question, not_letta
from letta_conv_mcp.views import Agent, Approval, Conversation


class RestLetta:
    """The `Letta` protocol over REST.

    Args:
        base_url: the server's address; None answers every call with NotConfigured.
        api_key: sent as a bearer token, and shown nowhere.
    """

    def __init__(self, base_url: str | None, api_key: SecretStr | None = None) -> None:
        self._connection = RestConnection(base_url, api_key)
        self._can_background = True

    async def agents(
        self, *, query: str | None = None, name: str | None = None, after: str | None = None, limit: int
    ) -> list[Agent]:
        arguments = _given(query_text=query, name=name, after=after, limit=limit)
        answer = await self._list(lambda client: client.agents.with_raw_response.list(**arguments), after)
        return [agent_from_json(agent) for agent in answer]

    async def agent(self, agent_id: str) -> Agent:
        return agent_from_json(await self._agent_json(agent_id, errors.AgentNotFound(agent_id)))

    async def conversations(
        self, query: ConversationQuery, *, after: str | None = None, limit: int
    ) -> list[Conversation]:
        arguments = _given(
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
        arguments = _given(agent_id=new.agent_id, summary=new.summary, description=new.description, model=new.model)
        question = self._question(
            "the new conversation", errors.AgentNotFound(new.agent_id), check="call list_conversations to see"
        )
        return conversation_from_json(
            await self._one(lambda client: client.conversations.with_raw_response.create(**arguments), question)
        )

    async def messages(
        self, conversation_id: str, *, order: Order, before: str | None = None, after: str | None = None, limit: int
    ) -> list[Json]:
        path_id, agent_id = _path_of(conversation_id)
        arguments = _given(agent_id=agent_id, order=order, before=before, after=after, limit=limit)
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

    async def pending_approvals(self, conversation_id: str) -> list[Approval]:
        conversation = await self._conversation_json(conversation_id)
        in_context = cast("list[str]", conversation.get("in_context_message_ids") or [])
        if not in_context:
            return []
        parts = await self._connection.ask(
            lambda client: client.messages.with_raw_response.retrieve(in_context[-1]), self._about(conversation_id)
        )
        return approvals_from_json(objects(parts))

    async def runs(self, conversation_id: str, *, active: bool = False, limit: int = 1) -> list[Run]:
        path_id, agent_id = _path_of(conversation_id)
        if agent_id is None:
            arguments = _given(conversation_id=path_id, active=active or None, limit=limit, order="desc")
        else:
            # Letta finds nothing by conversation_id="default", so the agent's runs are looked through.
            arguments = _given(agent_id=agent_id, active=active or None, limit=100, order="desc")
        answer = await self._connection.ask(
            lambda client: client.runs.with_raw_response.list(**arguments), self._about(conversation_id)
        )
        runs = [_run_from_json(run) for run in objects(answer)]
        return [run for run in runs if _is_of(run, path_id, agent_id)][:limit]

    async def run(self, run_id: str, conversation_id: str) -> Run:
        missing = errors.RunNotFound(conversation_id, run_id)
        question = self._question("the run id", missing)
        run = _run_from_json(await self._one(lambda client: client.runs.with_raw_response.retrieve(run_id), question))
        if not _is_of(run, *_path_of(conversation_id)):
            raise missing
        return run

    async def run_messages(self, run: Run) -> list[Json]:
        answer = await self._connection.ask(
            lambda client: client.runs.messages.with_raw_response.list(run.id, limit=1000, order="asc"),
            self._about_run(run),
        )
        return objects(answer)

    @asynccontextmanager
    async def open_turn(
        self, conversation_id: str, message: str, otid: str, *, tokens: bool
    ) -> AsyncGenerator[AsyncIterator[Frame]]:
        path_id, agent_id = _path_of(conversation_id)
        body = _given(
            agent_id=agent_id,
            messages=[{"role": "user", "content": message, "otid": otid}],
            stream_tokens=tokens,
            include_pings=True,
        )
        question = self._question(
            "the message",
            errors.ConversationNotFound(conversation_id),
            check="call get_history to see whether the message is there",
            conversation_id=conversation_id,
        )

        def posting(*, background: bool) -> Frames:
            return self._connection.stream(
                lambda client: client.conversations.messages.with_raw_response.create(
                    path_id, **body, background=background
                ),
                question,
            )

        async with AsyncExitStack() as stack:
            try:
                frames = await stack.enter_async_context(posting(background=self._can_background))
            except NoBackground:
                # Nothing was taken. This server has no Redis, so the stream can't be picked up again.
                self._can_background = False
                frames = await stack.enter_async_context(posting(background=False))
            yield frames

    def resume(self, run: Run, after: int) -> Frames:
        return self._connection.stream(
            lambda client: client.runs.messages.with_raw_response.stream(
                run.id, starting_after=after, include_pings=True
            ),
            self._about_run(run),
        )

    async def aclose(self) -> None:
        await self._connection.aclose()

    async def _agent_json(self, agent_id: str, missing: errors.LettaFailure) -> Json:
        question = self._question("the agent id", missing)
        return await self._one(lambda client: client.agents.with_raw_response.retrieve(agent_id), question)

    async def _conversation_json(self, conversation_id: str) -> Json:
        path_id, agent_id = _path_of(conversation_id)
        if agent_id is not None:
            missing = errors.ConversationNotFound(conversation_id)
            return default_conversation_json(await self._agent_json(agent_id, missing))
        return await self._one(
            lambda client: client.conversations.with_raw_response.retrieve(path_id), self._about(conversation_id)
        )

    async def _list(self, call: Call, cursor: str | None) -> list[Json]:
        missing = errors.UnknownCursor("cursor", cursor) if cursor else None
        return objects(await self._connection.ask(call, self._question("the list's arguments", missing)))

    async def _one(self, call: Call, question: Question) -> Json:
        answer = await self._connection.ask(call, question)
        if not isinstance(answer, Mapping):
            raise not_letta(question)
        return cast("Json", answer)

    def _about(self, conversation_id: str) -> Question:
        return self._question("the request", errors.ConversationNotFound(conversation_id))

    def _about_run(self, run: Run) -> Question:
        return self._question("the run id", errors.RunNotFound(run.conversation_id or run.agent_id, run.id))

    def _question(
        self,
        what: str,
        missing: errors.LettaFailure | None,
        *,
        check: str | None = None,
        conversation_id: str | None = None,
    ) -> Question:
        return Question(
            address=self._connection.address or "",
            has_key=self._connection.has_key,
            what=what,
            missing=missing,
            check=check,
            conversation_id=conversation_id,
        )


def _given(**arguments: Any) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if value is not None}


def _path_of(conversation_id: str) -> tuple[str, str | None]:
    """The id that stands in Letta's path, and the agent's id where it is an agent's own thread."""
    if conversation_id.startswith(DEFAULT_PREFIX):
        return "default", conversation_id.removeprefix(DEFAULT_PREFIX)
    return conversation_id, None


def _is_of(run: Run, path_id: str, agent_id: str | None) -> bool:
    """Whether a run belongs to a conversation, or to an agent's own thread."""
    if agent_id is None:
        return run.conversation_id == path_id
    # A send without streaming leaves a run of no conversation that stays "created" for ever, wherever it was said.
    is_ghost = run.status == "created" and not run.background
    return run.agent_id == agent_id and run.conversation_id in (None, path_id) and not is_ghost


def _run_from_json(run: Json) -> Run:
    error = first_object(first_object(run.get("metadata")).get("error"))
    return Run(
        id=str(run.get("id") or ""),
        agent_id=str(run.get("agent_id") or ""),
        conversation_id=text_or_none(run.get("conversation_id")),
        status=str(run.get("status") or ""),
        stop_reason=text_or_none(run.get("stop_reason")),
        error_type=text_or_none(error.get("error_type")),
        background=run.get("background") is True,
    )
