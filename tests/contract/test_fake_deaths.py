"""What becomes of turns when the server, its Redis or its PostgreSQL goes: the fake does what was seen of a real Letta.

Seen once and written down, not compared each time like the rest of the contract: it would take minutes of restarts.
"""

import contextlib
import threading
from collections.abc import Iterator

import httpx
import pytest

from tests.fake import Conversation, FakeLetta, Hang

DONE = "data: [DONE]\n\n"


@pytest.fixture
def letta() -> Iterator[FakeLetta]:
    with FakeLetta() as letta:
        yield letta


@pytest.fixture
def conversation(letta: FakeLetta) -> Conversation:
    return letta.add_conversation(letta.add_agent())


@pytest.fixture
def http(letta: FakeLetta) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=letta.base_url, timeout=5) as http:
        yield http


@pytest.mark.parametrize("background", [False, True])
def test_a_killed_letta_leaves_runs_that_run_for_ever(
    http: httpx.Client, letta: FakeLetta, conversation: Conversation, background: bool
) -> None:
    """Letta's: measured with SIGKILL in the middle of a turn, Redis alive."""
    path, got = f"/v1/conversations/{conversation.id}", list[str]()
    body = {**message("#hold here@1 one two", otid="one"), "stream_tokens": True, "background": background}
    with http.stream("POST", f"{path}/messages", json=body) as answer:
        letta.wait_until_held("here")
        letta.kill()
        with pytest.raises(httpx.RemoteProtocolError):
            got.extend(answer.iter_text())
    letta.release("here")
    run = letta.runs[0]

    refused = send(http, conversation, "next")
    shown = http.get(f"/v1/runs/{run.id}").json()
    replayed = replay_of(http, f"{path}/stream", {"otid": "one"})
    cancelled = http.post(f"/v1/agents/{run.agent_id}/messages/cancel", json={"run_ids": [run.id]})
    after = send(http, conversation, "next")

    assert "echo: " in "".join(got)
    assert (refused.status_code, refused.json()["run_id"]) == (409, run.id)
    assert (shown["status"], shown["stop_reason"], run.messages) == ("running", None, [])
    assert replayed == ("".join(got) if background else "")
    assert (cancelled.json(), after.status_code) == ({run.id: "cancelled"}, 200)


def test_a_killed_letta_answers_nobody_who_was_waiting(
    http: httpx.Client, letta: FakeLetta, conversation: Conversation
) -> None:
    """Letta's."""
    letta.fail("GET", "/v1/agents/", Hang())
    errors = list[Exception]()

    def ask() -> None:
        try:
            httpx.get(f"{letta.base_url}/v1/agents/", timeout=5)
        except httpx.HTTPError as error:
            errors.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    letta.wait_until(lambda: letta.requests)
    letta.kill()
    asking.join(5)

    assert [type(error) for error in errors] == [httpx.RemoteProtocolError]
    assert send(http, conversation, "hello").status_code == 200


def test_a_redis_that_restarts_forgets_which_otids_it_has_seen(
    http: httpx.Client, letta: FakeLetta, conversation: Conversation
) -> None:
    """Letta's: the one way in which a background send that is repeated is stored twice."""
    path = f"/v1/conversations/{conversation.id}/messages"
    body = {**message("#hold here once", otid="one"), "background": True}
    with http.stream("POST", path, json=body) as answer:
        letta.wait_until_held("here")
        letta.restart_redis()
        first = "".join(answer.iter_text())
    letta.release("here")

    second = http.post(path, json=body).text
    letta.wait_until(lambda: all(run.is_over for run in letta.runs))
    replayed = replay_of(http, f"/v1/runs/{letta.runs[0].id}/stream", {})

    assert ("ping" in first, "stop_reason" in first, "stop_reason" in second) == (True, False, True)
    assert [run.status for run in letta.runs] == ["completed", "completed"]
    assert [it.entries[0]["otid"] for it in conversation.thread.messages if it.role == "user"] == ["one", "one"]
    assert ("ping" in replayed, replayed.endswith(DONE)) == (False, True)


def test_a_redis_that_is_missed_takes_the_background_turns_with_it(
    http: httpx.Client, letta: FakeLetta, conversation: Conversation
) -> None:
    """Letta's: a frame that can't be written ends such a turn, and nobody notes it on the run."""
    path = f"/v1/conversations/{conversation.id}/messages"
    with http.stream("POST", path, json={"input": "#hold here lost", "background": True}) as answer:
        letta.wait_until_held("here")
        letta.restart_redis(with_runs=True)
        text = "".join(answer.iter_text())
    letta.release("here")

    after = send(http, conversation, "next")

    assert ("stop_reason" in text, letta.runs[0].status, letta.runs[0].messages) == (False, "running", [])
    assert after.text.endswith(DONE)


@pytest.mark.parametrize("background", [False, True])
def test_a_reply_that_could_not_be_stored_was_shown_all_the_same(
    http: httpx.Client, letta: FakeLetta, conversation: Conversation, background: bool
) -> None:
    """Letta's: measured with PostgreSQL stopped while the model talked."""
    letta.lose_database()

    told = send(http, conversation, "hello", stream_tokens=True, background=background).text
    after = send(http, conversation, "next")

    *_, stop, error = told.split("\n\n")[:-1]
    assert ("echo: " in told, stop) == (True, 'data: {"message_type":"stop_reason","stop_reason":"end_turn"}')
    assert error.startswith("event: error")
    assert (letta.runs[0].status, letta.runs[0].stop_reason, letta.runs[0].messages) == ("running", None, [])
    # Only a background turn frees its conversation.
    assert after.status_code == (200 if background else 409)


def test_a_letta_can_lose_its_redis_for_good(http: httpx.Client, letta: FakeLetta, conversation: Conversation) -> None:
    """Letta's: one that starts before Redis does without it until its next start."""
    before = send(http, conversation, "x", background=True)
    letta.store.has_redis = False
    after = send(http, conversation, "x", background=True)

    assert (before.status_code, after.status_code) == (200, 503)


def message(text: str, *, otid: str) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": text, "otid": otid}]}


def replay_of(http: httpx.Client, path: str, body: dict[str, object]) -> str:
    """What is heard of a run that was begun before, until nothing more comes."""
    got = list[str]()
    with contextlib.suppress(httpx.ReadTimeout), http.stream("POST", path, json=body, timeout=0.2) as answer:
        got.extend(answer.iter_text())
    return "".join(got)


def send(http: httpx.Client, conversation: Conversation, text: str, **more: object) -> httpx.Response:
    return http.post(f"/v1/conversations/{conversation.id}/messages", json={"input": text, **more})
