"""How a host leaves a call: it cancels with a reason, its time runs out, or its line ends. Real processes, both eras.

Ours: only an explicit cancel stops a run, and `--on-cancel` says which. Every other end leaves it alone.
"""

import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from tests.fake import Conversation, FakeLetta, Hang, Run, WaitFor
from tests.integration.calls import heard
from tests.integration.lines import Line, open_line
from tests.integration.reasons import STOPS, TIME_OUTS

ENDS_WITHIN = 1.0
"""Seconds: our promise."""
WITHIN = 20.0
"""The first call of a process brings letta-client in."""
WITHOUT_WORDS: dict[str, object] = {"empty": "", "number": 7, "object": {"timeout": True}, "list": ["timeout"]}
"""Reasons that say nothing. MCP knows of strings only, and of none at all."""
IS_MODERN = pytest.mark.parametrize("is_modern", [False, True], ids=["handshake", "2026-07-28"])


def runs_of(letta: FakeLetta, talk: Conversation) -> list[Run]:
    return [run for run in letta.runs if run.conversation_id == talk.id]


def say_and_hold(letta: FakeLetta, line: Line, talk: Conversation, message: str) -> int:
    """Say something and go on when Letta is at work on it."""
    said = line.say(talk.id, f"#hold {talk.id} {message}")
    letta.wait_until_held(talk.id, WITHIN)
    return said


def say_elsewhere(letta: FakeLetta, talk: Conversation) -> None:
    """Have another client say something, and go on when Letta is at work on it."""
    body = {"input": f"#hold {talk.id} hello", "streaming": True, "background": True}
    with httpx.stream("POST", f"{letta.base_url}/v1/conversations/{talk.id}/messages", json=body):
        letta.wait_until_held(talk.id)


@IS_MODERN
@pytest.mark.parametrize("on_cancel", ["auto", "stop", "leave"])
def test_a_cancelled_call_does_to_its_run_what_on_cancel_says(fake: FakeLetta, on_cancel: str, is_modern: bool) -> None:
    """Each reason is given twice: for a call in mid-turn, and for one whose message waits behind it in our queue."""
    time_outs: dict[str, object] = dict(TIME_OUTS)
    wishes: dict[str, object] = {f"stop: {name}": reason for name, reason in {**STOPS, **WITHOUT_WORDS}.items()}
    stopped = {"auto": wishes, "stop": time_outs | wishes, "leave": {}}[on_cancel]
    agent = fake.add_agent("Ada")
    with open_line(fake.base_url, "--on-cancel", on_cancel, is_modern=is_modern) as line:
        talks = {name: fake.add_conversation(agent) for name in time_outs | wishes}
        queues = {name: fake.add_conversation(agent) for name in talks}
        neighbours = {name: say_and_hold(fake, line, talk, "first") for name, talk in queues.items()}
        calls = {name: say_and_hold(fake, line, talk, "hello") for name, talk in talks.items()}
        queued = {name: line.say(talk.id, "second") for name, talk in queues.items()}

        for name, reason in (time_outs | wishes).items():
            line.take_back(calls[name], reason)
            line.take_back(queued[name], reason)
        for name in stopped:
            fake.wait_until(lambda name=name: not runs_of(fake, talks[name])[0].is_active)
        statuses = {name: [run.status for run in runs_of(fake, talk)] for name, talk in talks.items()}
        for talk in [*talks.values(), *queues.values()]:
            fake.release(talk.id)
        ended = {name: line.reply(call)["status"] for name, call in neighbours.items()}
        later = {name: line.reply(line.say(talk.id, "third"))["status"] for name, talk in queues.items()}

    assert statuses == {name: ["cancelled" if name in stopped else "running"] for name in talks}
    assert ended == later == dict.fromkeys(queues, "completed")
    assert [heard(fake, talk.id) for talk in queues.values()] == [
        [f"#hold {talk.id} first", "third"] for talk in queues.values()
    ]
    cancels = fake.requests_to("POST", "*/cancel")
    by_id = sorted([runs_of(fake, talks[name])[0].id] for name in stopped)
    assert sorted(seen.body["run_ids"] for seen in cancels) == by_id
    assert {seen.path for seen in cancels} <= {f"/v1/agents/{agent.id}/messages/cancel"}


@dataclass
class Scene:
    """One host whose calls are in every place that a call can be in."""

    letta: FakeLetta
    line: Line
    running: Conversation
    foreign: Conversation
    unanswered: Conversation
    received: Conversation

    @property
    def talks(self) -> list[Conversation]:
        return [self.running, self.foreign, self.unanswered, self.received]


@pytest.fixture(params=[False, True], ids=["handshake", "2026-07-28"])
def scene(fake: FakeLetta, request: pytest.FixtureRequest) -> Iterator[Scene]:
    agent = fake.add_agent("Ada")
    # What a cancel would do, an end doesn't.
    with open_line(fake.base_url, "--on-cancel", "stop", is_modern=request.param) as line:
        scene = Scene(fake, line, *(fake.add_conversation(agent) for _ in range(4)))
        say_and_hold(fake, line, scene.running, "hello")
        line.say(scene.running.id, "queued")
        line.call("wait_for_reply", conversation_id=scene.running.id)
        say_elsewhere(fake, scene.foreign)
        line.say(scene.foreign.id, "too late")
        line.call("wait_for_reply", conversation_id=scene.foreign.id, run_id=fake.runs[-1].id)
        fake.fail("POST", f"/v1/conversations/{scene.unanswered.id}/messages", WaitFor("post"))
        line.say(scene.unanswered.id, f"#hold {scene.unanswered.id} hello")
        fake.wait_until_held("post")
        fake.fail("POST", f"/v1/conversations/{scene.received.id}/messages", Hang(is_received=True))
        say_and_hold(fake, line, scene.received, "hello")
        fake.fail("GET", f"/v1/conversations/{scene.received.id}", Hang())
        line.call("retrieve_conversation", conversation_id=scene.received.id)
        line.catch_up()
        yield scene


def end(line: Line, how: str) -> tuple[int, str]:
    """End a server's life: its exit status and its stderr."""
    begun = time.monotonic()
    if how == "EOF":
        line.hang_up()
    else:
        line.host.process.send_signal(getattr(signal, how))
    ended = line.host.ended(within=10)
    assert time.monotonic() - begun < ENDS_WITHIN
    return ended


@pytest.mark.parametrize("how", ["EOF", "SIGTERM", "SIGINT"])
def test_an_end_in_the_midst_of_everything_is_quick_and_leaves_every_run_alone(scene: Scene, how: str) -> None:
    """What was not sent never is; what may have been sent is not sent again."""
    letta = scene.letta

    assert end(scene.line, how) == (0, "")
    # The request was complete, so Letta takes it when it gets to it.
    letta.release("post")
    letta.wait_until_held(scene.unanswered.id)
    statuses = [run.status for talk in scene.talks for run in runs_of(letta, talk)]
    for talk in scene.talks:
        letta.release(talk.id)
    letta.wait_until(lambda: not any(run.is_active for run in letta.runs))

    assert statuses == ["running"] * 4
    assert [heard(letta, talk.id) for talk in scene.talks] == [[f"#hold {talk.id} hello"] for talk in scene.talks]
    assert {run.status for run in letta.runs} == {"completed"}
    assert letta.requests_to("POST", "*/cancel") == []


def test_the_next_process_finds_what_an_end_left_behind(scene: Scene) -> None:
    letta = scene.letta
    end(scene.line, "SIGTERM")

    letta.release("post")
    letta.wait_until_held(scene.unanswered.id)
    with open_line(letta.base_url) as line:
        waits = [line.call("wait_for_reply", conversation_id=talk.id) for talk in scene.talks]
        for talk in scene.talks:
            letta.release(talk.id)
        replies = [line.reply(wait) for wait in waits]

    assert [(reply["status"], reply["text"]) for reply in replies] == [("completed", "echo: hello")] * 4
    assert [reply["in_reply_to"] for reply in replies] == [f"#hold {talk.id} hello" for talk in scene.talks]


@pytest.mark.parametrize("how", ["EOF", "SIGTERM", "SIGINT"])
def test_a_stop_is_carried_out_even_if_the_end_comes_right_after(fake: FakeLetta, how: str) -> None:
    """Hosts abort their calls and quit: the person's wish still counts."""
    talk = fake.add_conversation(fake.add_agent("Ada"))
    with open_line(fake.base_url) as line:
        said = say_and_hold(fake, line, talk, "hello")
        (run,) = runs_of(fake, talk)
        fake.fail("GET", f"/v1/runs/{run.id}", WaitFor("about to be stopped"))

        line.take_back(said, STOPS["TypeScript"])
        fake.wait_until_held("about to be stopped")
        ended = end(line, how)

    assert (ended, run.status) == ((0, ""), "cancelled")
