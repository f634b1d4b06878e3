"""Runs of Letta Cloud and Letta servers: sending, following, finding again, stopping.

What each call does on a real server, and where that differs from its documentation, was measured on Letta
server 0.16.8.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from time import monotonic
from typing import Any, cast

from letta_conv_mcp import errors
from letta_conv_mcp.letta.content import Json, first_object, objects, text_or_none
from letta_conv_mcp.letta.events import Frame
from letta_conv_mcp.letta.outgoing import Outgoing
from letta_conv_mcp.letta.port import Frames, Run
from letta_conv_mcp.letta.records import DEFAULT_PREFIX
from letta_conv_mcp.letta.rest_connection import Call, RestConnection
from letta_conv_mcp.letta.rest_failures import NoBackground, Question, no_answer, not_letta
from letta_conv_mcp.letta.rest_messages import asks_for, is_stored, message_json, options

FOREGROUND_SECONDS = 300.0
"""How long a server is taken to be without Redis that once was."""
LOOKED_THROUGH = 5
"""The latest runs of a conversation among which one of ours is looked for."""


class RestRuns:
    """The part of the `Letta` protocol that is about runs.

    Args:
        connection: to the server.
    """

    def __init__(self, connection: RestConnection) -> None:
        self._connection = connection
        self._foreground_until = 0.0

    @asynccontextmanager
    async def open_turn(
        self, conversation_id: str, outgoing: Outgoing, otid: str, *, tokens: bool, repeats: bool = False
    ) -> AsyncGenerator[AsyncIterator[Frame]]:
        path_id, agent_id = path_of(conversation_id)
        body = given(
            agent_id=agent_id,
            messages=[{**message_json(outgoing), "otid": otid}],
            stream_tokens=tokens,
            include_pings=True,
            **options(outgoing),
        )
        question = self._question(
            "the message",
            errors.ConversationNotFound(conversation_id),
            check="call get_history to see whether the message is there",
            conversation_id=conversation_id,
        )

        def posting(*, background: bool) -> Frames:
            # In the background Letta knows an otid again, for three hours; in the foreground it would run it twice.
            return self._connection.stream(
                lambda client: client.conversations.messages.with_raw_response.create(
                    path_id, **body, background=background
                ),
                replace(question, is_repeatable=background),
                must_begin=True,
            )

        async with AsyncExitStack() as stack:
            is_background = repeats or monotonic() >= self._foreground_until
            try:
                frames = await stack.enter_async_context(posting(background=is_background))
            except errors.ModelUnknown:
                raise errors.ModelUnknown(conversation_id, body.get("override_model")) from None
            except NoBackground:
                if repeats:
                    # Not even whether it was taken the first time can be learnt from this server by asking again.
                    raise no_answer(question, "has lost its Redis", maybe_done=True) from None
                # Nothing was taken. This server has no Redis, so the stream can't be picked up again.
                self._foreground_until = monotonic() + FOREGROUND_SECONDS
                frames = await stack.enter_async_context(posting(background=False))
            yield frames

    async def find_run(self, conversation_id: str, outgoing: Outgoing, otid: str) -> Run | None:
        runs = await self.runs(conversation_id, limit=LOOKED_THROUGH)
        for run in runs:
            # Newest first: models number their calls anew, so an answer older than the question is another one's.
            for message in reversed(await self.run_messages(run)):
                if is_stored(message, outgoing, otid):
                    return run
                if asks_for(message, outgoing):
                    return None
        active = next((run for run in runs if run.is_active), None)
        if active is None:
            return None
        # What a run was sent is stored with its first step; until then only the list of otids in Redis tells.
        run_id = await self._run_id_of(conversation_id, otid)
        if run_id is None:
            raise errors.ConversationBusy(conversation_id, active.id)
        return await self.run(run_id, conversation_id)

    async def _run_id_of(self, conversation_id: str, otid: str) -> str | None:
        path_id, agent_id = path_of(conversation_id)
        body = given(otid=otid, agent_id=agent_id, include_pings=True)
        stream = self._connection.stream(
            lambda client: client.conversations.messages.with_raw_response.stream(path_id, **body),
            self._question("the otid", errors.RunNotFound(conversation_id)),
        )
        try:
            async with stream as frames:
                first = await anext(frames, None)
        except (errors.RunNotFound, NoBackground):
            return None
        return first.run_id if first else None

    async def cancel_run(self, run: Run) -> None:
        await self._connection.ask(
            # By run: the conversation's own cancel stops everything there, and the agent's everything it does.
            lambda client: client.agents.messages.with_raw_response.cancel(run.agent_id, run_ids=[run.id]),
            self._about_run(run),
        )

    def resume(self, run: Run, after: int) -> Frames:
        return self._connection.stream(
            lambda client: client.runs.messages.with_raw_response.stream(
                run.id, starting_after=after, include_pings=True
            ),
            self._about_run(run),
        )

    async def runs(self, conversation_id: str, *, active: bool = False, limit: int = 1) -> list[Run]:
        path_id, agent_id = path_of(conversation_id)
        if agent_id is None:
            return await self._runs(conversation_id, given(conversation_id=path_id, active=active or None, limit=limit))
        # Letta finds nothing by conversation_id="default", so the agent's runs are looked through: the latest, then as
        # many as it gives.
        runs: list[Run] = []
        for size in (100, 1000):
            listed = await self._runs(conversation_id, given(agent_id=agent_id, active=active or None, limit=size))
            runs = [run for run in listed if _is_of(run, path_id, agent_id)][:limit]
            if runs or len(listed) < size:
                break
        return runs

    async def _runs(self, conversation_id: str, arguments: Json) -> list[Run]:
        answer = await self._connection.ask(
            lambda client: client.runs.with_raw_response.list(**arguments, order="desc"), self._about(conversation_id)
        )
        return [_run_from_json(run) for run in objects(answer)]

    async def run(self, run_id: str, conversation_id: str) -> Run:
        missing = errors.RunNotFound(conversation_id, run_id)
        question = self._question("the run id", missing)
        run = _run_from_json(await self._one(lambda client: client.runs.with_raw_response.retrieve(run_id), question))
        if not _is_of(run, *path_of(conversation_id)):
            raise missing
        return run

    async def run_messages(self, run: Run) -> list[Json]:
        answer = await self._connection.ask(
            lambda client: client.runs.messages.with_raw_response.list(run.id, limit=1000, order="asc"),
            self._about_run(run),
        )
        return objects(answer)

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


def given(**arguments: Any) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if value is not None}


def path_of(conversation_id: str) -> tuple[str, str | None]:
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
        created_at=text_or_none(run.get("created_at")),
    )
