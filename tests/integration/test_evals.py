"""The evaluation of models: its checks tell right from wrong, in plays over a real process of our server."""

import json
import subprocess
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path

import anyio
import pytest
from starlette.responses import JSONResponse

from evals.models import Answered, Entry, Tool, Wish
from evals.playing import Host, Outcome, open_host, played, played_by_script
from evals.run import Row, main, plays_of, row_of_play
from evals.task import CHANGES_NOTHING_ELSE, COMES_TO_AN_END, MAX_CALLS, SENDS_NOTHING_TWICE, Task, tell
from evals.tasks import TASKS
from tests.fake.serving import GatedServer
from tests.unit.provider import anthropic, openai, provider

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


@pytest.mark.parametrize(
    ("kind", "last_words", "status"), [("openai", "Lex, for contracts.", 0), ("anthropic", "Ada.", 1)]
)
def test_a_model_behind_http_plays_a_task_and_is_judged(
    kind: str, last_words: str, status: int, tmp_path: Path
) -> None:
    with model_provider(kind, last_words) as server:
        done = run_evals(f"{kind}:m", server, "--json", str(tmp_path / "report.json"))
    [row] = json.loads((tmp_path / "report.json").read_text())
    shown = server.requests[-1].body["messages"][-1]["content"]

    assert done.returncode == status, done.stderr
    assert ("pass" if status == 0 else "FAIL  choose-an-agent") in done.stdout
    assert row["passed"] == (status == 0)
    assert row["why"] == ([] if status == 0 else ["names the right one"])
    assert [call["tool"] for call in row["trace"]["calls"]] == ["list_agents"]
    assert "Contracts and employment law" in json.dumps(shown)


def test_a_model_that_can_not_be_had_is_no_failed_task() -> None:
    with provider("/v1/chat/completions", JSONResponse({}, status_code=401)) as server:
        done = run_evals("openai:m", server)

    assert (done.returncode, done.stdout) == (2, "0 of 0 as they should be\n")
    assert "choose-an-agent: http" in done.stderr
    assert "answered 401" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--model", "some-model"], "a model is named as openai:NAME or anthropic:NAME"),
        (["--scripted", "--task", "no-such"], "No such task: no-such"),
    ],
)
def test_a_command_that_can_not_be_meant_is_refused(
    arguments: list[str], told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["evals", *arguments])

    assert main() == 2
    assert told in capsys.readouterr().err


def model_provider(kind: str, last_words: str) -> AbstractContextManager[GatedServer]:
    """A provider whose model looks at the agents, and then says this."""
    if kind == "openai":
        call = {"id": "c", "type": "function", "function": {"name": "list_agents", "arguments": "{}"}}
        wish = openai({"role": "assistant", "content": None, "tool_calls": [call]})
        return provider("/v1/chat/completions", wish, openai({"role": "assistant", "content": last_words}))
    wish = anthropic([{"type": "tool_use", "id": "c", "name": "list_agents", "input": {}}])
    return provider("/v1/messages", wish, anthropic([{"type": "text", "text": last_words}]))


def run_evals(model: str, server: GatedServer, *more: str) -> "subprocess.CompletedProcess[str]":
    """The command, for one task."""
    address = server.base_url + ("/v1" if model.startswith("openai") else "")
    arguments = ["--model", model, "--base-url", address, "--task", "choose-an-agent", *more]
    return subprocess.run(
        [sys.executable, "-m", "evals.run", *arguments], capture_output=True, text=True, timeout=PLAYED_WITHIN
    )


def test_there_are_thirty_tasks_at_least_and_each_has_its_plays() -> None:
    assert len(TASKS) >= 30
    assert len({task.id for task in TASKS}) == len(TASKS)
    for task in TASKS:
        assert task.good, task.id
        assert set(task.bad) == set(task.criteria), f"{task.id}: a wrong play for each of its criteria"
