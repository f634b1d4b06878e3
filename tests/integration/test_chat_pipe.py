"""`letta-conv-mcp chat` without a terminal, as scripts use it, before the fake Letta."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from letta_conv_mcp.cli.chat import run_chat
from letta_conv_mcp.settings import Settings
from tests.fake import FakeLetta
from tests.fake.seed import TOOLS
from tests.fake.state import Conversation
from tests.integration.calls import heard

ENDS_WITHIN = 30


@pytest.fixture
def talk(fake: FakeLetta) -> Conversation:
    return fake.add_conversation(fake.add_agent("Ada", tools=TOOLS), summary="Colours")


@contextmanager
def piped(fake: FakeLetta, *, command: str = "exec {}") -> "Generator[subprocess.Popen[str]]":
    """The chat between pipes; `command` is how a shell starts it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LETTA_")}
    process = subprocess.Popen(
        ["sh", "-c", command.format(f"{shlex.quote(sys.executable)} -m letta_conv_mcp chat")],
        env={**environment, "LETTA_BASE_URL": fake.base_url},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def chat(fake: FakeLetta, *lines: str) -> tuple[int, str, str]:
    """The exit status, and what was written to stdout and stderr, for some lines."""
    with piped(fake) as process:
        out, err = process.communicate("".join(f"{line}\n" for line in lines), timeout=ENDS_WITHIN)
    return process.returncode, out, err


def test_each_line_is_answered_in_turn_without_colours(fake: FakeLetta, talk: Conversation) -> None:
    status, out, err = chat(fake, "hello", "", '#tool lookup {"query": "é"} look', "/quit", "never said")

    assert (status, err) == (0, "")
    assert out.splitlines()[:4] == [
        f"Going on in: Colours  {talk.id}  1 message",
        "Ada: echo: hello",
        'tool: lookup({"query": "é"}) -> found é',
        "Ada: tool said: {",
    ]
    assert "\x1b" not in out
    assert len(heard(fake, talk.id)) == 2


def test_what_goes_wrong_goes_to_stderr_and_into_the_status_and_the_rest_is_done(
    fake: FakeLetta, talk: Conversation
) -> None:
    status, out, err = chat(fake, "/nope", "#http 401 hello", "hello again")

    assert status == 1
    assert "Ada: echo: hello again" in out
    assert err.splitlines()[0].startswith("There is no command /nope.")
    assert "refused the agent's credentials" in err.splitlines()[1]


def test_a_script_decides_by_a_line_of_its_own(fake: FakeLetta, talk: Conversation) -> None:
    status, out, _ = chat(fake, "#tool delete_everything go", "/decide approve")

    assert status == 0
    assert "The agent asks to run:\n  delete_everything({})\nNothing was decided;" in out
    assert "tool: delete_everything -> deleted everything here" in out


def test_without_an_agent_it_ends(fake: FakeLetta) -> None:
    status, out, err = chat(fake, "hello")

    assert (status, out) == (1, "")
    assert err == "There is no agent yet. Start the chat in a terminal to make one.\n"


def test_without_a_stdin_there_is_nothing_to_say(fake: FakeLetta, talk: Conversation) -> None:
    """The server process's pipes then have the numbers that stdin and its like had."""
    with piped(fake, command="exec {} <&-") as process:
        out, err = process.communicate(timeout=ENDS_WITHIN)

    assert (process.returncode, err) == (0, "")
    assert out.startswith("Going on in: Colours")


def test_sigint_stops_the_reply_and_then_the_program(fake: FakeLetta, talk: Conversation) -> None:
    with piped(fake) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("#drip 0.05 #long 400\nhello\n")
        process.stdin.flush()
        assert process.stdout.readline().startswith("Going on in")
        assert process.stdout.read(8) == "Ada: w0 "
        process.send_signal(signal.SIGINT)
        rest = [process.stdout.readline() for _ in range(3)]
        process.send_signal(signal.SIGINT)
        status = process.wait(ENDS_WITHIN)

    assert rest[1:] == ["Stopped. What the agent did is not undone.\n", "Ada: echo: hello\n"]
    assert status == 128 + signal.SIGINT
    assert [run.status for run in fake.runs] == ["cancelled", "completed"]


def test_a_reader_that_goes_away_ends_it(fake: FakeLetta, talk: Conversation) -> None:
    with piped(fake) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        process.stdin.write("/help\n")
        process.stdin.flush()
        status = process.wait(ENDS_WITHIN)
        assert process.stderr is not None
        err = process.stderr.read()

    assert (status, err) == (1, "")


def test_where_no_letta_is_configured_it_says_how_to(capsys: pytest.CaptureFixture[str]) -> None:
    status = run_chat(Settings())

    assert status == 2
    assert "No Letta is configured" in capsys.readouterr().err
