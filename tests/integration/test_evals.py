"""The evaluation of models: its checks tell right from wrong, in plays over a real process of our server."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import anyio
import pytest

from evals.models import Answered, Entry, Tool, Wish
from evals.playing import Host, Outcome, open_host, played, played_by_script
from evals.run import Row, plays_of, row_of_play
from evals.task import CHANGES_NOTHING_ELSE, COMES_TO_AN_END, MAX_CALLS, SENDS_NOTHING_TWICE, Task, tell
from evals.tasks import TASKS

pytestmark = pytest.mark.anyio

PLAYED_WITHIN = 120
IDLE = (tell("Done."), tell("Done."))


@asynccontextmanager
async def host() -> AsyncGenerator[Host]:
    with anyio.fail_after(PLAYED_WITHIN):
        async with open_host() as opened:
            yield opened


def task_named(name: str) -> Task:
    return next(task for task in TASKS if task.id == name)


async def test_a_play_known_to_be_right_passes_and_one_known_to_be_wrong_fails_by_its_criterion() -> None:
    failed: set[str] = set()
    async with host() as opened:
        rows: list[Row] = []
        for task in TASKS:
            for name, play, criterion in plays_of(task):
                outcome = await played_by_script(opened, task, play)
                failed.update(outcome.failed)
                rows.append(row_of_play(name, criterion, outcome))

    assert [(row.task, row.play, row.why) for row in rows if not row.passed] == []
    assert {CHANGES_NOTHING_ELSE, SENDS_NOTHING_TWICE} <= failed


async def test_no_task_is_done_by_doing_nothing() -> None:
    async with host() as opened:
        idle: list[Outcome] = [await played_by_script(opened, task, IDLE) for task in TASKS]

    assert [outcome.task.id for outcome in idle if not outcome.failed] == []


async def test_a_model_that_never_comes_to_an_end_is_stopped() -> None:
    class Restless:
        """Asks for the agents again and again; once with arguments that are no object."""

        async def answer(self, system: str, tools: Sequence[Tool], dialogue: Sequence[Entry]) -> Answered:
            assert tools == opened.tools
            seen.append(system)
            return Answered("", (Wish("one", "list_agents", None if len(dialogue) == 1 else {}),))

    seen: list[str] = []
    async with host() as opened:
        outcome = await played(opened, task_named("choose-an-agent"), Restless())
        instructions = opened.client.instructions

    assert COMES_TO_AN_END in outcome.failed
    assert [call.is_error for call in outcome.trace.calls] == [True, *[False] * (MAX_CALLS - 1)]
    assert instructions is not None
    assert instructions in seen[0]


def test_there_are_thirty_tasks_at_least_and_each_has_its_plays() -> None:
    assert len(TASKS) >= 30
    assert len({task.id for task in TASKS}) == len(TASKS)
    for task in TASKS:
        assert task.good, task.id
        assert set(task.bad) == set(task.criteria), f"{task.id}: a wrong play for each of its criteria"
