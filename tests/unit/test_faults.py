"""Faults of time and of endings, played by the gate before the fake Letta."""

import time
from collections.abc import Iterator

import httpx
import pytest

from tests.fake import Answer, Conversation, Cut, Drip, Ending, FakeLetta, Fault, InPieces, Late, Stall, StallUntil

SENDS = "*/messages"
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


def send(http: httpx.Client, conversation: Conversation, text: str = "hello") -> httpx.Response:
    return http.post(f"/v1/conversations/{conversation.id}/messages", json={"input": text})


@pytest.mark.parametrize(
    ("ending", "error"),
    [
        (Ending.CUT, httpx.RemoteProtocolError),
        (Ending.DROP, httpx.RemoteProtocolError),
        (Ending.RESET, httpx.ReadError),
        (Ending.OVER, None),
    ],
)
def test_a_stream_ends_too_soon_in_the_way_that_was_asked_for(
    http: httpx.Client, letta: FakeLetta, conversation: Conversation, ending: Ending, error: type[Exception] | None
) -> None:
    """HTTP's: only the answer's own end is one."""
    letta.fail("POST", SENDS, Cut(1, 5, ending))
    raised, got = None, b""

    try:
        with http.stream("POST", f"/v1/conversations/{conversation.id}/messages", json={"input": "hello"}) as answer:
            for raw in answer.iter_raw():
                got += raw
    except httpx.HTTPError as problem:
        raised = type(problem)

    assert raised is error
    # A reset may swallow what it follows.
    assert b"[DONE]" not in got
    assert ending is Ending.RESET or got.endswith(b"\n\ndata:")


@pytest.mark.parametrize("fault", [Stall(0.2), Stall(0.2, after_frames=0), Drip(0.04), (InPieces(100), Drip(0.02))])
def test_a_slow_stream_is_the_same_stream(
    http: httpx.Client, letta: FakeLetta, conversation: Conversation, fault: Fault | tuple[Fault, ...]
) -> None:
    letta.fail("POST", SENDS, *(fault if isinstance(fault, tuple) else (fault,)))

    started = time.monotonic()
    text = send(http, conversation).text
    took = time.monotonic() - started

    assert took >= 0.2
    assert text.count("\n\n") == 5
    assert text.endswith(DONE)


def test_a_stream_stands_still_until_it_is_released(
    http: httpx.Client, letta: FakeLetta, conversation: Conversation
) -> None:
    letta.fail("POST", SENDS, StallUntil("go on", after_frames=2))

    with http.stream("POST", f"/v1/conversations/{conversation.id}/messages", json={"input": "hello"}) as answer:
        raw = answer.iter_raw()
        first = next(raw) + next(raw)
        letta.wait_until_held("go on")
        letta.release("go on")
        rest = b"".join(raw)

    assert b"[DONE]" not in first
    assert (first + rest).endswith(DONE.encode())


@pytest.mark.parametrize("by_reset", [False, True])
def test_a_request_comes_late_when_its_client_has_long_gone(
    http: httpx.Client, letta: FakeLetta, conversation: Conversation, by_reset: bool
) -> None:
    """Letta's: a send that was cut off shows up all the same."""
    letta.fail("POST", SENDS, Late(0.2, by_reset))

    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        send(http, conversation, "late")
    before = len(letta.runs)
    letta.wait_until_idle()

    assert before == 0
    assert [message.text for message in conversation.thread.messages[1:]] == ["late", "echo: late"]
    assert letta.requests[0].state == "abandoned"


def test_an_answer_can_be_replaced_when_letta_has_done_what_was_asked(
    http: httpx.Client, letta: FakeLetta, conversation: Conversation
) -> None:
    letta.fail("POST", SENDS, Answer(502, b"<html>", is_received=True))

    answer = send(http, conversation, "done")
    letta.wait_until(lambda: letta.runs and not letta.runs[0].is_active)

    assert (answer.status_code, answer.content) == (502, b"<html>")
    assert [message.text for message in conversation.thread.messages[1:]] == ["done", "echo: done"]


def test_a_fault_that_nobody_met_is_known(http: httpx.Client, letta: FakeLetta, conversation: Conversation) -> None:
    """Ours: a test of a fault that didn't happen would prove nothing."""
    letta.fail("POST", SENDS, Cut(9))
    unmet = letta.fail("GET", "/v1/agents/", Answer(500, {}))

    send(http, conversation)

    assert letta.unmet == [unmet]


def test_the_frames_of_an_answer_are_measured_before_anything_happens_to_them(
    http: httpx.Client, letta: FakeLetta, conversation: Conversation
) -> None:
    letta.fail("POST", SENDS, InPieces(7))

    text = send(http, conversation).text

    assert letta.requests[0].frames == [len(frame) + 2 for frame in text.split("\n\n")[:-1]]
