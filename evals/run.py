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

from evals.models import Model, ModelFailure, model_from_name
from evals.playing import Outcome, open_host, played, played_by_script
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
        rows = anyio.run(_rows, options, tasks)
    except (ModelFailure, ValueError) as error:
        print(f"evals: {error}", file=sys.stderr)
        return 2
    passed = sum(row.passed for row in rows)
    print(f"{passed} of {len(rows)} as they should be")
    if options.json:
        report = [{**asdict(row), "trace": _trace_json(row.trace)} for row in rows]
        Path(options.json).write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0 if passed == len(rows) else 1


async def _rows(options: argparse.Namespace, tasks: Sequence[Task]) -> list[Row]:
    model = None if options.scripted else _model(options)
    rows: list[Row] = []
    async with open_host() as host:
        for task in tasks:
            if model is not None:
                rows.append(_shown(row_of_model(options.model, await played(host, task, model))))
                continue
            for name, play, criterion in plays_of(task):
                rows.append(_shown(row_of_play(name, criterion, await played_by_script(host, task, play))))
    return rows


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


def _model(options: argparse.Namespace) -> Model:
    return model_from_name(options.model, os.environ, base_url=options.base_url, key_variable=options.key_variable)


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
