"""Replies whose stream is disturbed, and streams that are disturbed again when they are picked up."""

from collections.abc import Iterator

import pytest

from tests.fake import (
    Answer,
    Close,
    Cut,
    Drip,
    Ending,
    Fault,
    Garbage,
    Hang,
    InPieces,
    LoseBlankLine,
    Stall,
    StallUntil,
    StayOpen,
    Twice,
    Without,
)
from tests.faults.matrix import Case, Matrix, sends_to
from tests.faults.shapes import APPROVAL_TOKENS, REASONING, SLOW_TOKENS, STEPS, TOKENS, TOOL_STEPS, Shape
from tests.faults.verdict import WHOLE

pytestmark = [pytest.mark.anyio, pytest.mark.real_letta]

AT_ONCE = 8
ERROR = (
    b'event: error\ndata: {"message_type":"error_message","run_id":null,"error_type":"internal_error",'
    b'"message":"An error occurred","detail":"a proxy broke","seq_id":null}\n\n'
)
BARE_ERROR = b'data: {"error":{"message":"An error occurred","detail":"a proxy broke"}}\n\n'
DISTURBED: dict[str, tuple[Fault, ...]] = {
    "a stall": (Stall(1.5, after_frames=2),),
    "a stall that outlasts our patience": (Stall(5, after_frames=2),),
    "a stall before the end": (Stall(5, after_frames=3),),
    "a slow drip": (Drip(0.15),),
    "a slow drip of bytes": (InPieces(90), Drip(0.01)),
    "bytes torn apart": (InPieces(7),),
    "a line of garbage": (Garbage(b"garbage\n", after_frames=2),),
    "binary garbage": (Garbage(b"\x00\xff\xfe\n\n", after_frames=1),),
    "a comment": (Garbage(b": still here\n\n", after_frames=2),),
    "a frame that isn't JSON": (Garbage(b"data: {broken\n\n", after_frames=2),),
    "a frame that isn't JSON, first": (Garbage(b"data: {broken\n\n"),),
    "frames that say nothing": (Garbage(b'data: null\n\ndata: []\n\ndata: "x"\n\n', after_frames=1),),
    "an event of another kind": (Garbage(b"event: message\ndata: {}\n\n", after_frames=1),),
    "an error frame": (Garbage(ERROR, after_frames=2),),
    "an error frame, in tokens": (Garbage(ERROR, after_frames=3),),
    "a bare error": (Garbage(BARE_ERROR, after_frames=2),),
    "a stream left open after its stop reason": (StayOpen(),),
    "a stream left open after its first frame": (StayOpen(after=b'"ping"'),),
    "no blank line after the last frame": (LoseBlankLine(),),
    "no stop reason": (Without(b"stop_reason"),),
    "no end": (Without(b"[DONE]"),),
    "an end at once": (Cut(0, ending=Ending.OVER),),
}
ODD_ANSWERS: dict[str, Fault] = {
    "500": Answer(500, {}),
    "429": Answer(429, {}, {"retry-after": "1"}),
    "502 with a page": Answer(502, b"<html>", {"content-type": "text/html"}),
    "503": Answer(503, {}),
    "200 with a page": Answer(200, b"<html>", {"content-type": "text/html"}),
    "a closed connection": Close(is_received=True),
    "a reset": Close(by_reset=True),
    "silence": Hang(),
    "half an answer": Cut(0, 20),
}


@pytest.fixture(autouse=True)
def _(short_waits: None) -> None:
    """Before the matrix is set up, whose first message makes the connection."""


async def test_a_disturbed_stream_brings_the_whole_reply(matrix: Matrix) -> None:
    await matrix.must_hold(_disturbed(), at_once=AT_ONCE)


async def test_a_disturbed_stream_brings_the_whole_reply_without_redis(matrix_without_redis: Matrix) -> None:
    await matrix_without_redis.must_hold(_disturbed(), at_once=AT_ONCE)


@pytest.mark.parametrize("shape", [TOKENS, STEPS, REASONING, TOOL_STEPS, APPROVAL_TOKENS], ids=str)
async def test_frames_that_come_twice_count_once(matrix: Matrix, shape: Shape) -> None:
    """Letta's: the frames of a background run are numbered."""
    await matrix.must_hold([Case(f"{shape.name}: every frame twice", shape, (Twice(),))])


async def test_an_error_before_the_run_is_named_leaves_it_open_what_became_of_the_message(
    matrix: Matrix, matrix_without_redis: Matrix
) -> None:
    """Ours: an error that isn't the run's own proves nothing about the run."""
    for each in (matrix, matrix_without_redis):
        await each.must_hold(
            [Case("an error frame, first", TOKENS, (Garbage(ERROR),), may_end=WHOLE | {"interrupted"})]
        )


async def test_a_frame_that_is_lost_on_the_way_is_missed(matrix: Matrix) -> None:
    """Letta's: the numbers of the frames show that one is missing."""
    await matrix.must_hold([Case("a frame lost", TOKENS, (Without(b'"seq_id":3,'),))])


@pytest.mark.parametrize("path", ["run-*", "*/stream"])
async def test_a_reply_that_is_hard_to_pick_up_comes_whole(matrix: Matrix, path: str) -> None:
    """Ours: a read changes nothing, so it is tried again."""
    await matrix.must_hold(_cut_and_disturbed(SLOW_TOKENS, path), at_once=AT_ONCE)

    assert matrix.proxy.unmet == []


@pytest.mark.parametrize("path", ["run-*", "*/messages"])
async def test_a_reply_that_is_hard_to_read_comes_whole_without_redis(matrix_without_redis: Matrix, path: str) -> None:
    await matrix_without_redis.must_hold(_cut_and_disturbed(TOKENS, path), at_once=AT_ONCE)

    assert matrix_without_redis.proxy.unmet == []


async def test_a_stream_that_stands_still_is_a_running_reply_until_it_goes_on(matrix: Matrix) -> None:
    """Ours: what was said so far is shown; nothing is sent again."""
    conversation_id = await matrix.letta.new_conversation(matrix.agent_id)
    matrix.proxy.fail("POST", sends_to(conversation_id), StallUntil("go on", after_frames=3))
    shape = TOKENS.marked("m1")

    before = await matrix.say(shape, conversation_id, wait_seconds=1)
    await matrix.letta.runs_at_rest(conversation_id)
    matrix.proxy.release("go on")
    after = await matrix.ask(conversation_id)
    truth = await matrix.letta.truth(conversation_id, "m1")

    assert (before.status, before.text) == ("running", "echo: one ")
    assert (after.status, after.text, truth.times) == ("completed", "echo: one m1 three", 1)


def _disturbed() -> Iterator[Case]:
    for (name, faults), shape in zip(DISTURBED.items(), (TOKENS, STEPS) * len(DISTURBED), strict=False):
        yield Case(f"{shape.name}: {name}", shape, faults)


def _cut_and_disturbed(shape: Shape, path: str) -> Iterator[Case]:
    for name, fault in ODD_ANSWERS.items():
        yield Case(f"{shape.name}: cut, then {name} at {path}", shape, (Cut(3, 20),), reads=((path, fault),))
