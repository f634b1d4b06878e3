"""The three promises under whatever order of events chance comes up with: a state machine against the fake Letta.

A failure shows what happened and the seed. `PROMISES_SEED` repeats it, as far as two event loops let it be repeated;
`PROMISES_EXAMPLES` and `PROMISES_STEPS` make a longer run, `PROMISES_SHRINK` makes a failure small.
"""

import functools
import logging
import os
import random
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any, ClassVar

import httpx
import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from letta_conv_mcp.settings import OnCancel
from letta_conv_mcp.turns import reader
from tests.fake import FakeLetta, Run, Tool
from tests.fake.state import Json
from tests.integration.aftermath import LONG, Aftermath, call_ids_of
from tests.integration.chances import ANSWERS, FAULTS, SHAPES, STROKES, answer_of
from tests.integration.lives import Call, Kind, Outcome, Process
from tests.integration.promises import Complaints, Promises, Said
from tests.integration.witness import Witness, deed_of

EXAMPLES = int(os.environ.get("PROMISES_EXAMPLES", "12"))
STEPS = int(os.environ.get("PROMISES_STEPS", "25"))
SEED = int(os.environ.get("PROMISES_SEED", random.randrange(2**32)))
PHASES = [Phase.generate, Phase.shrink] if "PROMISES_SHRINK" in os.environ else [Phase.generate]
UNHEARD_SECONDS = 1.0
"""How long a run that nobody works on is listened to."""
SHORT: dict[str, object] = {
    "turns.reader.GRACE_SECONDS": 0.1,
    "turns.reader.ASK_SECONDS": 0.3,
    "turns.reader.UNCONFIRMED_SECONDS": 1.0,
    "turns.sender.REFUSED_PAUSES": (0.02, 0.02, 0.02),
    "turns.sender.UNCLEAR_SECONDS": 2.0,
    "turns.sender.BUSY_SECONDS": 0.5,
    "turns.sender.KNOCK_SECONDS": 0.5,
    "turns.hub.STOP_SECONDS": 1.0,
    "tools.approvals.CANCEL_SECONDS": 0.3,
    "tools.progress.PAUSE_SECONDS": 0.02,
    "letta.rest_connection.READ_SECONDS": 1.0,
    "letta.rest_connection.ANSWER_SECONDS": 3.0,
    "letta.rest_connection.SILENCE_SECONDS": 1.0,
    "letta.rest_runs.FOREGROUND_SECONDS": 1.0,
}

slots = st.sampled_from([0, 0, 0, 1])
numbers = st.integers(0, 5)
waits = st.sampled_from([0.0, 0.0, 0.1, 0.3])
shapes = st.sampled_from(list(SHAPES))


class Machine(RuleBasedStateMachine):
    """Two processes of ours before a Letta, with whatever can happen to them.

    What is drawn depends on nothing that takes time, so that the same seed draws the same.
    """

    failed: ClassVar[list[str]] = []
    """What happened in the last example that failed."""

    def __init__(self) -> None:
        super().__init__()
        self.open = ExitStack()
        self.began_at = time.monotonic()
        self.notes: list[str] = []
        self.has_begun = False
        self.messages = self.steps_since_rest = 0
        self.holds: list[str] = []
        self.looked_at: set[str] = set()

    @initialize(
        redis=st.sampled_from([True, True, False]),
        era=st.sampled_from(["auto", "legacy"]),
        on_cancel=st.sampled_from(["stop", "leave"]),
        person=st.sampled_from([None, None, None, "approve", "deny", "not_now", "decline"]),
        parallel=st.booleans(),
    )
    def begin(self, redis: bool, era: str, on_cancel: OnCancel, person: str | None, parallel: bool) -> None:
        self.fake = self.open.enter_context(FakeLetta(redis=redis, ping_seconds=0.1))
        self.witness = Witness(self.fake)
        self.promises = Promises(self.witness)
        complaints = Complaints(self.promises.complaints)
        for logger in map(logging.getLogger, ("letta_conv_mcp", "mcp", "asyncio")):
            logger.addHandler(complaints)
            self.open.callback(logger.removeHandler, complaints)
        tools = [Tool("lookup", "found it"), Tool("erase", self._erase, requires_approval=True)]
        self.agent = self.fake.add_agent("Ada", tools=tools, parallel_tool_calls=parallel)
        self.threads = [self.fake.add_conversation(self.agent).id]
        self.kind, self.has_redis = Kind(era, on_cancel, person), redis
        self._note(f"{self.kind} redis={redis} parallel={parallel}")
        self.portal = self.open.enter_context(start_blocking_portal())
        self.processes = [self._new_process("A", self.kind), self._new_process("B", self.kind)]
        self.has_begun = True

    def _erase(self, arguments: Json) -> str:
        self.promises.deeds.append(arguments["where"])
        return f"erased {arguments['where']}"

    def _note(self, what: str) -> None:
        self.notes.append(f"{time.monotonic() - self.began_at:6.2f}  {what}")

    def _new_process(self, name: str, kind: Kind) -> Process:
        return Process(name, self.portal, self.fake.base_url, kind, self._note)

    def _thread(self, number: int) -> str:
        return self.threads[number % len(self.threads)]

    def _run_id(self, thread: str, number: int | None) -> Json:
        """One of a conversation's runs as an argument, the newest for 0; nothing for None."""
        runs = self.witness.runs(thread)
        return {} if number is None or not runs else {"run_id": runs[-1 - number % len(runs)].id}

    # What people do

    @rule(is_default=st.booleans())
    def new_conversation(self, is_default: bool) -> None:
        own = f"default:{self.agent.id}"
        if len(self.threads) < 3:
            is_own = is_default and own not in self.threads
            self.threads.append(own if is_own else self.fake.add_conversation(self.agent).id)

    @rule(slot=slots, number=numbers, shape=shapes, wait=waits, watched=st.booleans(), full=st.booleans())
    def send(self, slot: int, number: int, shape: str, wait: float, watched: bool, full: bool) -> None:
        self._finish(self._say(slot, number, shape, wait, watched, detail="full" if full else "concise"))

    @rule(slot=slots, number=numbers, shape=shapes, watched=st.booleans())
    def send_and_stay(self, slot: int, number: int, shape: str, watched: bool) -> None:
        self._say(slot, number, shape, LONG, watched)

    @rule(slot=slots, number=numbers, several=st.lists(shapes, min_size=2, max_size=4))
    def send_several(self, slot: int, number: int, several: list[str]) -> None:
        """One after the other into one conversation, without waiting for what becomes of the first."""
        for shape in several:
            self._say(slot, number, shape, LONG, watched=False)

    def _say(self, slot: int, number: int, shape: str, wait: float, watched: bool, **more: Any) -> Call:
        key = self._new_key()
        if "held" in shape:
            self.holds.append(key)
        process, thread, text = self.processes[slot], self._thread(number), SHAPES[shape].format(key=key)
        said = Said(text, thread, process, self.promises.troubles if self.witness.is_healthy else None)
        self.promises.said.append(said)
        about: Json = {"conversation_id": thread, "message": text, "wait_seconds": wait}
        return process.start("send_message", said, watched=watched, **about, **more)

    def _new_key(self) -> str:
        self.messages += 1
        return f"m{self.messages}"

    @rule(slot=slots, number=numbers, run=st.none() | numbers, wait=waits)
    def wait_for_reply(self, slot: int, number: int, run: int | None, wait: float) -> None:
        thread = self._thread(number)
        about: Json = {"conversation_id": thread, **self._run_id(thread, run)}
        self._finish(self.processes[slot].start("wait_for_reply", wait_seconds=wait, **about))

    @rule(slot=slots, number=numbers)
    def wait_and_stay(self, slot: int, number: int) -> None:
        self.processes[slot].start("wait_for_reply", conversation_id=self._thread(number), wait_seconds=LONG)

    @rule(slot=slots, number=numbers, how=st.sampled_from(ANSWERS), wait=waits)
    def answer_approval(self, slot: int, number: int, how: str, wait: float) -> None:
        process, thread = self.processes[slot], self._thread(number)
        pending = self.witness.pending(thread)
        approve, deny = answer_of(call_ids_of(pending), how)
        for call in pending if {*approve} ^ {*deny} == {*call_ids_of(pending)} else ():
            self.promises.decide(deed_of(call), process.name, is_approved=call["tool_call_id"] in approve)
        about: Json = {"conversation_id": thread, "approve": approve, "deny": deny}
        self._finish(process.start("answer_approval", wait_seconds=wait, **about))

    @rule(slot=slots, number=numbers, run=st.none() | numbers)
    def cancel_reply(self, slot: int, number: int, run: int | None) -> None:
        process, thread = self.processes[slot], self._thread(number)
        self._allow_stop(process, thread)
        self._finish(process.start("cancel_reply", conversation_id=thread, **self._run_id(thread, run)))

    def _allow_stop(self, process: Process, thread: str) -> None:
        for said in self.promises.said:
            said.is_stopped = said.is_stopped or (said.thread == thread and said.process is process)

    @rule(slot=slots, number=numbers)
    def leave(self, slot: int, number: int) -> None:
        """The host cancels a call in flight."""
        process = self.processes[slot]
        calls = [call for call in process.calls if not call.future.done()]
        if not calls:
            return
        call = calls[number % len(calls)]
        if self.kind.on_cancel == "stop":
            self._allow_stop(process, str(call.arguments["conversation_id"]))
        if isinstance(call.about, Said):
            # It may not even have been read.
            call.about.is_excused = True
            call.about.is_taken_back = self._surely_waits(call.about)
        process.leave(call)

    def _surely_waits(self, said: Said) -> bool:
        """Whether a message waits for an earlier one, and nobody but its sender waits for it."""
        same = [it for it in self.promises.said if it.thread == said.thread and it.process is said.process]
        before = same[: same.index(said)]
        is_blocked = any(
            it.text not in ("", said.text)
            and it.troubles == self.promises.troubles
            and any(played.run.status == "running" for played in self.witness.plays_of(it.text))
            for it in before
        )
        asked = [call for call in said.process.calls if call.tool == "wait_for_reply"]
        return is_blocked and not asked and self.witness.is_healthy and not self.witness.plays_of(said.text)

    @rule(number=numbers)
    def release(self, number: int) -> None:
        if self.holds:
            name = self.holds.pop(number % len(self.holds))
            self._note(f"{name} is released")
            self.fake.release(name)

    # What goes wrong

    @rule(
        fault=st.sampled_from(list(FAULTS)).flatmap(
            lambda what: st.tuples(st.just(what), st.integers(0, len(FAULTS[what][2]) - 1))
        ),
        times=st.integers(1, 3),
    )
    def fail(self, fault: tuple[str, int], times: int) -> None:
        """The next requests of a kind go wrong."""
        method, path, faults = FAULTS[fault[0]]
        self._trouble(f"{method} {path} goes wrong {times} times: {faults[fault[1]]}")
        self.fake.fail(method, path, faults[fault[1]], times=times)

    @rule(what=st.sampled_from(STROKES))
    def strike(self, what: str) -> None:
        """Something dies and comes back."""
        match what:
            case "A" | "B":
                self._kill(ord(what) - ord("A"))
                return
            case "Letta":
                self.fake.kill()
            case "the database":
                self.fake.lose_database()
            case "nothing more":
                self._heal()
            case _ if self.has_redis:
                self.fake.restart_redis(with_runs=what != "Redis")
            case _:
                return
        self._trouble(f"{what} fails")

    def _trouble(self, what: str) -> None:
        self._note(what)
        self.promises.troubles += 1

    def _kill(self, slot: int) -> None:
        dead = self.processes[slot]
        dead.close()
        for said in self.promises.said:
            said.is_excused = said.is_excused or said.process is dead
        self.processes[slot] = self._new_process(f"{dead.name}'", self.kind)

    def _heal(self) -> None:
        self.fake.heal()
        self.fake.lose_database(for_steps=0)

    # What must be true

    def _finish(self, call: Call) -> Outcome:
        outcome = call.process.finish(call)
        self._note_decisions()
        self.promises.hear(outcome)
        return outcome

    def _note_decisions(self) -> None:
        for process in self.processes:
            for deed, is_approved in process.decided:
                self.promises.decide(deed, f"{process.name}'s person", is_approved=is_approved)

    @invariant()
    def promises_are_kept(self) -> None:
        if self.has_begun:
            self.steps_since_rest += 1
            self._note_decisions()
            self.promises.check_letta()

    @precondition(lambda self: self.steps_since_rest > 7)
    @rule()
    def rest(self) -> None:
        """Everything is healed and let go, comes to its end, and is looked at from all sides."""
        self._note("rest")
        self.steps_since_rest = 0
        self._calm_down()
        aftermath = Aftermath(self.promises, self.threads)
        for process in self.processes:
            process.is_person_in = False
            for call in list(process.calls):
                self._finish(call)
        for process in self.processes:
            aftermath.hear_all(process)
        with closing(self._new_process("a stranger", Kind(self.kind.era))) as stranger:
            for process in (*self.processes, stranger):
                with self._unless_it_fails():
                    aftermath.check_replies(process, but=self.looked_at)
            aftermath.check_order()
            aftermath.check_nothing_vanished()
            if self.messages % 2:
                aftermath.deny_all(stranger)
        for process in self.processes:
            aftermath.check_free(process, self._new_key())
            process.is_person_in, process.sent = True, 0
        self.promises.check_letta()
        self.promises.said.clear()
        self.looked_at.update(run.id for run in self.fake.runs)
        reader.SILENT_SECONDS = 600.0

    @contextmanager
    def _unless_it_fails(self) -> Generator[None]:
        """What is noted within it is worth nothing if all is well."""
        noted = len(self.notes)
        yield
        del self.notes[noted:]

    def _calm_down(self) -> None:
        """Nothing goes wrong any more, and Letta ends what it can."""
        self._heal()
        for name in self.holds:
            self.fake.release(name)
        self.holds.clear()
        self.fake.wait_until(lambda: all(map(self.witness.is_ghost, self._active_runs())), 10)
        # The time of its locks is over, and that of our patience.
        self.fake.store.locks.clear()
        if any(run.is_active or (run.status == "cancelled" and not run.is_over) for run in self.fake.runs):
            reader.SILENT_SECONDS = UNHEARD_SECONDS

    def _active_runs(self) -> list[Run]:
        return [run for run in self.fake.runs if run.is_active]

    def teardown(self) -> None:
        try:
            if self.has_begun and not sys.exc_info()[0]:
                self.rest()
        finally:
            if sys.exc_info()[0]:
                self.failed[:] = self.notes
            reader.SILENT_SECONDS = 600.0
            for process in self.processes if self.has_begun else ():
                process.close()
            self.open.close()


@pytest.fixture
def short_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that takes seconds takes parts of one."""

    def pauses(first: float, *, longest: float = 1.0) -> Iterator[float]:
        while True:
            yield min(first, longest, 0.02)

    for name, value in {**SHORT, "turns.reader.pauses": pauses, "turns.sender.pauses": pauses}.items():
        monkeypatch.setattr(f"letta_conv_mcp.{name}", value)
    monkeypatch.setattr("letta_client._base_client.INITIAL_RETRY_DELAY", 0.02)
    # Reading the certificates takes longer than all the rest of a new process.
    read_once = functools.cache(httpx.create_ssl_context)
    monkeypatch.setattr("httpx._transports.default.create_ssl_context", read_once)


def test_the_three_promises_hold_whatever_happens(short_time: None) -> None:
    about = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        phases=PHASES,
        deadline=None,
        derandomize=False,
        database=None,
        print_blob=True,
        suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example),
    )

    try:
        run_state_machine_as_test(seed(SEED)(Machine), settings=about)
    except BaseException as failure:
        failure.add_note("\n".join([*Machine.failed, f"PROMISES_SEED={SEED}"]))
        raise
