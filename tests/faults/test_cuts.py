"""Replies whose stream is cut: after every frame, and within every frame."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fake import Cut, Ending
from tests.faults.matrix import Case, Matrix, open_matrix
from tests.faults.shapes import (
    BROKEN_OFF,
    LIVE,
    LIVE_TOKENS,
    QUICK,
    REFUSED,
    SANDBOXED,
    STEPS,
    TOKENS,
    Shape,
)
from tests.faults.verdict import WHOLE
from tests.proxy import make_certificate
from tests.stack import Running

AT_ONCE = 8
"""Of those that mostly wait."""

pytestmark = [pytest.mark.anyio, pytest.mark.real_letta]

shapes = pytest.mark.parametrize("shape", QUICK, ids=str)
failures = pytest.mark.parametrize("shape", [REFUSED, BROKEN_OFF], ids=str)


@shapes
async def test_a_reply_cut_anywhere_comes_whole(matrix: Matrix, shape: Shape) -> None:
    """Ours: a stream without a stop reason is unfinished, and is picked up where it broke."""
    await matrix.must_hold(cuts(shape, await matrix.frames_of(shape), in_blank_lines=shape is STEPS))


@shapes
async def test_a_reply_cut_anywhere_comes_whole_without_redis(matrix_without_redis: Matrix, shape: Shape) -> None:
    """Letta's: a foreground run goes on without its client, and what it stored is all there is to read."""
    matrix = matrix_without_redis

    # Which word came last makes no difference to what is stored.
    await matrix.must_hold(cuts(shape, await matrix.frames_of(shape), in_frames=not shape.is_watched))


@pytest.mark.parametrize("shape", LIVE, ids=str)
async def test_a_reply_cut_anywhere_is_followed_on_while_the_agent_speaks(
    matrix: Matrix, matrix_without_redis: Matrix, shape: Shape
) -> None:
    """Letta's: the stream of a background run can be had again from any frame on; a foreground run is waited for."""
    for each in (matrix, matrix_without_redis):
        await each.must_hold(cuts(shape, await each.frames_of(shape)), at_once=AT_ONCE)

    assert matrix.proxy.requests_to("POST", "/v1/runs/*/stream")


@pytest.mark.parametrize(("shape", "ending"), [(TOKENS, Ending.RESET), (STEPS, Ending.OVER)], ids=str)
async def test_a_reply_that_ends_too_soon_comes_whole_however_it_ends(
    matrix: Matrix, shape: Shape, ending: Ending
) -> None:
    """HTTP's: a proxy may end an answer as if that were all, and a reset may swallow what came before it."""
    await matrix.must_hold(cuts(shape, await matrix.frames_of(shape), ending))


async def test_a_reply_cut_as_tls_must_not_be_comes_whole(
    real_letta: Running, agent_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TLS's: a connection that closes without a goodbye was cut off by somebody."""
    certificate = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.certificate))
    async with open_matrix(real_letta.base_url, agent_id, certificate=certificate) as matrix:
        await matrix.must_hold(cuts(TOKENS, await matrix.frames_of(TOKENS), Ending.DROP))


async def test_a_reply_that_is_cut_again_and_again_comes_whole(matrix: Matrix) -> None:
    """Ours: each time it is picked up after the last frame that came, so that every cut brings one more."""
    matrix.proxy.fail("POST", "/v1/runs/*/stream", Cut(1, 20), times=5)

    await matrix.must_hold([cut(LIVE_TOKENS, 1, 20, Ending.CUT)])

    assert len(matrix.proxy.requests_to("POST", "/v1/runs/*/stream")) > 1


async def test_a_reply_with_a_tool_of_the_agents_comes_whole(matrix: Matrix) -> None:
    """Letta's: such a tool takes seconds, in which the run goes on and only pings come."""
    sizes = await matrix.frames_of(SANDBOXED)
    before_its_end = next(number for number, size in enumerate(sizes) if number > 1 and size == sizes[0])

    await matrix.must_hold(cut(SANDBOXED, number, 20, Ending.CUT) for number in (2, before_its_end))


@failures
async def test_a_failure_cut_anywhere_is_told_as_one(matrix: Matrix, shape: Shape) -> None:
    """Letta's: of a failed first step nothing is stored, and sending again is safe."""
    await matrix.must_hold(cuts(shape, await matrix.frames_of(shape), in_frames=False), at_once=AT_ONCE)


@failures
async def test_a_failure_cut_anywhere_is_told_as_one_without_redis(
    short_waits: None, matrix_without_redis: Matrix, shape: Shape
) -> None:
    """Letta's: a foreground run is known again only by the message that it stored."""
    matrix = matrix_without_redis
    cases = cuts(shape, await matrix.frames_of(shape), in_frames=False)

    await matrix.must_hold(
        (case if _names_its_run(case) else replace(case, may_end=case.may_end | {"interrupted"}) for case in cases),
        at_once=AT_ONCE,
    )


def cuts(
    shape: Shape,
    sizes: Sequence[int],
    ending: Ending = Ending.CUT,
    *,
    in_frames: bool = True,
    in_blank_lines: bool = False,
) -> Iterator[Case]:
    """A case for every place: before a frame, in the middle of it, in its blank line; and after the last one."""
    for number, size in enumerate(sizes):
        yield cut(shape, number, 0, ending)
        if in_frames:
            yield cut(shape, number, size // 2, ending)
        if in_blank_lines:
            yield cut(shape, number, size - 1, ending)
    yield cut(shape, len(sizes) - 1, sizes[-1], ending)


def cut(shape: Shape, frames: int, into_bytes: int, ending: Ending) -> Case:
    name = f"{shape.name}: {ending.name} after {frames} frames and {into_bytes} bytes"
    may_end = frozenset({"failed"}) if shape.status == "failed" else WHOLE
    return Case(name, shape, (Cut(frames, into_bytes, ending),), may_end=may_end)


def _names_its_run(case: Case) -> bool:
    """Whether the first frame came, which does."""
    return any(isinstance(fault, Cut) and fault.after_frames > 0 for fault in case.faults)
