"""What must be true when all has come to rest: every reply can be had, by its true name, and nothing is stuck."""

from tests.fake import Run
from tests.fake.state import Json
from tests.integration.lives import Outcome, Process
from tests.integration.promises import ENDED_WELL, Promises, is_not_sent
from tests.integration.witness import deed_of, has_told_failure

LONG = 10.0
"""Seconds to wait for what takes parts of one."""


class Aftermath:
    """Looks back at all that was said.

    Args:
        promises: what was said.
        threads: where.
    """

    def __init__(self, promises: Promises, threads: list[str]) -> None:
        self._promises = promises
        self._witness = promises.witness
        self._threads = threads

    def hear_all(self, process: Process) -> None:
        """All that a process still has to tell of each conversation, until it tells of the newest run, and again."""
        for thread in self._threads:
            newest = 0
            for _ in range(process.sent + 4):
                outcome = process.call("wait_for_reply", conversation_id=thread, wait_seconds=LONG)
                self._promises.hear(outcome)
                assert not is_running(outcome), outcome
                newest = newest + 1 if self._is_newest(outcome, thread) else 0
                if newest == 2:
                    break
            else:
                raise AssertionError(f"{process.name} tells of trouble again and again")

    def _is_newest(self, outcome: Outcome, thread: str) -> bool:
        runs = self._witness.runs(thread)
        if not runs:
            # What never reached Letta is told of once, as trouble.
            return outcome.structure is None and "Nothing has been sent" in outcome.text
        reply = outcome.structure
        return reply is not None and reply["run_id"] == runs[-1].id and reply["status"] != "running"

    def check_order(self) -> None:
        """Each process's messages stand in a conversation in the order in which it was told to send them.

        But for cancelled ones: Letta lets go of them at once, and stores them when their step is done.
        """
        cancelled = {played.text for played in self._witness.played if played.run.status == "cancelled"}
        told = [said for said in self._promises.said if said.text not in cancelled]
        for thread, process in {(said.thread, said.process) for said in told}:
            sent = [said.text for said in told if said.thread == thread and said.process is process]
            stand = [text for text in self._witness.user_texts(thread) if text in sent]
            assert stand == [text for text in sent if text in stand], f"{stand} in {thread}, sent as {sent}"

    def check_nothing_vanished(self) -> None:
        """A message either is in Letta, or somebody was told why not."""
        errors = self._promises.errors
        for said in self._promises.said:
            if not self._witness.plays_of(said.text) and not said.disowned and not said.is_excused:
                where = (said.process, said.thread)
                assert errors.get(where), f"{said.text!r} vanished"
                errors[where] -= 1

    def check_replies(self, process: Process, *, but: set[str]) -> None:
        """What a process shows of every run, but for some, and of each conversation."""
        for thread in self._threads:
            runs = self._witness.runs(thread)
            for run in runs:
                if run.id not in but:
                    outcome = process.call("wait_for_reply", conversation_id=thread, run_id=run.id)
                    self._check_ended(run, outcome, thread)
            latest = process.call("wait_for_reply", conversation_id=thread)
            seen = process.call("retrieve_conversation", conversation_id=thread)
            if not runs:
                assert "Nothing has been sent" in latest.text
                continue
            self._check_ended(runs[-1], latest, thread)
            if self._witness.pends_clearly(thread):
                pending = call_ids_of(self._witness.pending(thread))
                assert call_ids_in(seen) == pending, seen
                is_elsewhere = runs[-1].is_active or self._witness.ran_beside_question(runs[-1], thread)
                assert is_elsewhere or call_ids_in(latest) == pending, latest

    def _check_ended(self, run: Run, outcome: Outcome, thread: str) -> None:
        """Hold the reply of a run that has ended against it: its true name, and all of it."""
        reply = outcome.structure
        assert reply is not None, outcome.text
        self._promises.check_reply(reply)
        about = f"{reply} of {(run.id, run.status, run.stop_reason, run.background)}"
        assert reply["run_id"] == run.id, about
        if run.is_active:
            assert reply["status"] in ("interrupted", "failed"), about
            return
        if is_not_sent(reply):
            # Letta's newest run is one that it refused because of what is pending.
            assert (reply["status"], run.stop_reason) == ("awaiting_approval", "error"), about
            assert run is self._witness.runs(thread)[-1], about
            return
        expected = "completed" if run.stop_reason in ENDED_WELL else "failed"
        if run.status == "cancelled":
            # One whose step could not be stored may be cancelled afterwards.
            expected = reply["status"] if has_told_failure(run) else "cancelled"
        elif run.stop_reason == "requires_approval":
            expected = "awaiting_approval" if self._witness.asks_still(run, thread) else "completed"
        assert reply["status"] == expected, about

    def deny_all(self, process: Process) -> None:
        """What is pending can be decided on."""
        for thread in self._threads:
            while (pending := self._witness.pending(thread)) and self._witness.pends_clearly(thread):
                for call in pending:
                    self._promises.decide(deed_of(call), process.name, is_approved=False)
                about = {"conversation_id": thread, "deny": call_ids_of(pending), "wait_seconds": LONG}
                outcome = process.call("answer_approval", **about)
                assert outcome.structure, outcome
                assert outcome.structure["status"] in ("completed", "awaiting_approval"), outcome
                assert call_ids_of(self._witness.pending(thread)) != call_ids_of(pending)

    def check_free(self, process: Process, key: str) -> None:
        """One more message comes through to every conversation, or it is said why not."""
        for number, thread in enumerate(self._threads):
            text = f"{key} in {number}"
            is_pending = bool(self._witness.pending(thread))
            about = {"conversation_id": thread, "message": text, "wait_seconds": LONG}
            outcome = process.call("send_message", **about)
            assert outcome.structure, outcome.text
            expected = ("awaiting_approval", "") if is_pending else ("completed", f"echo: {text}")
            assert (outcome.structure["status"], outcome.structure["text"]) == expected, outcome
            assert self._witness.user_texts(thread).count(text) == (0 if is_pending else 1)


def is_running(outcome: Outcome) -> bool:
    """Whether a reply's end is still to come."""
    reply = outcome.structure
    return reply is not None and reply["status"] == "running" and not is_not_sent(reply)


def call_ids_of(calls: list[Json]) -> list[str]:
    """The ids of tool calls."""
    return [call["tool_call_id"] for call in calls]


def call_ids_in(outcome: Outcome) -> list[str]:
    """The ids of the tool calls that a result shows as pending."""
    assert outcome.structure, outcome.text
    return call_ids_of(outcome.structure["approvals"])
