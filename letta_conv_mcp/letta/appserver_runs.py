"""Turns of a Letta App Server: saying, following, deciding, stopping, and finding again what the history holds.

The server keeps no runs that can be asked for: what is known of a turn is what the connections told, and what stands in
the history. Our id for a run is the otid of what it began with.
"""

from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import anyio

from letta_conv_mcp import errors
from letta_conv_mcp.letta.appserver_json import message_fields, runtime_of
from letta_conv_mcp.letta.appserver_legs import Leg
from letta_conv_mcp.letta.appserver_link import Link
from letta_conv_mcp.letta.appserver_talks import Talk
from letta_conv_mcp.letta.content import Json, content_text, text_or_none
from letta_conv_mcp.letta.events import Frame
from letta_conv_mcp.letta.outgoing import Decision, Outgoing, Said
from letta_conv_mcp.letta.port import NOT_RECORDED, MessageQuery, Order, Run
from letta_conv_mcp.letta.records import DEFAULT_PREFIX, approvals_from_json
from letta_conv_mcp.views import Approval, SearchHit

PAGE = 100
RECOVERY_SECONDS = 2.0
"""How long a server that was restarted may take to begin with what it left unfinished."""
LOOK_SECONDS = 3.0
"""How long a message waits for that at most; providers may be slow to answer."""
BEGIN_SECONDS = 2.0
"""How long it may take to begin with the next message in its queue."""
PAGES_LOOKED_THROUGH = 10
"""How far back in the history a run is looked for."""


class AppServerRuns:
    """The part of the `Letta` protocol that is about turns.

    Args:
        link: the connections.
        tools: the server's own tools that agents may ask a person to use.
    """

    def __init__(self, link: Link, tools: Sequence[str] = ()) -> None:
        self._link = link
        self._tools = tools
        self._looking = anyio.Lock()
        self._has_looked = False

    @abstractmethod
    async def models(self) -> list[str]:
        """The handles of the models that its providers offer."""

    @abstractmethod
    async def messages(
        self, conversation_id: str, *, order: Order, before: str | None = None, after: str | None = None, limit: int
    ) -> list[Json]:
        """See the protocol."""

    @abstractmethod
    async def _conversation_json(self, conversation_id: str) -> Json: ...

    async def pending_approvals(self, conversation_id: str) -> list[Approval]:
        talk = await self._talk(conversation_id)
        if talk.questions.needed or not talk.questions.are_open:
            return talk.questions.approvals
        # The server tells the open question only; the calls made in the same step wait behind it.
        newest = await self.messages(conversation_id, order="desc", limit=PAGE)
        step: list[Json] = []
        for message in newest:
            if message.get("message_type") in ("tool_return_message", "user_message"):
                break
            step.append(message)
        return approvals_from_json(reversed(step)) or talk.questions.approvals

    async def runs(self, conversation_id: str, *, active: bool = False, limit: int = 1) -> list[Run]:
        talk = await self._talk(conversation_id)
        if talk.active is not None:
            return [_run_of(talk, talk.active)]
        is_busy = talk.is_processing and not talk.questions.are_open
        if active and not is_busy:
            return []
        newest = await self.messages(conversation_id, order="desc", limit=PAGE)
        said = [_message_id(message) for message in newest if message.get("message_type") == "user_message"]
        if is_busy and said and talk.is_processing:
            return [_run_of(talk, talk.suppose(said[0]))]
        if active:
            return []
        return [_run_in_history(talk, message_id, is_newest=message_id == said[0]) for message_id in said][:limit]

    async def run(self, run_id: str, conversation_id: str) -> Run:
        talk = await self._talk(conversation_id)
        leg = talk.leg(run_id)
        if leg is not None and leg.is_cut and talk.questions.are_open:
            return _run(talk, run_id, "completed", "requires_approval", None)
        if leg is not None and leg.is_cut and leg.is_ours:
            # A server that died does the message again when the conversation is started, and then we follow it.
            await self._link.start(talk)
            with anyio.move_on_after(RECOVERY_SECONDS):
                await talk.processing()
        if leg is not None and (talk.is_processing or not leg.is_cut):
            return _run_of(talk, leg)
        if not await self._segment(conversation_id, run_id):
            raise errors.RunNotFound(conversation_id, run_id)
        return _run_in_history(talk, run_id)

    async def search_messages(self, query: MessageQuery, *, limit: int) -> list[SearchHit] | None:
        del query, limit
        return None

    async def run_messages(self, run: Run) -> list[Json]:
        conversation_id = run.conversation_id or f"{DEFAULT_PREFIX}{run.agent_id}"
        leg = (await self._talk(conversation_id)).leg(run.id)
        return await self._segment(conversation_id, leg.message_id if leg else run.id)

    @asynccontextmanager
    async def open_turn(
        self, conversation_id: str, outgoing: Outgoing, otid: str, *, tokens: bool, repeats: bool = False
    ) -> AsyncGenerator[AsyncIterator[Frame]]:
        del tokens, repeats  # It always streams pieces, and takes a message of the same id only once.
        talk = await self._talk(conversation_id)
        await self._link.start(talk)
        if isinstance(outgoing, Said):
            _require_sayable(outgoing)
            await self._look_for_models()
            leg = await self._say(talk, outgoing, otid)
        else:
            leg = await self._decide(talk, outgoing, otid)
        yield leg.follow(0)

    async def find_run(self, conversation_id: str, outgoing: Outgoing, otid: str) -> Run | None:
        talk = await self._talk(conversation_id)
        leg = talk.leg(otid)
        if leg is not None and leg.has_begun and not leg.is_cut:
            return _run_of(talk, leg)
        if isinstance(outgoing, Said) and await self._segment(conversation_id, otid, pages=1):
            return _run_in_history(talk, otid)
        return None

    async def cancel_run(self, run: Run) -> None:
        talk = await self._talk(run.conversation_id or f"{DEFAULT_PREFIX}{run.agent_id}")
        with anyio.move_on_after(BEGIN_SECONDS):
            # What it was at work on has just ended, and it takes the next message from its queue.
            await talk.activity(talk.leg(run.id))
        if talk.active is None or talk.active.id != run.id:
            # An abort stops whatever the server is at work on, and lets what waits behind it begin.
            raise errors.NotSupported("take back a message that waits in its own queue behind another client's")
        await self._link.ask("abort_message", check="call wait_for_reply to see", runtime=talk.runtime)
        # An abort also parks what other clients have queued.
        await self._link.ask("resume_queue", runtime=talk.runtime)

    @asynccontextmanager
    async def resume(self, run: Run, after: int) -> AsyncGenerator[AsyncIterator[Frame]]:
        talk = await self._talk(run.conversation_id or f"{DEFAULT_PREFIX}{run.agent_id}")
        leg = talk.leg(run.id)
        if leg is None:
            raise errors.RunNotFound(talk.conversation_id, run.id)
        yield leg.follow(after)

    async def _look_for_models(self) -> None:
        """Have the server look for its models, once: else of first turns at the same moment all but one fail."""
        async with self._looking:
            if not self._has_looked:
                self._has_looked = True
                with anyio.move_on_after(LOOK_SECONDS), suppress(errors.LettaFailure):
                    # The message itself tells what is wrong, if anything is.
                    await self.models()

    async def _say(self, talk: Talk, said: Said, otid: str) -> Leg:
        if talk.questions.are_open:
            raise errors.ApprovalPending(talk.conversation_id)
        if talk.active is not None and talk.active.message_id != otid:
            raise errors.ConversationBusy(talk.conversation_id, talk.active.id)
        leg = talk.expect(otid)
        answer = await self._input(talk, leg, message_fields(talk.runtime, said, otid, self._tools))
        talk.accepted(leg, str(said), is_started=answer.get("disposition") == "started")
        return leg

    async def _decide(self, talk: Talk, decisions: tuple[Decision, ...], otid: str) -> Leg:
        if not talk.questions.are_open:
            raise errors.ApprovalsMismatch(talk.conversation_id, ["the question was answered meanwhile"], [])
        leg, answers = talk.decide(otid, decisions)
        try:
            for answer in answers:
                await self._input(talk, leg, answer)
        except errors.LettaFailure:
            self._link.ask_anew(talk)
            raise
        return leg

    async def _input(self, talk: Talk, leg: Leg, fields: Json) -> Json:
        try:
            answer = await self._link.ask("input", check="call get_history to see whether it is there", **fields)
        except errors.OutcomeUnknown:
            if leg.has_begun:
                return {}
            raise
        if answer.get("accepted") is not True:
            talk.forget(leg)
            raise errors.LettaUnavailable(self._link.server.name, "did not take it")
        return answer

    async def _talk(self, conversation_id: str) -> Talk:
        async def find_runtime() -> Json:
            conversation = await self._conversation_json(conversation_id)
            return runtime_of(conversation_id, str(conversation.get("agent_id")))

        return await self._link.talk(conversation_id, find_runtime)

    async def _segment(self, conversation_id: str, message_id: str, *, pages: int = PAGES_LOOKED_THROUGH) -> list[Json]:
        """What stands in the history from a message of the person's on, up to the next one; nothing if it isn't there.

        A message that the server put to the model anew after a failure stands there again, under an id of its own.
        """
        newer: list[Json] = []
        before: str | None = None
        for _ in range(pages):
            page = await self.messages(conversation_id, order="desc", before=before, limit=PAGE)
            # The newest of them: a server that died does a message again under the same id.
            for place, message in enumerate(page):
                if message.get("message_type") == "user_message" and _message_id(message) == message_id:
                    return [message, *_answers_to(message, [*reversed(page[:place]), *newer])]
            newer = [*reversed(page), *newer]
            if len(page) < PAGE:
                break
            before = text_or_none(page[-1].get("id"))
        return []


def _require_sayable(said: Said) -> None:
    """Raises NotSupported for what the server would leave out without a word."""
    if said.max_steps is not None:
        raise errors.NotSupported("limit an agent's steps")
    if said.override_model is not None:
        raise errors.NotSupported("take another model for one message; update_conversation changes the conversation's")
    if any(image.url is not None for image in said.images):
        raise errors.NotSupported("fetch images from an address; give them as data: URLs")


def _message_id(message: Json) -> str:
    return text_or_none(message.get("otid")) or str(message.get("id"))


def _answers_to(message: Json, newer: Sequence[Json]) -> list[Json]:
    said = content_text(message.get("content"))
    answers: list[Json] = []
    for entry in newer:
        is_said = entry.get("message_type") == "user_message"
        if is_said and (content_text(entry.get("content")) != said or _has_answer(answers)):
            break
        answers.append(entry)
    return answers


def _has_answer(entries: Sequence[Json]) -> bool:
    return any(entry.get("message_type") != "user_message" for entry in entries)


def _run_of(talk: Talk, leg: Leg) -> Run:
    if not leg.is_over:
        status = "running"
    else:
        status = {"cancelled": "cancelled"}.get(leg.stop_reason or "", "failed" if leg.error_type else "completed")
    return _run(talk, leg.id, status, leg.stop_reason, leg.error_type, background=leg.is_ours)


def _run_in_history(talk: Talk, message_id: str, *, is_newest: bool = False) -> Run:
    """A run that nothing but the history tells of, unless a leg of it is remembered."""
    if (leg := talk.newest_leg(message_id)) is not None and not leg.is_cut:
        return _run_of(talk, leg)
    is_asking = is_newest and bool(talk.questions.are_open)
    return _run(talk, message_id, "completed", "requires_approval" if is_asking else NOT_RECORDED, None)


def _run(
    talk: Talk, run_id: str, status: str, stop_reason: str | None, error_type: str | None, *, background: bool = False
) -> Run:
    is_default = talk.conversation_id.startswith(DEFAULT_PREFIX)
    return Run(
        id=run_id,
        agent_id=str(talk.runtime.get("agent_id")),
        conversation_id=None if is_default else talk.conversation_id,
        status=status,
        stop_reason=stop_reason,
        error_type=error_type,
        background=background,
    )
