"""Sends that are answered with an error, or not at all, whether Letta had the message by then or not."""

from collections.abc import Iterator

import pytest

from tests.fake import Answer, Close, Fault, Hang, Late
from tests.faults.matrix import Case, Matrix
from tests.faults.shapes import APPROVAL_STEPS, STEPS, TOKENS
from tests.faults.verdict import WHOLE

pytestmark = [pytest.mark.anyio, pytest.mark.real_letta]

PAGE = {"content-type": "text/html"}
AT_ONCE = 8
"""Most of these wait for something."""
INTERRUPTED = frozenset({"interrupted"})
UNCLEAR = "may have been received"

REFUSED: dict[str, Fault] = {
    "429, in a second": Answer(429, {"detail": "slow down"}, {"retry-after": "1"}),
    "429": Answer(429, {"detail": "slow down"}),
    "503 that says it was not admitted": Answer(
        503, {"errorCode": "cloud_api_shutting_down", "admitted": False, "retryable": True}, {"retry-after": "1"}
    ),
    "409 of a run that has ended": Answer(
        409, {"detail": "CONFLICT: busy", "run_id": "run-00000000-0000-4000-8000-000000000000"}
    ),
}
"""Answers by which Letta surely has not taken the message."""
BROKEN: dict[str, tuple[Fault, Fault]] = {
    "500": (Answer(500, {"detail": "oops"}), Answer(500, {"detail": "oops"}, is_received=True)),
    "502 with a page": (Answer(502, b"<html>", PAGE), Answer(502, b"<html>", PAGE, is_received=True)),
    "503": (Answer(503, {"detail": "later"}), Answer(503, {"detail": "later"}, is_received=True)),
    "504": (Answer(504, b""), Answer(504, b"", is_received=True)),
    "200 with a page": (Answer(200, b"<html>", PAGE), Answer(200, b"<html>", PAGE, is_received=True)),
    "a closed connection": (Close(), Close(is_received=True)),
    "a reset": (Close(by_reset=True), Close(is_received=True, by_reset=True)),
    "silence": (Hang(), Hang(is_received=True)),
}
"""Answers that leave it open: each with a message that never came to Letta, and with one that did."""
LATE: dict[str, Fault] = {"half a second late": Late(0.5), "a second late": Late(1.0, by_reset=True)}


@pytest.fixture(autouse=True)
def _(short_waits: None) -> None:
    """Before the matrix is set up, whose first message makes the connection."""


async def test_what_was_refused_goes_again(matrix: Matrix) -> None:
    """Letta's: it says so where it has not taken a message."""
    await matrix.must_hold(_each("refused with", REFUSED))


async def test_what_was_refused_goes_again_without_redis(matrix_without_redis: Matrix) -> None:
    """Ours: a foreground send is never repeated, save when it was surely not taken."""
    await matrix_without_redis.must_hold(_each("refused with", REFUSED))


async def test_a_message_of_unknown_fate_is_sent_until_it_is_answered(matrix: Matrix) -> None:
    """Letta's: a background send with the same otid leads to the one run, however often and whenever it comes."""
    cases = [*_broken(0, "not received"), *_broken(1, "received"), *_each("received", LATE)]

    await matrix.must_hold(cases, at_once=AT_ONCE)


async def test_a_message_of_unknown_fate_is_looked_for_without_redis(matrix_without_redis: Matrix) -> None:
    """Ours: sent twice in the foreground it would be there twice. What can't be found may have been received."""
    cases = [
        *_broken(0, "not received", may_end=INTERRUPTED, says=UNCLEAR),
        *_broken(1, "received"),
        *_each("received", LATE),
    ]

    await matrix_without_redis.must_hold(cases, at_once=AT_ONCE)


async def test_a_message_that_gets_no_answer_for_long_is_told_to_be_perhaps_received(matrix: Matrix) -> None:
    """Ours: sending goes on for a bounded time, and ever more slowly."""
    before = len(matrix.proxy.requests)
    never = (Answer(500, {}),) * 100

    await matrix.must_hold([Case("500 for ever", STEPS, never[:1], never[1:], may_end=INTERRUPTED, says=UNCLEAR)])

    assert len(matrix.proxy.requests) - before < 30


async def test_several_troubles_one_after_the_other_bring_one_message(matrix: Matrix) -> None:
    received = Close(is_received=True)
    cases = [
        Case("resets", TOKENS, (Close(by_reset=True),), (Close(by_reset=True), Close(is_received=True, by_reset=True))),
        Case("received, then refused", STEPS, (received,), (Answer(429, {}, {"retry-after": "1"}), Answer(502, b""))),
        Case("refused, then received", TOKENS, (REFUSED["429"],), (received, received)),
        Case("late, and a reset before", STEPS, (Close(by_reset=True),), (Late(0.7), Close())),
        Case("late twice", TOKENS, (Late(0.5),), (Late(1.0),)),
    ]

    await matrix.must_hold(cases, at_once=AT_ONCE)


async def test_an_approval_asked_for_in_a_lost_answer_is_found(matrix: Matrix, matrix_without_redis: Matrix) -> None:
    """Ours: it would block the conversation for ever."""
    for each in (matrix, matrix_without_redis):
        await each.must_hold([Case("approval in a lost answer", APPROVAL_STEPS, (Close(is_received=True),))])


@pytest.mark.parametrize(
    "answer",
    [
        Answer(402, {}),
        Answer(429, {"reasons": ["premium-usage-exceeded"]}, {"retry-after": "1"}),
        Answer(429, {"detail": "You are out of credits"}),
    ],
)
async def test_a_quota_is_no_reason_to_wait(matrix: Matrix, matrix_without_redis: Matrix, answer: Fault) -> None:
    """Letta Code's: a 429 that speaks of a quota is never tried again."""
    for each in (matrix, matrix_without_redis):
        await each.must_hold([Case("a quota", STEPS, (answer,), may_end=frozenset({"error"}), says="out of credits")])


def _each(name: str, faults: dict[str, Fault]) -> Iterator[Case]:
    for (of, fault), shape in zip(faults.items(), (TOKENS, STEPS) * len(faults), strict=False):
        yield Case(f"{name} {of}, {shape.name}", shape, (fault,))


def _broken(at: int, name: str, *, may_end: frozenset[str] = WHOLE, says: str = "") -> Iterator[Case]:
    for (of, faults), shape in zip(BROKEN.items(), (TOKENS, STEPS) * len(BROKEN), strict=False):
        yield Case(f"{of}, {name}, {shape.name}", shape, (faults[at],), may_end=may_end, says=says)
