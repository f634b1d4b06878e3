"""What is kept of the frames that cancel a call. Lines in, reasons out."""

import json
from typing import Any

import pytest

from letta_conv_mcp.cancels import KEPT, REASON_CHARS, Cancels, is_time_out
from tests.integration.reasons import STOPS, TIME_OUTS


def frame(params: object, method: str = "notifications/cancelled") -> str:
    return json.dumps({"jsonrpc": "2.0", "method": method, "params": params}) + "\n"


def reason_in(line: str, request_id: str = "7") -> str | None:
    cancels = Cancels()
    cancels.read(line)
    return cancels.take(request_id)


@pytest.mark.parametrize("reason", TIME_OUTS.values(), ids=TIME_OUTS.keys())
def test_a_time_out_is_known_by_its_words_in_every_sdk(reason: str) -> None:
    assert is_time_out(reason)


@pytest.mark.parametrize("reason", STOPS.values(), ids=STOPS.keys())
def test_a_persons_wish_is_not_taken_for_a_time_out(reason: str | None) -> None:
    assert not is_time_out(reason or "")


@pytest.mark.parametrize(
    "reason",
    ["timeout", "TIMEOUT", "Time-out", "time out", "timed_out", "REQUEST_TIMED_OUT", "Timing out", "times out"],
)
def test_however_it_is_written(reason: str) -> None:
    assert is_time_out(reason)


@pytest.mark.parametrize("reason", ["time flies, out with it", "no time", "outtime", "the user went out", ""])
def test_not_everything_with_time_in_it_is_a_time_out(reason: str) -> None:
    assert not is_time_out(reason)


@pytest.mark.parametrize("request_id", [7, "7"])
def test_a_request_is_known_by_its_id_be_it_a_number_or_a_string(request_id: int | str) -> None:
    """The SDK's: both are one request to it, and it shows a tool the string."""
    assert reason_in(frame({"requestId": request_id, "reason": "enough"})) == "enough"


def test_an_id_that_is_no_number_is_kept_as_it_is() -> None:
    assert reason_in(frame({"requestId": "a/b ü", "reason": "enough"}), "a/b ü") == "enough"


def test_the_first_request_of_a_connection_may_be_number_0() -> None:
    assert reason_in(frame({"requestId": 0, "reason": "enough"}), "0") == "enough"


@pytest.mark.parametrize(
    "params", [{}, {"reason": None}, {"reason": ""}, {"reason": 7}, {"reason": {"timeout": 1}}, {"reason": ["timeout"]}]
)
def test_a_reason_without_words_is_a_cancel_all_the_same(params: dict[str, Any]) -> None:
    """MCP: the reason is optional, and a string."""
    assert reason_in(frame({"requestId": 7, **params})) == ""


def test_more_that_stands_in_the_frame_is_no_matter() -> None:
    """2026-07-28 adds `_meta`, and a person's reason may quote a frame."""
    quoted = frame({"requestId": 8, "reason": "inner"})
    cancels = Cancels()

    cancels.read(frame({"_meta": {"requestId": 9}, "requestId": 7, "reason": quoted}))

    assert (cancels.take("7"), cancels.take("8"), cancels.take("9")) == (quoted, None, None)


def test_a_slash_may_be_written_as_json_allows_for_it() -> None:
    """Swift's encoder writes it so unless it is told not to."""
    line = frame({"requestId": 7, "reason": "enough"}).replace("notifications/", r"notifications\/")

    assert reason_in(line) == "enough"


@pytest.mark.parametrize(
    "line",
    [
        "",
        "\n",
        "notifications/cancelled",
        '"notifications/cancelled"',
        '["notifications/cancelled", {"requestId": 7}]',
        '{"method": "notifications/cancelled", "params": {"requestId": 7',
        '{"method": "notifications/cancelled"}',
        frame(None),
        frame([7, "enough"]),
        frame({}),
        frame({"requestId": None}),
        frame({"requestId": [7]}),
        frame({"requestId": {"id": 7}}),
        frame({"requestId": 7}, method="notifications/progress_cancelled"),
        frame(
            {"name": "send_message", "arguments": {"message": "notifications/cancelled", "requestId": 7}}, "tools/call"
        ),
        '{"method": "notifications/cancelled", "params": ' + '{"params": ' * 5 + '{"requestId": 7}' + "}" * 6,
        frame({"requestId": "X"}).replace('"X"', "[" * 500 + "]" * 500),
        frame({"requestId": "X"}).replace('"X"', "[" * 50_000),
        frame({"requestId": "X"}).replace('"X"', "[" * 50_000 + "]" * 50_000),
        frame({"requestId": "X"}).replace('"X"', "7" * 5_000),
        frame({"requestId": "\ufffd\x00"}),
    ],
)
def test_what_is_no_cancel_of_the_request_says_nothing_of_it(line: str) -> None:
    """Ours: whether a frame is valid is the SDK's business, and none may hurt the reader of the line."""
    assert reason_in(line) is None


def test_a_reason_is_told_once() -> None:
    cancels = Cancels()
    cancels.note("7", "enough")

    assert (cancels.take("7"), cancels.take("7")) == ("enough", None)


def test_of_two_reasons_the_first_is_why_the_call_ended() -> None:
    """A call that has run out of time is often aborted afterwards, to clean up."""
    cancels = Cancels()

    cancels.note("7", "Request timed out")
    cancels.note("7", "AbortError: This operation was aborted")

    assert cancels.take("7") == "Request timed out"


def test_only_the_latest_cancels_are_kept_and_of_long_reasons_the_beginning() -> None:
    """Hosts also cancel what is over, and nobody will ever ask why."""
    cancels = Cancels()

    for number in range(KEPT + 5):
        cancels.note(str(number), f"{number} " + "x" * 10 * REASON_CHARS)

    kept = [reason for number in range(KEPT + 5) if (reason := cancels.take(str(number))) is not None]
    assert len(kept) == KEPT
    assert kept[0].startswith("5 ")
    assert {len(reason) for reason in kept} == {REASON_CHARS}
