"""`python -m evals.run --model openai:NAME`: a model plays the tasks. `--scripted`: the known plays, good and bad.

The table has a line for each task, or for each play. Exits with 1 when a model failed a task, or a play was not judged
as it should be, and with 2 when the model can't be had.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import anyio

from evals.models import Model, ModelFailure
from evals.playing import Outcome, open_host, played, played_by_script
from evals.providers import model_from_name
from evals.task import Play, Task
from evals.tasks import TASKS
from evals.trace import Trace


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        task: the task's id.
        play: which play it was, or the model's name.
        passed: whether it came out as it should.
        why: the criteria that were not met.
        trace: what was done.
    """

    task: str
    play: str
    passed: bool
    why: list[str]
    trace: Trace


def main() -> int:
    """The exit status."""
    options = _parser().parse_args()
    tasks = [task for task in TASKS if not options.task or task.id in options.task]
    if unknown := set(options.task) - {task.id for task in TASKS}:
        print(f"No such task: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    try:
        model = (
            None
            if options.scripted
            else model_from_name(
                options.model, os.environ, base_url=options.base_url, key_variable=options.key_variable
            )
        )
    except ValueError as error:
        print(f"evals: {error}", file=sys.stderr)
        return 2
    rows: list[Row] = []
    problem = anyio.run(_play_all, tasks, model, options.model, rows)
    passed = sum(row.passed for row in rows)
    print(f"{passed} of {len(rows)} as they should be")
    if options.json:
        report = [{**asdict(row), "trace": _trace_json(row.trace)} for row in rows]
        Path(options.json).write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if problem:
        print(f"evals: {problem}", file=sys.stderr)
        return 2
    return 0 if passed == len(rows) else 1


async def _play_all(tasks: Sequence[Task], model: Model | None, name: str, rows: list[Row]) -> str | None:
    """Fills the rows; what ended it before its time, if anything did. Without a model the known plays are played."""
    async with open_host() as host:
        for task in tasks:
            if model is None:
                for play_name, play, criterion in plays_of(task):
                    rows.append(_shown(row_of_play(play_name, criterion, await played_by_script(host, task, play))))
                continue
            try:
                rows.append(_shown(row_of_model(name, await played(host, task, model))))
            except ModelFailure as failure:
                return f"{task.id}: {failure}"
    return None


def plays_of(task: Task) -> list[tuple[str, Play, str | None]]:
    """The known plays of a task: what each is called, its moves, and the criterion that it must fail."""
    good = [(f"good {number}", play, None) for number, play in enumerate(task.good, 1)]
    return [*good, *((f"bad: {criterion}", play, criterion) for criterion, play in task.bad.items())]


def row_of_model(name: str, outcome: Outcome) -> Row:
    """A model must meet every criterion."""
    return Row(outcome.task.id, name, not outcome.failed, outcome.failed, outcome.trace)


def row_of_play(name: str, criterion: str | None, outcome: Outcome) -> Row:
    """A good play must meet every criterion, a bad one must fail its own."""
    passed = not outcome.failed if criterion is None else criterion in outcome.failed
    return Row(outcome.task.id, name, passed, outcome.failed, outcome.trace)


def _shown(row: Row) -> Row:
    verdict = "pass" if row.passed else "FAIL"
    print(
        f"{verdict}  {row.task:26}  {row.play[:44]:44}  {len(row.trace.calls):3} calls  {'; '.join(row.why)}",
        flush=True,
    )
    return row


def _trace_json(trace: Trace) -> dict[str, Any]:
    return {**asdict(trace), "writers": sorted(trace.writers)}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m evals.run", description=__doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--model", help="openai:NAME or anthropic:NAME, after the way the model is spoken to")
    which.add_argument("--scripted", action="store_true", help="play what is known to be right and wrong")
    parser.add_argument("--base-url", help="the model's address; default: OPENAI_BASE_URL or ANTHROPIC_BASE_URL")
    parser.add_argument("--key-variable", help="where its key is; default: OPENAI_API_KEY or ANTHROPIC_API_KEY")
    parser.add_argument("--task", action="append", default=[], metavar="ID", help="only this one; can be given again")
    parser.add_argument("--json", metavar="FILE", help="write the table with all calls there")
    return parser


if __name__ == "__main__":
    sys.exit(main())
