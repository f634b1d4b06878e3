"""What the official SDKs send when a call is taken back, and what that does to the agent's run.

A call is taken back because its time ran out, or because somebody wants it to stop. MCP leaves the words of the reason
to the host, so what is seen here is what `--on-cancel auto` can go by. Each host tells its whole story once; the tests
read in what was seen of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.conformance.callers import Caller, Sdk, open_caller
from tests.fake import Agent, Conversation, FakeLetta, Run
from tests.integration.calls import heard
from tests.integration.reasons import STOPS, TIME_OUTS
from tests.integration.stdio import started

WITHIN = 20.0
TIMES_OUT_AFTER = 2.0
WORDS = STOPS["TypeScript, in the caller's words"]

PYTHON = {"option": TIME_OUTS["Python"], "clock": STOPS["Python"], "abort": STOPS["Python"]}
TYPESCRIPT = {"clock": TIME_OUTS["TypeScript, AbortSignal.timeout"], "abort": STOPS["TypeScript"], "words": WORDS}
TYPESCRIPT_1 = {"option": TIME_OUTS["TypeScript 1"], **TYPESCRIPT}
TYPESCRIPT_2 = {"option": TIME_OUTS["TypeScript 2"], **TYPESCRIPT}
REASONS = {
    Sdk("Python, legacy", "Python", "legacy"): PYTHON,
    Sdk("Python, auto", "Python", "auto"): PYTHON,
    Sdk("TypeScript 1", "TypeScript", "legacy", "1"): TYPESCRIPT_1,
    Sdk("TypeScript 2, legacy", "TypeScript", "legacy", "2"): TYPESCRIPT_2,
    Sdk("TypeScript 2, auto", "TypeScript", "auto", "2"): TYPESCRIPT_2,
}
"""By the way in which a call is taken back: the SDK's time-out, one of the caller's, an abort, an abort with words."""
LAST = list(REASONS)[-1]
CASES = [*((sdk, "auto") for sdk in REASONS), (LAST, "stop"), (LAST, "leave")]


@dataclass
class Attempt:
    """Two calls that are taken back in one way: one in mid-turn, the other behind a turn that goes on."""

    talk: Conversation
    queue: Conversation
    calls: list[int] = field(default_factory=list[int])
    neighbour: int = 0
    status: str = ""
    """Of the first one's run, when our server knew that the call was taken back."""
    found: dict[str, Any] = field(default_factory=dict[str, Any])
    """What another process of ours says of it later."""


@dataclass
class Story:
    """A host that takes back calls in every way it knows, and then quits in mid-turn."""

    fake: FakeLetta
    agent: Agent
    caller: Caller
    sdk: Sdk
    on_cancel: str
    attempts: dict[str, Attempt] = field(default_factory=dict[str, Attempt])
    seen: dict[str, str] = field(default_factory=dict[str, str])
    ended: str = ""
    parting: Conversation | None = None
    exit: tuple[int, str] | None = None

    @property
    def reasons(self) -> dict[str, str | None]:
        return REASONS[self.sdk]

    def stops(self, way: str) -> bool:
        """Whether the run of a call that is taken back in this way is to be stopped."""
        return self.on_cancel == "stop" or (self.on_cancel == "auto" and self.reasons[way] not in TIME_OUTS.values())

    def run(self, talk: Conversation) -> Run:
        """The one run of a conversation."""
        (run,) = [run for run in self.fake.runs if run.conversation_id == talk.id]
        return run

    def play(self) -> None:
        self.begin()
        self.take_back()
        self.go_on()
        self.quit()

    def begin(self) -> None:
        """Start every call, and go on when Letta is at work on all that it is to be at work on."""
        for way in self.reasons:
            attempt = Attempt(self.fake.add_conversation(self.agent), self.fake.add_conversation(self.agent))
            attempt.neighbour = self.say(attempt.queue, f"#hold {attempt.queue.id} first")
            self.attempts[way] = attempt
        # The first calls are slow, and time runs out from the moment a call is made.
        for attempt in self.attempts.values():
            self.fake.wait_until_held(attempt.queue.id, WITHIN)
        for way, attempt in self.attempts.items():
            time_out = {way: TIMES_OUT_AFTER} if way in ("option", "clock") else {}
            attempt.calls.append(self.say(attempt.talk, f"#hold {attempt.talk.id} {way}", **time_out))
            attempt.calls.append(self.say(attempt.queue, f"second {way}", **time_out))
        for attempt in self.attempts.values():
            self.fake.wait_until_held(attempt.talk.id, WITHIN)

    def take_back(self) -> None:
        """Have every call taken back, and look at their runs when our server knows."""
        for way, words in (("abort", None), ("words", WORDS)):
            for number in self.attempts[way].calls if way in self.attempts else ():
                self.caller.abort(number, words)
        gone = [number for attempt in self.attempts.values() for number in attempt.calls]
        assert all("error" in outcome for outcome in self.caller.outcomes(*gone))
        self.caller.outcomes(self.caller.call("list_agents"))
        for way, attempt in self.attempts.items():
            run = self.run(attempt.talk)
            if self.stops(way):
                self.fake.wait_until(lambda run=run: not run.is_active)
            attempt.status = run.status

    def go_on(self) -> None:
        """Let Letta finish what is left, and use the conversations again, here and from another process."""
        for attempt in self.attempts.values():
            self.fake.release(attempt.talk.id)
            self.fake.release(attempt.queue.id)
        for attempt in self.attempts.values():
            (first,) = self.caller.outcomes(attempt.neighbour)
            (third,) = self.caller.outcomes(self.say(attempt.queue, "third"))
            assert first["result"]["status"] == third["result"]["status"] == "completed"
        ended = self.say(self.fake.add_conversation(self.agent), "ended")
        (outcome,) = self.caller.outcomes(ended)
        self.caller.abort(ended)
        self.caller.outcomes(self.caller.call("list_agents"))
        self.ended = outcome["result"]["run_id"]
        with started(self.fake.base_url) as other:
            other.initialize()
            for attempt in self.attempts.values():
                asked = {"name": "wait_for_reply", "arguments": {"conversation_id": attempt.talk.id}}
                attempt.found = other.ask("tools/call", asked)["structuredContent"]

    def quit(self) -> None:
        """Have the host close its connection while a call waits."""
        self.parting = self.fake.add_conversation(self.agent)
        self.say(self.parting, "#hold parting goodbye")
        self.fake.wait_until_held("parting")
        self.exit = self.caller.close()
        self.seen = self.caller.reasons()

    def say(self, talk: Conversation, message: str, **time_out: float) -> int:
        return self.caller.call("send_message", {"conversation_id": talk.id, "message": message}, **time_out)


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[0].name}, {case[1]}")
def story(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    sdk, on_cancel = request.param
    packages = request.getfixturevalue("programs").parents[1] if sdk.language == "TypeScript" else None
    wire = tmp_path_factory.mktemp("wire") / "frames"
    with FakeLetta() as fake:
        server = ["--base-url", fake.base_url, "--on-cancel", on_cancel]
        with open_caller(sdk, packages, wire, *server) as caller:
            told = Story(fake, fake.add_agent("Ada"), caller, sdk, on_cancel)
            told.play()
            assert caller.era() == ("legacy" if sdk.mode == "legacy" else "modern")
        yield told


def test_the_host_gives_the_reasons_that_we_know(story: Story) -> None:
    """The SDKs': MCP only allows for a reason."""
    in_mid_turn = {way: story.seen[f"#hold {attempt.talk.id} {way}"] for way, attempt in story.attempts.items()}
    in_the_queue = {way: story.seen[f"second {way}"] for way in story.attempts}

    assert in_mid_turn == in_the_queue == story.reasons


def test_the_run_is_stopped_or_left_alone_as_on_cancel_says(story: Story) -> None:
    """Ours: `auto` stops it unless the host speaks of a time-out."""
    statuses = {way: attempt.status for way, attempt in story.attempts.items()}

    assert statuses == {way: "cancelled" if story.stops(way) else "running" for way in story.attempts}


def test_runs_are_stopped_one_by_one_and_by_their_ids(story: Story) -> None:
    """Letta: a cancel that names a conversation or an agent alone stops runs of others too."""
    stopped = {story.run(attempt.talk).id for way, attempt in story.attempts.items() if story.stops(way)}
    requests = story.fake.requests_to("POST", "*/cancel")

    assert sorted(request.body["run_ids"] for request in requests) == sorted([run_id] for run_id in stopped)
    assert {request.path for request in requests} <= {f"/v1/agents/{story.agent.id}/messages/cancel"}


def test_another_process_finds_the_reply_that_the_host_gave_up_waiting_for(story: Story) -> None:
    found = {way: (attempt.found["status"], attempt.found["text"]) for way, attempt in story.attempts.items()}

    left = {way: reply for way, reply in found.items() if not story.stops(way)}
    assert left == {way: ("completed", f"echo: {way}") for way in left}
    assert all(found[way][0] == "cancelled" for way in found.keys() - left.keys())


def test_a_message_in_the_queue_is_never_sent_once_its_call_is_taken_back(story: Story) -> None:
    """Ours: for every reason, and whatever `--on-cancel` says. Counted in Letta, after the queue went on."""
    for attempt in story.attempts.values():
        assert heard(story.fake, attempt.queue.id) == [f"#hold {attempt.queue.id} first", "third"]


def test_taking_back_a_call_that_is_over_changes_nothing(story: Story) -> None:
    """Hosts do so, to clean up. The first TypeScript SDK tells the server of it."""
    assert ("ended" in story.seen) == (story.sdk.version == "1")
    assert story.fake.store.runs[story.ended].status == "completed"


def test_a_host_that_quits_in_mid_turn_leaves_the_run_alone(story: Story) -> None:
    """Ours: closing is no wish to stop anything."""
    assert story.parting is not None

    assert story.exit == (0, "")
    assert story.run(story.parting).status == "running"
    assert "#hold parting goodbye" not in story.seen
