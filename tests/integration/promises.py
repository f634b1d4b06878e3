"""The three promises: nothing is lost, nothing is sent twice, nothing is dressed up. Held against the fake Letta.

What was really said and done is read from Letta's side alone, never through our server.
"""

import logging
from dataclasses import dataclass, field

from tests.fake import Run
from tests.fake.state import Json
from tests.integration.lives import Outcome, Process
from tests.integration.witness import Witness, has_told_failure, words_shown, words_stored

NOT_SENT = "Your message was NOT sent"
NOT_KEPT = "The message was not kept"
DECIDED = "This run asked for approval, and a decision was made."
ENDED_WELL = ("end_turn", "tool_rule")


@dataclass(eq=False)
class Said:
    """A message that a process was told to send.

    Attributes:
        text: unlike every other.
        thread: where; our conversation id.
        process: who was told.
        troubles: how many things had gone wrong by then; None where something was about to.
        disowned: the words with which we said that it was not sent.
        is_excused: its fate was told to be unknown, or nobody is left who could tell it.
        is_stopped: somebody asked for its end.
        is_taken_back: its caller left while it certainly waited for an earlier one.
    """

    text: str
    thread: str
    process: Process
    troubles: int | None
    disowned: str | None = None
    is_excused: bool = False
    is_stopped: bool = False
    is_taken_back: bool = False


@dataclass
class Promises:
    """What was said in one test, and what must be true of it at any moment.

    Attributes:
        said: the messages, in the order in which they were sent.
        decisions: what was answered to which approval request, by what it asked to do.
        deciders: who answered, by the same.
        troubles: how often something went wrong in Letta or on the way there.
        deeds: what the tool that needs approval has done.
        complaints: what was logged as an error.
        errors: how often wait_for_reply failed, by process and conversation: it doesn't say of which message.
    """

    witness: Witness
    said: list[Said] = field(default_factory=list[Said])
    decisions: dict[str, set[bool]] = field(default_factory=dict[str, set[bool]])
    deciders: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    troubles: int = 0
    deeds: list[str] = field(default_factory=list[str])
    complaints: list[str] = field(default_factory=list[str])
    errors: dict[tuple[Process, str], int] = field(default_factory=dict[tuple[Process, str], int])

    def decide(self, deed: str, by: str, *, is_approved: bool) -> None:
        """Somebody has decided on what an agent asked to do."""
        self.decisions.setdefault(deed, set()).add(is_approved)
        self.deciders.setdefault(deed, set()).add(by)

    def hear(self, outcome: Outcome) -> None:
        """Hold what a call brought against Letta."""
        call = outcome.call
        said = call.about if isinstance(call.about, Said) else None
        if outcome.structure is not None:
            self.check_reply(outcome.structure, said)
        elif said is not None:
            # What can't be sent is an error; what may have been is a reply.
            said.disowned = outcome.text
            assert said.troubles != self.troubles, f"{said.text!r}: {outcome.text}"
        elif call.tool == "wait_for_reply":
            where = (call.process, str(call.arguments["conversation_id"]))
            self.errors[where] = self.errors.get(where, 0) + 1

    def check_reply(self, reply: Json, said: Said | None = None) -> None:
        """Hold a reply against Letta's record of its run."""
        run = self.witness.fake.store.runs.get(reply["run_id"] or "")
        about = f"{reply} of {run and (run.status, run.stop_reason, run.background, run.error)}"
        is_unsent = is_not_sent(reply)
        if said is None or reply["in_reply_to"] != said.text:
            # Where the person was asked on the way, the reply is that to the decision.
            said = self._said_of(reply, None if is_unsent else run)
        if is_unsent:
            if said is not None:
                said.disowned = reply["next_step"]
            return
        if said is not None:
            assert self.witness.text_sent_to(run) in (None, said.text), about
            is_kept = said.text in self.witness.user_texts(said.thread)
            assert not (is_kept and NOT_KEPT in (reply["next_step"] or "")), about
        if reply["status"] == "interrupted":
            assert self.troubles, about
            if said is not None:
                said.is_excused = True
                assert said.troubles != self.troubles, about
        elif reply["status"] != "running":
            assert run is not None, about
            self._check_end(reply, run, about)
        if run is not None:
            shown, kept = words_shown(run), words_stored(run)
            assert shown.startswith(reply["text"]) or reply["text"] == kept, f"{about}: {shown!r}, {kept!r}"

    def _said_of(self, reply: Json, run: Run | None) -> Said | None:
        text = self.witness.text_sent_to(run)
        wanted = text if text is not None else reply["in_reply_to"]
        return next((said for said in self.said if said.text == wanted), None)

    def _check_end(self, reply: Json, run: Run, about: str) -> None:
        match reply["status"]:
            case "completed":
                was_decided = DECIDED in (reply["next_step"] or "")
                assert run.stop_reason in (["requires_approval"] if was_decided else ENDED_WELL), about
                assert not was_decided or not self.witness.asks_still(run, reply["conversation_id"]), about
                assert reply["text"] == words_stored(run), f"{about}: {words_stored(run)!r} is stored"
            case "awaiting_approval":
                assert run.stop_reason == "requires_approval", about
                assert reply["approvals"], about
            case "cancelled":
                assert run.status == "cancelled", about
            case status:
                assert status == "failed", about
                has_failed = not run.is_active and run.stop_reason not in (
                    *ENDED_WELL,
                    "requires_approval",
                    "cancelled",
                )
                assert has_failed or has_told_failure(run), about

    def check_letta(self) -> None:
        """What must be true of Letta after every step."""
        for said in self.said:
            times, plays = self.witness.user_texts(said.thread).count(said.text), self.witness.plays_of(said.text)
            assert times <= 1, f"{said.text!r} is stored {times} times"
            traced = [played for played in plays if not leaves_no_trace(played.run)]
            assert len(traced) <= 1, f"{said.text!r} was played {len(plays)} times"
            assert not (said.disowned and times), f"{said.text!r} is stored, but we said: {said.disowned}"
            assert not (said.is_taken_back and plays), f"{said.text!r} was sent after it was taken back"
            is_cancelled = any(played.run.status == "cancelled" for played in plays)
            assert said.is_stopped or not is_cancelled, f"{said.text!r} was cancelled by itself"
        for deed, is_approved in self.witness.answers():
            given = self.decisions.get(deed, set())
            assert is_approved in given, f"{deed} was answered by {is_approved}, but decided was {given}"
        for deed in self.deeds:
            assert True in self.decisions.get(deed, set()), f"{deed} was done unasked"
            assert self.deeds.count(deed) == 1, f"{deed} was done {self.deeds.count(deed)} times"
        # Two who look at the same moment, and decide differently, can't know of each other.
        is_contested = any(len(deciders) > 1 for deciders in self.deciders.values())
        assert is_contested or not self.witness.has_kept_alive(), "an answer was repeated"
        assert not self.complaints, "\n".join(self.complaints)


def leaves_no_trace(run: Run) -> bool:
    """Whether nothing in Letta tells what a run was sent: nothing was stored, as its model failed, and Redis forgot.

    Sent again, the message still stands there once.
    """
    return run.status == "failed" and not run.messages and run.forgotten > 0


def is_not_sent(reply: Json) -> bool:
    """Whether a reply says that the message was not sent."""
    return (reply["next_step"] or "").startswith(NOT_SENT)


class Complaints(logging.Handler):
    """Collects what our server or a library below complains of."""

    def __init__(self, complaints: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._complaints = complaints

    def emit(self, record: logging.LogRecord) -> None:
        self._complaints.append(logging.Formatter().format(record))
