"""A host takes a call back at every moment of a turn. Real processes, in both eras; Letta is the fake.

Ours: a message that was not sent never is; a run of ours is stopped, or left alone where the host's time ran out; a
run of another client's is never stopped.
"""

from collections.abc import Iterator

import pytest

from tests.fake import Close, Conversation, FakeLetta, Run, WaitFor
from tests.integration.calls import heard
from tests.integration.lines import Line, open_line
from tests.integration.reasons import STOPS, TIME_OUTS

STOP = STOPS["TypeScript"]
TIME_OUT = TIME_OUTS["TypeScript 1"]


@pytest.fixture(scope="module")
def letta() -> Iterator[FakeLetta]:
    with FakeLetta() as fake:
        yield fake


@pytest.fixture(scope="module", params=[False, True], ids=["handshake", "2026-07-28"])
def line(letta: FakeLetta, request: pytest.FixtureRequest) -> Iterator[Line]:
    with open_line(letta.base_url, is_modern=request.param) as opened:
        # The first call brings letta-client in.
        opened.answer(opened.call("list_agents"))
        yield opened


@pytest.fixture(scope="module")
def other(letta: FakeLetta) -> Iterator[Line]:
    """Another client of Letta's: a second process of ours."""
    with open_line(letta.base_url) as opened:
        opened.answer(opened.call("list_agents"))
        yield opened


@pytest.fixture
def talk(letta: FakeLetta) -> Conversation:
    letta.heal()
    return letta.add_conversation(letta.add_agent("Ada"))


def run_of(letta: FakeLetta, talk: Conversation) -> Run:
    (run,) = [run for run in letta.runs if run.conversation_id == talk.id]
    return run


def stops(letta: FakeLetta, talk: Conversation) -> list[list[str]]:
    """The runs that Letta was asked to stop on a conversation's agent."""
    return [seen.body["run_ids"] for seen in letta.requests_to("POST", f"/v1/agents/{talk.agent_id}/messages/cancel")]


def refusals(letta: FakeLetta, talk: Conversation) -> int:
    sent = letta.requests_to("POST", f"/v1/conversations/{talk.id}/messages")
    return sum(seen.status == 409 for seen in sent)


@pytest.mark.parametrize("is_watched", [True, False], ids=["by tokens", "by steps"])
def test_a_stopped_reply_tells_what_had_been_said(
    letta: FakeLetta, line: Line, talk: Conversation, is_watched: bool
) -> None:
    said = line.say(talk.id, f"#hold {talk.id}@2 one two three", is_watched=is_watched)
    letta.wait_until_held(talk.id)

    line.take_back(said, STOP)
    letta.wait_until(lambda: run_of(letta, talk).status == "cancelled")
    letta.release(talk.id)
    reply = line.reply(line.call("wait_for_reply", conversation_id=talk.id))

    text = "echo: one " if is_watched else "echo: one two three"
    assert (reply["status"], reply["text"], reply["run_id"]) == ("cancelled", text, run_of(letta, talk).id)
    assert stops(letta, talk) == [[reply["run_id"]]]


@pytest.mark.parametrize("is_watched", [True, False], ids=["by tokens", "by steps"])
def test_a_reply_that_took_too_long_is_there_later(
    letta: FakeLetta, line: Line, talk: Conversation, is_watched: bool
) -> None:
    said = line.say(talk.id, f"#hold {talk.id}@2 one two three", is_watched=is_watched)
    letta.wait_until_held(talk.id)

    line.take_back(said, TIME_OUT)
    letta.release(talk.id)
    reply = line.reply(line.call("wait_for_reply", conversation_id=talk.id))

    assert (reply["status"], reply["text"]) == ("completed", "echo: one two three")
    assert stops(letta, talk) == []


@pytest.mark.parametrize("reason", [STOP, TIME_OUT])
def test_a_message_behind_another_clients_run_is_never_sent(
    letta: FakeLetta, line: Line, other: Line, talk: Conversation, reason: str
) -> None:
    first = other.say(talk.id, f"#hold {talk.id} first")
    letta.wait_until_held(talk.id)
    second = line.say(talk.id, "second")
    letta.wait_until(lambda: letta.requests_to("GET", f"/v1/runs/{run_of(letta, talk).id}"))

    line.take_back(second, reason)
    letta.release(talk.id)
    ended = other.reply(first)
    third = line.reply(line.say(talk.id, "third"))

    assert (ended["status"], third["status"]) == ("completed", "completed")
    assert heard(letta, talk.id) == [f"#hold {talk.id} first", "third"]
    assert stops(letta, talk) == []


@pytest.mark.parametrize("reason", [STOP, TIME_OUT])
def test_a_message_that_turns_out_to_be_behind_another_clients_run_is_never_sent(
    letta: FakeLetta, line: Line, other: Line, talk: Conversation, reason: str
) -> None:
    """It was on its way when the call was taken back, and Letta refuses it afterwards."""
    first = other.say(talk.id, f"#hold {talk.id} first")
    letta.wait_until_held(talk.id)
    letta.fail("POST", f"/v1/conversations/{talk.id}/messages", WaitFor(f"post-{talk.id}"))
    second = line.say(talk.id, "second")
    letta.wait_until_held(f"post-{talk.id}")

    line.take_back(second, reason)
    letta.release(f"post-{talk.id}")
    letta.wait_until(lambda: refusals(letta, talk))
    letta.release(talk.id)
    ended = other.reply(first)
    third = line.reply(line.say(talk.id, "third"))

    assert (ended["status"], third["status"]) == ("completed", "completed")
    assert heard(letta, talk.id) == [f"#hold {talk.id} first", "third"]


@pytest.mark.parametrize("fate", ["answered late", "never answered"])
def test_a_run_whose_id_is_not_known_yet_is_stopped_when_it_is(
    letta: FakeLetta, line: Line, talk: Conversation, fate: str
) -> None:
    late = WaitFor(f"post-{talk.id}")
    faults = [late] if fate == "answered late" else [late, Close(is_received=True)]
    letta.fail("POST", f"/v1/conversations/{talk.id}/messages", *faults)
    said = line.say(talk.id, f"#hold {talk.id} hello")
    letta.wait_until_held(f"post-{talk.id}")

    line.take_back(said, STOP)
    assert stops(letta, talk) == []
    letta.release(f"post-{talk.id}")
    letta.wait_until(lambda: stops(letta, talk), within=10)

    run = run_of(letta, talk)
    assert (run.status, stops(letta, talk)) == ("cancelled", [[run.id]])


def test_a_run_whose_id_is_not_known_yet_goes_on_where_time_ran_out(
    letta: FakeLetta, line: Line, talk: Conversation
) -> None:
    letta.fail("POST", f"/v1/conversations/{talk.id}/messages", WaitFor(f"post-{talk.id}"))
    said = line.say(talk.id, "hello")
    letta.wait_until_held(f"post-{talk.id}")

    line.take_back(said, TIME_OUT)
    letta.release(f"post-{talk.id}")
    reply = line.reply(line.call("wait_for_reply", conversation_id=talk.id))

    assert (reply["status"], reply["text"], reply["in_reply_to"]) == ("completed", "echo: hello", "hello")
    assert (heard(letta, talk.id), stops(letta, talk)) == (["hello"], [])


@pytest.mark.parametrize(("reason", "status"), [(STOP, "cancelled"), (TIME_OUT, "running")])
def test_a_later_wait_for_a_turn_of_ours_counts_like_the_call_that_began_it(
    letta: FakeLetta, line: Line, talk: Conversation, reason: str, status: str
) -> None:
    line.reply(line.say(talk.id, f"#hold {talk.id} hello", wait_seconds=0))
    letta.wait_until_held(talk.id)
    waits = line.call("wait_for_reply", conversation_id=talk.id)

    line.take_back(waits, reason)
    if status == "cancelled":
        letta.wait_until(lambda: stops(letta, talk))

    assert run_of(letta, talk).status == status


def test_another_clients_run_is_never_stopped(letta: FakeLetta, line: Line, other: Line, talk: Conversation) -> None:
    first = other.say(talk.id, f"#hold {talk.id} hello")
    letta.wait_until_held(talk.id)
    run_id = run_of(letta, talk).id
    waits = [line.call("wait_for_reply", conversation_id=talk.id, run_id=wanted) for wanted in (run_id, None)]
    letta.wait_until(lambda: letta.requests_to("POST", f"/v1/runs/{run_id}/stream"))

    for wait in waits:
        line.take_back(wait, STOP)
    letta.release(talk.id)

    assert (other.reply(first)["status"], stops(letta, talk)) == ("completed", [])


@pytest.mark.parametrize("who", ["speaker", "waiter"])
def test_a_turn_that_somebody_else_waits_for_goes_on(
    letta: FakeLetta, line: Line, talk: Conversation, who: str
) -> None:
    speaker = line.say(talk.id, f"#hold {talk.id} hello")
    letta.wait_until_held(talk.id)
    waiter = line.call("wait_for_reply", conversation_id=talk.id)
    gone, stays = (speaker, waiter) if who == "speaker" else (waiter, speaker)

    line.take_back(gone, STOP)
    letta.release(talk.id)
    reply = line.reply(stays)

    assert (reply["status"], reply["text"], stops(letta, talk)) == ("completed", "echo: hello", [])


def test_the_last_one_to_go_stops_the_turn(letta: FakeLetta, line: Line, talk: Conversation) -> None:
    speaker = line.say(talk.id, f"#hold {talk.id} hello")
    letta.wait_until_held(talk.id)
    waiter = line.call("wait_for_reply", conversation_id=talk.id)

    line.take_back(speaker, STOP)
    line.take_back(waiter, STOP)
    letta.wait_until(lambda: stops(letta, talk))

    assert run_of(letta, talk).status == "cancelled"
