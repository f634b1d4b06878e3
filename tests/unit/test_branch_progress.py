"""What a host is told of several agents at once. Time is virtual here: nothing waits."""

from collections.abc import Callable, Coroutine
from itertools import pairwise
from typing import Any

import anyio
import pytest

from letta_conv_mcp.letta.events import Frame, Spoke
from letta_conv_mcp.tools.progress import HEARTBEAT_SECONDS, LINE_CHARS, PAUSE_SECONDS, branch_line, relay_branches
from letta_conv_mcp.turns.turn import Turn
from tests.unit.virtual_time import virtual_loop

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"loop_factory": virtual_loop}


def branches_of(count: int) -> list[tuple[str, Turn]]:
    turns = [Turn(f"conv-{number}", "hello") for number in range(count)]
    for turn in turns:
        turn.stage = "posted"
    return [(f"Agent {number}", turn) for number, turn in enumerate(turns)]


async def watched(
    branches: list[tuple[str, Turn]], happens: Callable[[], Coroutine[Any, Any, None]], seconds: float
) -> list[tuple[float, float, str]]:
    """The time, the number and the line of each report, while something happens."""
    reports: list[tuple[float, float, str]] = []
    begin = anyio.current_time()

    async def report(progress: float, total: float | None, message: str | None) -> None:
        assert total is None
        reports.append((anyio.current_time() - begin, progress, message or ""))

    async with anyio.create_task_group() as group:
        group.start_soon(happens)
        with anyio.move_on_after(seconds):
            await relay_branches(branches, report)
        group.cancel_scope.cancel()
    return reports


def say(turn: Turn, text: str) -> None:
    turn.add(Frame("run-1", None, (Spoke("a", text),)))


async def test_one_counter_rises_at_most_four_times_a_second_however_many_speak() -> None:
    branches = branches_of(8)

    async def speak() -> None:
        for number in range(1_000):
            for _, turn in branches:
                say(turn, f"{number} ")
            await anyio.sleep(0.01)

    reports = await watched(branches, speak, 10)

    assert [number for _, number, _ in reports] == list(range(1, len(reports) + 1))
    assert all(later - earlier >= PAUSE_SECONDS - 1e-6 for (earlier, *_), (later, *_) in pairwise(reports))
    assert len(reports) >= 10 / PAUSE_SECONDS - 1


async def test_each_has_its_turn_however_much_another_speaks() -> None:
    branches = branches_of(3)

    async def speak() -> None:
        for _ in range(1_000):
            say(branches[0][1], "on and on ")
            say(branches[1][1], "too ")
            await anyio.sleep(0.01)

    lines = [line.partition(":")[0] for *_, line in await watched(branches, speak, 5)]

    assert lines[-10:].count("Agent 0") == lines[-10:].count("Agent 1") == 5


async def test_a_silence_is_broken_by_a_sign_of_life_and_the_end_of_all_is_the_end() -> None:
    branches = branches_of(2)

    async def end() -> None:
        await anyio.sleep(35)
        for _, turn in branches:
            turn.settle("completed")

    reports = await watched(branches, end, 100)

    times = [at for at, *_ in reports]
    assert max(later - earlier for earlier, later in pairwise(times)) <= HEARTBEAT_SECONDS
    assert [line for *_, line in reports[-2:]] == ["Agent 0: completed", "Agent 1: completed"]
    assert times[-1] < 36


async def test_a_line_names_its_agent_and_stays_short() -> None:
    (_, turn), *_ = branches_of(1)
    say(turn, "word " * 100)

    line = branch_line("A very long name of an agent that nobody would give it, really", turn)

    assert line.startswith("A very long name of an agent that nobod…: …")
    assert line.endswith("word word")
    assert len(line) <= LINE_CHARS
