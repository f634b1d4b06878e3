"""What an App Server tells of a conversation, gathered into its turns: no I/O.

A turn there is one message and all that follows, ended by `turn_finished`; a question for a person only halts it. The
rest of the house knows runs that end with the question and begin again with its answer, so a turn is cut into legs. Two
connections tell the same things, each in order; whatever was heard on one counts once.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import anyio

from letta_conv_mcp.letta.appserver_echoes import Echoes
from letta_conv_mcp.letta.appserver_json import (
    error_type_of,
    events_from_delta,
)
from letta_conv_mcp.letta.appserver_legs import Leg
from letta_conv_mcp.letta.appserver_questions import Questions
from letta_conv_mcp.letta.content import Json, first_object, objects, text_or_none
from letta_conv_mcp.letta.events import (
    AskedApproval,
    CalledTool,
    Event,
    Heard,
    ToolReturned,
)
from letta_conv_mcp.letta.outgoing import Decision

KEPT_LEGS = 3
"""Legs of one conversation that are remembered when they are over; the turns remember their replies themselves."""
KEPT_IDS = 500


class Talk:
    """One conversation as the connections tell of it.

    Args:
        conversation_id: our id for it.
        runtime: the server's name for it.

    Attributes:
        is_processing: whether the server is at work in it, as it said last.
        current: the leg that goes on, or that has halted at a question.
        questions: what a person is asked in it.
        mode: the mode in which the server runs tools there, as it said last.
    """

    def __init__(self, conversation_id: str, runtime: Json) -> None:
        self.conversation_id = conversation_id
        self.runtime = runtime
        self.is_processing = False
        self.current: Leg | None = None
        self.questions = Questions(runtime)
        self.mode: str | None = None
        self._legs: dict[str, Leg] = {}
        self._message_ids: dict[str, list[str]] = {}
        self._done_runs: deque[str] = deque(maxlen=KEPT_IDS)
        self._echoes = Echoes()
        self._error_type: str | None = None
        self._changed = anyio.Event()

    @property
    def is_live(self) -> bool:
        """Whether something goes on in it, or waits for a person."""
        return self.active is not None or self.questions.are_open

    @property
    def active(self) -> Leg | None:
        """The leg that goes on."""
        return self.current if self.current and not self.current.is_over and not self.current.is_cut else None

    def leg(self, leg_id: str) -> Leg | None:
        """A leg that is remembered."""
        return self._legs.get(leg_id)

    def newest_leg(self, message_id: str) -> Leg | None:
        """The last leg of a message's turn that is remembered."""
        return next((leg for leg in reversed(self._legs.values()) if leg.message_id == message_id), None)

    def suppose(self, message_id: str) -> Leg:
        """The server is at work, and has not said yet on what: it must be the newest message."""
        known = self.newest_leg(message_id)
        # It ended just now, and one connection lags behind.
        return known if known is not None and known.is_over else self._begin([message_id])

    def expect(self, otid: str) -> Leg:
        """A message of ours is about to be sent."""
        return self._legs.get(otid) or self._remember(Leg(otid, otid, is_ours=True))

    def accepted(self, leg: Leg, text: str, *, is_started: bool) -> None:
        """The server has taken it, and keeps it from now on whatever becomes of it."""
        if is_started and self.active is None and not leg.has_begun:
            self.current = leg
        leg.add(Heard(text))

    def forget(self, leg: Leg) -> None:
        """It was not taken."""
        if not leg.has_begun:
            self._legs.pop(leg.id, None)

    def decide(self, otid: str, decisions: Sequence[Decision]) -> tuple[Leg, list[Json]]:
        """A person has decided on what is asked: the leg that follows, and what to tell the server now."""
        asked_in = self.current
        leg = self._remember(Leg(otid, asked_in.message_id if asked_in else otid, is_ours=True))
        self.current = leg
        return leg, self.questions.decide(decisions)

    def undecide(self) -> None:
        """What was decided did not reach the server, so it is asked for still. Nothing is decided any more."""
        self.questions.undecide()
        if self.current is not None and not self.current.is_over:
            self.current.cut()
        self.current = None

    def cut(self) -> None:
        """Every connection was lost. The server may have been, too, and then it numbers its runs anew."""
        if self.questions.are_open and self.current is not None:
            self.current.lose_question()
        for leg in self._legs.values():
            leg.cut()
        self.questions.cut()
        self._message_ids.clear()
        self._done_runs.clear()
        self._echoes = Echoes()
        self.is_processing = False

    async def processing(self) -> None:
        """Wait until the server is at work in it."""
        while not self.is_processing:
            await self._changed.wait()

    async def activity(self, awaited: Leg | None) -> None:
        """Wait until something goes on in it, as long as the awaited leg may be it."""
        while self.active is None and awaited is not None and not (awaited.is_over or awaited.is_cut):
            await self._changed.wait()

    def hear(self, event: Json) -> list[Json]:
        """Take in what a connection said. Returns what to tell the server in return: decisions made before."""
        self._changed.set()
        self._changed = anyio.Event()
        match event.get("type"):
            case "update_device_status":
                self._hear_status(first_object(event.get("device_status")))
            case "update_loop_status":
                self._hear_loop(first_object(event.get("loop_status")))
            case "stream_delta" if event.get("subagent_id") is None:
                self._hear_delta(first_object(event.get("delta")))
            case "control_request":
                return self._hear_question(str(event.get("request_id")), first_object(event.get("request")))
            case "turn_finished" if self._echoes.is_new("finished", event.get("turn_id")):
                self._hear_end(event)
            case _:
                pass
        return []

    def _hear_status(self, status: Json) -> None:
        self.is_processing = status.get("is_processing") is True
        self.mode = text_or_none(status.get("current_permission_mode"))
        pending = status.get("pending_control_requests")
        self.questions.list_open(pending)
        if not self.is_processing and not objects(pending):
            self.questions.close()
            if self.current is not None and not self.current.has_begun and not self.current.is_ours:
                # It was supposed, and was not so.
                del self._legs[self.current.id]
                self.current = None
        self._halt()

    def _hear_loop(self, loop: Json) -> None:
        for run_id, message_ids in first_object(loop.get("client_message_ids_by_run_id")).items():
            self._message_ids[run_id] = cast("list[str]", message_ids)
        for run_id in cast("list[str]", loop.get("active_run_ids") or []):
            if run_id not in self._done_runs and self._message_ids.get(run_id):
                self._begin(self._message_ids[run_id])
        self._halt()

    def _hear_delta(self, delta: Json) -> None:
        if not self._echoes.is_new_delta(delta):
            return
        if delta.get("message_type") == "user_message" and (otid := text_or_none(delta.get("otid"))):
            leg = self._begin([otid])
            if leg.is_cut and leg.has_begun:
                # After its own crash the server takes an unfinished message from its ledger, as if it came anew.
                leg.restart()
            return
        self._error_type = error_type_of(delta) or self._error_type
        if delta.get("message_type") == "approval_classification_end":
            self.questions.needed = cast("list[str]", delta.get("user_input_tool_call_ids") or [])
        events = [self._named(event) for event in events_from_delta(delta)]
        is_usage = delta.get("message_type") == "usage_statistics"
        if not events and not is_usage:
            return
        leg = self._leg_of(text_or_none(delta.get("run_id")))
        if is_usage:
            leg.count(delta)
            return
        for event in events:
            if isinstance(event, CalledTool):
                self.questions.announce(event, text_or_none(delta.get("date")))
        leg.add(*events)

    def _hear_question(self, request_id: str, request: Json) -> list[Json]:
        if answer := self.questions.ask(request_id, request):
            return [answer]
        self._halt()
        return []

    def _halt(self) -> None:
        """End the leg that goes on where a question is open, which may be heard of before the leg is."""
        leg = self.current
        if leg is None or leg.is_over or not self.questions.are_open:
            return
        asked = [
            AskedApproval(
                approval.tool_call_id,
                approval.tool,
                "" if approval.tool_call_id in leg.called else approval.arguments,
                approval.requested_at,
            )
            for approval in self.questions.approvals
        ]
        leg.finish("requires_approval", None, *asked)

    def _hear_end(self, event: Json) -> None:
        named = cast("list[str]", event.get("terminal_consumer_ids") or [])
        leg = self.current
        if named and (leg is None or leg.message_id not in named):
            # Another client names its turns as it likes; ours are named by their otid.
            theirs = leg if leg is not None and not leg.is_ours else None
            leg = next((found for name in named if (found := self.newest_leg(name))), theirs)
        ended = {*named, leg.message_id} if leg else set(named)
        run_ids = [run_id for run_id, ids in self._message_ids.items() if ended.intersection(ids)]
        self._done_runs.extend([*run_ids, str(event.get("run_id"))])
        for run_id in run_ids:
            del self._message_ids[run_id]
        self.questions.end()
        self.is_processing = False
        error_type, self._error_type = self._error_type, None
        if leg is not None and not leg.is_over:
            leg.finish(str(event.get("stop_reason") or "error"), error_type)
        elif leg is not None and leg.stop_reason == "requires_approval":
            # Somebody else has ended it instead of answering.
            self._remember(self._next(leg)).finish(str(event.get("stop_reason") or "error"), error_type)
        if self.current is None or self.current.is_over:
            self.current = None

    def _leg_of(self, run_id: str | None) -> Leg:
        message_ids = self._message_ids.get(run_id or "")
        leg = self._begin(message_ids) if message_ids else self.current or self._begin([run_id or "turn"])
        if leg.is_over:
            # It halted at a question, and somebody else has answered.
            leg = self.current = self._remember(self._next(leg))
            self.questions.close()
        return leg

    def _begin(self, message_ids: Sequence[str]) -> Leg:
        """The leg of the message that the server is at work on now."""
        if self.current is None or self.current.message_id not in message_ids:
            known = next((leg for name in message_ids if (leg := self.newest_leg(name))), None)
            if known is None or (known.is_over and known.stop_reason != "requires_approval"):
                known = self._remember(Leg(message_ids[0], message_ids[0], is_ours=False))
            self.current = known
        return self.current

    def _next(self, leg: Leg) -> Leg:
        number = sum(other.message_id == leg.message_id for other in self._legs.values())
        return Leg(f"{leg.message_id}:{number}", leg.message_id, is_ours=False)

    def _remember(self, leg: Leg) -> Leg:
        self._legs.pop(leg.id, None)
        self._legs[leg.id] = leg
        over = [old for old in self._legs.values() if (old.is_over or old.is_cut) and old is not self.current]
        for old in over[: max(0, len(over) - KEPT_LEGS)]:
            del self._legs[old.id]
        return leg

    def _named(self, event: Event) -> Event:
        if isinstance(event, ToolReturned):
            return replace(event, name=self.questions.tool_of(event.tool_call_id))
        return event
