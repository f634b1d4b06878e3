"""What a host is told while an agent works, and how often. Time is virtual here: nothing waits."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from letta_conv_mcp.letta.events import (
    AskedApproval,
    CalledTool,
    Counted,
    Event,
    Failed,
    Frame,
    Heard,
    Spoke,
    Stopped,
    Thought,
    ToolReturned,
)
from letta_conv_mcp.tools.progress import (
    HEARTBEAT_SECONDS,
    LINE_CHARS,
    PAUSE_SECONDS,
    is_deed,
    progress_line,
    relay_progress,
)
from letta_conv_mcp.turns.turn import Turn
from tests.unit.virtual_time import virtual_loop

pytestmark = pytest.mark.anyio

WORDS = Spoke("a", "It is fifty.")
CALL = CalledTool("call_1", "add_up", "{}")


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"loop_factory": virtual_loop}


def turn_with(*events: Event) -> Turn:
    turn = Turn("conv-1", "hello")
    turn.stage = "posted"
    for event in events:
        turn.add(Frame("run-1", None, (event,)))
    return turn


async def watched(
    turn: Turn, happens: Callable[[], Any], seconds: float, *, slowness: float = 0
) -> list[tuple[float, float, str]]:
    """The time, the number and the line of each report, while something happens to a turn.

    Args:
        turn: the turn to watch.
        happens: what happens to it.
        seconds: how long to watch.
        slowness: how long a host takes for each report, in seconds.
    """
    reports: list[tuple[float, float, str]] = []
    begin = anyio.current_time()

    async def report(progress: float, total: float | None, message: str | None) -> None:
        assert total is None
        assert message is not None
        reports.append((anyio.current_time() - begin, progress, message))
        await anyio.sleep(slowness)

    async with anyio.create_task_group() as group:
        group.start_soon(relay_progress, turn, report)
        group.start_soon(happens)
        await anyio.sleep(seconds)
        group.cancel_scope.cancel()
    return reports


async def nothing() -> None:
    """A silence."""


async def add_after(turn: Turn, seconds: float, event: Event) -> None:
    await anyio.sleep(seconds)
    turn.add(Frame("run-1", None, (event,)))


def gaps_of(reports: list[tuple[float, float, str]]) -> list[float]:
    return [later - earlier for (earlier, _, _), (later, _, _) in pairwise(reports)]


@pytest.mark.parametrize(
    ("events", "line"),
    [
        ([Thought("t", "hm")], "thinking …"),
        ([WORDS], "It is fifty."),
        ([Spoke("a", "one"), Spoke("b", "two")], "one two"),
        ([Spoke("a", "several\n\n  lines\tof text")], "several lines of text"),
        ([CALL], "calling add_up"),
        ([CALL, CalledTool("call_1", "", '{"a": 1}')], "calling add_up"),
        ([CALL, ToolReturned("call_1", "add_up", "success", "5")], "called add_up"),
        ([CALL, ToolReturned("call_1", "add_up", "error", "boom")], "called add_up"),
        ([CALL, ToolReturned("call_1", "", "success", "5")], "called add_up"),
        ([ToolReturned("call_1", "add_up", "success", "5")], "called add_up"),
        ([Spoke("a", " \n")], "the agent has the message"),
        ([Spoke("a", " \n"), CALL], "calling add_up"),
        ([Spoke("a", " \n"), Spoke("b", "one")], "one"),
        ([AskedApproval("call_1", "drop", "{}", None)], "asking to run drop"),
        ([WORDS, CALL], "calling add_up"),
        ([CALL, WORDS], "It is fifty."),
        ([WORDS, Stopped("end_turn"), Counted(1, 1, 2, 1)], "It is fifty."),
        ([Heard("hello")], "the agent has the message"),
        ([Failed("llm_error")], "the agent has the message"),
    ],
)
async def test_a_line_tells_what_the_agent_says_or_does_now(events: list[Event], line: str) -> None:
    """Ours: a host shows the message of a progress notification in one line."""
    assert progress_line(turn_with(*events)) == line


async def test_a_line_before_any_word_tells_how_far_the_message_is() -> None:
    second, third, held, next_one = (Turn("conv-1", "hello") for _ in range(4))
    second.ahead, third.ahead = 1, 2
    held.move("held", holder="run-2")
    sending, arrived = turn_with(), turn_with()
    arrived.add(Frame("run-1", 1))

    assert [progress_line(turn) for turn in (second, third, held, next_one, sending, arrived)] == [
        "waiting for 1 earlier message in this conversation",
        "waiting for 2 earlier messages in this conversation",
        "waiting for another client's run to end",
        "waiting for Letta to take the message",
        "sending the message",
        "the agent has the message",
    ]


async def test_a_turn_that_is_only_followed_is_never_said_to_wait() -> None:
    turn = Turn("conv-1")
    turn.draft.run_id = "run-1"

    assert progress_line(turn) == "the agent has the message"


async def test_a_tool_whose_name_is_unknown_is_still_a_tool() -> None:
    """Letta: after an approval the answering run holds the tool's return and no call."""
    assert progress_line(turn_with(ToolReturned("call_1", "", "success", "5"))) == "called a tool"


@pytest.mark.parametrize("chars", [LINE_CHARS - 1, LINE_CHARS, LINE_CHARS + 1, 5_000])
async def test_a_long_text_shows_its_end(chars: int) -> None:
    """Claude Code cuts a progress message at 200 characters, from the right."""
    text = ("0123456789" * 500)[:chars]

    line = progress_line(turn_with(Spoke("a", text)))

    assert line == (text if chars <= LINE_CHARS else "…" + text[-(LINE_CHARS - 1) :])


@given(
    st.lists(
        st.one_of(
            st.builds(Spoke, st.sampled_from("ab"), st.text(max_size=150)),
            st.builds(Thought, st.sampled_from("tu"), st.text(max_size=20)),
            st.builds(CalledTool, st.sampled_from("xy"), st.just("add_up"), st.text(max_size=20)),
        ),
        max_size=8,
    )
)
def test_a_line_is_one_line_of_two_hundred_characters_at_most(events: list[Event]) -> None:
    async def line_of_turn() -> str:
        return progress_line(turn_with(*events))

    line = anyio.run(line_of_turn)

    assert len(line) <= LINE_CHARS
    assert len(line.splitlines()) <= 1


async def test_deeds_are_told_from_words() -> None:
    turns = [Turn("conv-1", "hello"), turn_with(), turn_with(Thought("t", "hm")), turn_with(CALL)]

    assert [is_deed(progress_line(turn)) for turn in turns] == [True] * 4
    assert not is_deed(progress_line(turn_with(WORDS)))
    assert not is_deed(progress_line(turn_with(Spoke("a", "x" * 300))))


async def test_progress_is_told_four_times_a_second_at_most() -> None:
    """Ours: an agent streams a hundred pieces a second."""
    turn = turn_with()

    async def talk() -> None:
        for number in range(500):
            turn.add(Frame("run-1", None, (Spoke("a", f"{number} "),)))
            await anyio.sleep(0.01)

    reports = await watched(turn, talk, 5)

    assert min(gaps_of(reports)) >= PAUSE_SECONDS - 1e-6
    assert 19 <= len(reports) <= 21


@pytest.mark.parametrize(("events", "count"), [([], 6), ([WORDS], 7)])
async def test_a_silence_is_broken_by_a_sign_of_life_every_ten_seconds(events: list[Event], count: int) -> None:
    """Ours: some hosts restart their time-out with each notification. What happened before is told at once."""
    reports = await watched(turn_with(*events), nothing, 65)

    times = [0.0, *(time for time, _, _ in reports)]
    assert max(later - earlier for earlier, later in pairwise(times)) <= HEARTBEAT_SECONDS + 1e-6
    assert len(reports) == count


async def test_numbers_rise_with_each_report_and_there_is_no_total() -> None:
    """MCP: progress must increase with each notification."""
    turn = turn_with()

    async def talk() -> None:
        for _ in range(30):
            turn.add(Frame("run-1", None, (WORDS,)))
            await anyio.sleep(1.7)

    numbers = [number for _, number, _ in await watched(turn, talk, 60)]

    assert len(numbers) > 25
    assert numbers == sorted(set(numbers))


async def test_something_that_happens_is_told_at_once() -> None:
    turn = turn_with()

    async def speak_late() -> None:
        await anyio.sleep(3)
        turn.add(Frame("run-1", None, (WORDS,)))

    reports = await watched(turn, speak_late, 5)

    assert [(round(time, 3), line) for time, _, line in reports] == [(3.0, "It is fifty.")]


async def test_something_that_happens_right_after_a_report_is_told_after_the_pause() -> None:
    """Ours: the last words before an agent falls silent are not held back until the next sign of life."""
    turn = turn_with()

    async def speak_twice() -> None:
        await anyio.sleep(1)
        turn.add(Frame("run-1", None, (Spoke("a", "One moment"),)))
        await anyio.sleep(PAUSE_SECONDS / 2)
        turn.add(Frame("run-1", None, (Spoke("a", " please."),)))

    reports = await watched(turn, speak_twice, 5)

    assert [(round(time, 3), line) for time, _, line in reports] == [
        (1.0, "One moment"),
        (1.0 + PAUSE_SECONDS, "One moment please."),
    ]


async def test_news_that_came_between_two_looks_is_not_waited_for() -> None:
    """Ours: a watcher says how many changes it has seen, so that it misses none while it does something else."""
    turn = turn_with()
    turn.add(Frame("run-1", None, (WORDS,)))
    turn.add(Frame("run-1", None, (WORDS,)))

    with anyio.fail_after(0):
        looks = [await turn.news(0), await turn.news(1)]

    assert looks == [2, 2]


async def test_news_is_waited_for_where_all_of_it_was_seen() -> None:
    turn = turn_with(WORDS)
    seen, heard = await turn.news(0), list[int]()

    with anyio.move_on_after(60) as silence:
        await turn.news(seen)
    async with anyio.create_task_group() as group:
        group.start_soon(add_after, turn, 60, WORDS)
        with anyio.fail_after(61):
            heard.append(await turn.news(seen))

    assert silence.cancelled_caught
    assert (seen, heard) == (1, [2])


async def test_every_watcher_hears_the_same_news() -> None:
    """Ours: a message's sender and those who wait for its reply watch one turn."""
    turn = turn_with()
    heard: list[int] = []

    async def watch() -> None:
        heard.append(await turn.news(0))

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(watch)
        group.start_soon(add_after, turn, 1, WORDS)

    assert heard == [1, 1, 1]


PAUSES = st.sampled_from([0, 0, 0.01, PAUSE_SECONDS / 2, PAUSE_SECONDS, 1, HEARTBEAT_SECONDS - PAUSE_SECONDS])
"""Among them those at which a change falls together with the end of a wait of the relay's."""


@settings(max_examples=200, deadline=None)
@given(st.lists(PAUSES | st.floats(0, 12), min_size=1, max_size=30), st.sampled_from([0.0, 0.1, 1.0]))
def test_whatever_is_said_stands_in_a_report_soon_after(pauses: list[float], slowness: float) -> None:
    """Ours: no change is missed, whether it comes in a wait, in a pause or while a host takes a report in."""
    told: list[tuple[float, str]] = []

    async def work() -> list[tuple[float, float, str]]:
        turn, begin = turn_with(), anyio.current_time()

        async def talk() -> None:
            for number, pause in enumerate(pauses):
                await anyio.sleep(pause)
                turn.add(Frame("run-1", None, (Spoke("a", f" {number}"),)))
                told.append((anyio.current_time() - begin, progress_line(turn)))

        return await watched(turn, talk, sum(pauses) + 2 * (PAUSE_SECONDS + slowness) + 1, slowness=slowness)

    reports = anyio.run(work, backend_options={"loop_factory": virtual_loop})

    for time, line in told:
        first = next(when for when, _, shown in reports if shown.startswith(line))
        assert first <= time + PAUSE_SECONDS + slowness + 1e-6
    assert reports[-1][2] == told[-1][1]


async def test_the_relay_ends_with_its_turn() -> None:
    """Ours: the words of the end are told too, and nothing after them."""
    turn = turn_with()
    lines: list[str | None] = []

    async def report(progress: float, total: float | None, message: str | None) -> None:
        lines.append(message)

    async def end() -> None:
        await anyio.sleep(1)
        turn.add(Frame("run-1", None, (WORDS,)))
        turn.settle("completed")

    async with anyio.create_task_group() as group:
        group.start_soon(end)
        with anyio.fail_after(1 + 2 * PAUSE_SECONDS):
            await relay_progress(turn, report)

    assert lines == ["It is fifty."]
