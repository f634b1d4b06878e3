"""`letta-conv-mcp setup-local`, by flags and in a terminal."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from letta_conv_mcp.server import build_server
from tests.integration.calls import call, failure
from tests.integration.own import own_settings
from tests.stack.app_rig import open_model
from tests.stack.model import REFUSED_KEY, SLOW_KEY

pytestmark = [pytest.mark.anyio, pytest.mark.real_letta]

ADA = "openai-compatible/scripted"
KEY = "sk-kept-0123456789"
ANSWERS_WITHIN = 30.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "letta"


@pytest.fixture(scope="module")
def model_url() -> Iterator[str]:
    with open_model() as url:
        yield f"{url}/v1"


def environment_of(folder: Path, **more: str) -> dict[str, str]:
    without = ("LETTA_", "OPENAI_", "ANTHROPIC_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(without)}
    return {**kept, "LETTA_CONV_LOCAL_DIR": str(folder), "TERM": "dumb", **more}


def set_up(folder: Path, *flags: str, typed: str = "", **more: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "letta_conv_mcp", "setup-local", *flags],
        input=typed,
        env=environment_of(folder, **more),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def at(model_url: str, *more: str) -> tuple[str, ...]:
    return ("--provider", "openai-compatible", "--address", model_url, *more)


def is_kept(folder: Path, key: str) -> bool:
    """Whether any file holds it."""
    return any(key.encode() in path.read_bytes() for path in folder.rglob("*") if path.is_file())


class Terminal:
    """A person at a terminal."""

    def __init__(self, screen: int, process: "subprocess.Popen[bytes]") -> None:
        self._screen = screen
        self.process = process
        self.shown = ""
        self._seen = 0

    def until(self, words: str) -> None:
        """Wait until something is shown that was not seen before."""
        deadline = time.monotonic() + ANSWERS_WITHIN
        while words not in self.shown[self._seen :]:
            self.shown += self._read_until(deadline)
        self._seen = self.shown.index(words, self._seen) + len(words)

    def type(self, line: str) -> None:
        os.write(self._screen, f"{line}\n".encode())

    def interrupt(self) -> None:
        """Press Ctrl-C, and again where Python was just about to read and did not notice."""
        for _ in range(5):
            self.process.send_signal(signal.SIGINT)
            if select.select([self._screen], [], [], 2)[0]:
                return
        raise AssertionError("Ctrl-C does nothing.")

    def rest(self) -> str:
        """Everything until the end."""
        deadline = time.monotonic() + ANSWERS_WITHIN
        while piece := self._read_until(deadline):
            self.shown += piece
        self.process.wait(ANSWERS_WITHIN)
        return self.shown

    def _read_until(self, deadline: float) -> str:
        readable, _, _ = select.select([self._screen], [], [], max(0, deadline - time.monotonic()))
        assert readable, f"Nothing more came after {self.shown!r}"
        try:
            return os.read(self._screen, 4096).decode()
        except OSError:
            # Linux says so when the other side has gone.
            return ""


@contextmanager
def terminal(folder: Path, *flags: str) -> Generator[Terminal]:
    screen, inner = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "letta_conv_mcp", "setup-local", *flags],
        stdin=inner,
        stdout=inner,
        stderr=inner,
        env=environment_of(folder),
        start_new_session=True,
        # A test run in the background of a shell is started deaf to Ctrl-C, and so are its children.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    os.close(inner)
    try:
        yield Terminal(screen, process)
    finally:
        process.kill()
        process.wait()
        os.close(screen)


async def talk_to(folder: Path, agent: str, message: str) -> dict[str, Any]:
    async with Client(build_server(own_settings(folder))) as client:
        conversation = await call(client, "create_conversation", agent_id=agent)
        return await call(client, "send_message", conversation_id=conversation["id"], message=message)


async def test_a_model_that_answers_is_kept_and_an_agent_of_it_is_made(folder: Path, model_url: str) -> None:
    done = set_up(folder, *at(model_url, "--model", "scripted", "--agent", "Ada", "--human", "The human is Bo."))
    reply = await talk_to(folder, "Ada", "hello")

    assert (done.returncode, done.stderr) == (0, "")
    assert f"Trying {ADA} out: echo: Say hello in a few words.\nNew agents get {ADA}.\n" in done.stdout
    assert "Ada is there: agent-local-" in done.stdout
    assert (reply["status"], reply["text"]) == ("completed", "echo: hello")


async def test_agents_of_the_stand_in_get_the_model_and_what_was_said_stays(folder: Path, model_url: str) -> None:
    async with Client(build_server(own_settings(folder))) as client:
        agent = await call(client, "create_agent", name="Early")
    done = set_up(folder, *at(model_url, "--model", ADA))
    reply = await talk_to(folder, "Early", "hello")

    assert agent["model"] == "openai-compatible/stand-in"
    assert f"Early ({agent['id']}) gets it too." in done.stdout
    assert reply["text"] == "echo: hello"


async def test_what_fails_leaves_the_model_that_was_set_up_before(folder: Path, model_url: str) -> None:
    set_up(folder, *at(model_url, "--model", "scripted", "--agent", "Ada"))
    dead = set_up(folder, *at("http://127.0.0.1:9/v1"))
    unknown = set_up(folder, *at(model_url, "--model", "gpt-9"))
    reply = await talk_to(folder, "Ada", "hello")

    assert (dead.returncode, unknown.returncode) == (1, 1)
    assert "offers no model there. Does it run, and has it loaded one?" in dead.stderr
    assert "offers no model 'gpt-9'. Offered: openai-compatible/scripted, openai-compatible/scripted-other." in (
        unknown.stderr
    )
    assert reply["text"] == "echo: hello"


def test_a_key_that_is_refused_is_not_kept_and_never_shown(folder: Path, model_url: str) -> None:
    """APP SERVER: it takes any key for a good one."""
    done = set_up(folder, *at(model_url, "--model", "scripted", "--key-stdin"), typed=f"{REFUSED_KEY}\n")

    assert done.returncode == 1
    assert f"{ADA} did not answer" in done.stderr
    assert REFUSED_KEY not in done.stdout + done.stderr
    assert not is_kept(folder, REFUSED_KEY)
    assert not (folder / "model.json").exists()


def test_a_key_that_works_is_kept_for_its_owner_only_and_it_says_where(folder: Path, model_url: str) -> None:
    done = set_up(folder, *at(model_url, "--model", "scripted", "--key-stdin"), typed=f"{KEY}\n")

    kept = folder / "store/providers/auth.json"
    assert done.returncode == 0
    assert f"The key is kept in {kept}, which only you can read." in done.stdout
    assert KEY not in done.stdout + done.stderr
    assert KEY in kept.read_text()
    assert kept.stat().st_mode & 0o777 == 0o600
    assert json.loads((folder / "model.json").read_text()) == {"model": ADA, "providers": ["openai-compatible"]}


async def test_an_address_and_a_key_of_the_environment_are_used_without_a_setup(folder: Path, model_url: str) -> None:
    environment = {"PATH": os.environ["PATH"], "LMSTUDIO_BASE_URL": model_url, "LMSTUDIO_API_KEY": KEY}
    settings = own_settings(folder, local_environment=environment, local_model="lmstudio/scripted")
    async with Client(build_server(settings)) as client:
        agent = await call(client, "create_agent", name="Ada")
        conversation = await call(client, "create_conversation", agent_id=agent["id"])
        reply = await call(client, "send_message", conversation_id=conversation["id"], message="hello")

    assert agent["model"] == "lmstudio/scripted"
    assert reply["text"] == "echo: hello"
    assert not is_kept(folder, KEY)


async def test_with_models_and_none_chosen_the_agents_maker_is_told_which_there_are(
    folder: Path, model_url: str
) -> None:
    environment = {"PATH": os.environ["PATH"], "LMSTUDIO_BASE_URL": model_url}
    async with Client(build_server(own_settings(folder, local_environment=environment))) as client:
        said = await failure(client, "create_agent", name="Ada")

    assert said == (
        "The new agent needs a model, so no agent was made. Offered: lmstudio/scripted, lmstudio/scripted-other. Call "
        "create_agent with one of them as model."
    )


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ((), "This is no terminal, so nobody can be asked: give --provider, --model, and --address or --key-stdin."),
        (("--provider", "gemini"), "--provider must be one of ollama, lmstudio, llama-cpp, openai-compatible,"),
        (("--provider", "openai", "--address", "http://x"), "--address has no meaning for OpenAI"),
        (("--provider", "ollama", "--address", "localhost:11434"), "Its address must begin with http:// or https://"),
        (("--provider", "ollama", "--persona", "I am Ada."), "--agent has to name it."),
        (("--provider", "anthropic"), "This is no terminal, so nobody can be asked"),
        (("--provider", "anthropic", "--key-stdin"), "Anthropic wants a key."),
    ],
)
def test_what_can_not_be_done_is_said_before_anything_is_started(
    folder: Path, flags: tuple[str, ...], said: str
) -> None:
    done = set_up(folder, *flags)

    assert done.returncode == 1
    assert said in done.stderr
    assert not folder.exists()


async def test_a_person_is_asked_for_everything(folder: Path, model_url: str) -> None:
    with terminal(folder) as screen:
        screen.until("Which model provider? [1]: ")
        screen.type("4")
        screen.until("Its address: ")
        screen.type(model_url)
        screen.until("Its key, if it wants one: ")
        screen.type(KEY)
        screen.until("Which model? [1]: ")
        screen.type("")
        screen.until("The name of your first agent (empty: none): ")
        screen.type("Ada")
        screen.until("What is it like, in its own words?: ")
        screen.type("I am Ada.")
        screen.until("What should it know about you?: ")
        screen.type("The human is Bo.")
        shown = screen.rest()
    reply = await talk_to(folder, "Ada", "hello")

    assert screen.process.returncode == 0
    assert "Ada is there: agent-local-" in shown
    assert KEY not in shown
    assert reply["text"] == "echo: hello"


@pytest.mark.parametrize("flags", [(), ("--provider", "openai-compatible")])
def test_ctrl_c_ends_it_and_nothing_was_set_up(folder: Path, flags: tuple[str, ...]) -> None:
    with terminal(folder, *flags) as screen:
        screen.until("]: " if not flags else "Its address: ")
        screen.interrupt()
        shown = screen.rest()

    assert screen.process.returncode == 1
    assert "Nothing was set up." in shown
    assert "Traceback" not in shown


async def test_a_second_provider_leaves_the_first_as_it_is(folder: Path, model_url: str) -> None:
    set_up(folder, *at(model_url, "--model", "scripted", "--agent", "First", "--key-stdin"), typed=f"{KEY}\n")
    set_up(folder, "--provider", "lmstudio", "--address", model_url, "--model", "scripted-other", "--agent", "Second")
    first, second = [await talk_to(folder, name, "hello") for name in ("First", "Second")]

    assert (first["text"], second["text"]) == ("echo: hello", "echo: hello")
    assert KEY in (folder / "store/providers/auth.json").read_text()


async def test_ctrl_c_while_a_model_is_tried_leaves_all_as_it_was(folder: Path, model_url: str) -> None:
    """Such as one that is being loaded."""
    with terminal(folder, *at(model_url, "--model", "scripted", "--key-stdin")) as screen:
        screen.until("The key: ")
        screen.type(SLOW_KEY)
        screen.until("Trying ")
        screen.interrupt()
        shown = screen.rest()
    async with Client(build_server(own_settings(folder))) as client:
        agents = await call(client, "list_agents")

    assert screen.process.returncode == 1
    assert "Nothing was set up." in shown
    assert "Traceback" not in shown
    assert agents["agents"] == []
    assert not is_kept(folder, SLOW_KEY)


async def test_ctrl_c_at_the_questions_about_an_agent_keeps_the_model(folder: Path, model_url: str) -> None:
    with terminal(folder) as screen:
        for question, answer in (
            ("provider? [1]: ", "lmstudio"),
            ("Its address [http://127.0.0.1:1234/v1]: ", model_url),
            ("Which model? [1]: ", "9"),
            ("Which model? [1]: ", "2"),
        ):
            screen.until(question)
            screen.type(answer)
        screen.until("The name of your first agent (empty: none): ")
        screen.interrupt()
        shown = screen.rest()

    assert screen.process.returncode == 0
    assert "A number from 1 to 2, please." in shown
    assert "No agent was made." in shown
    assert json.loads((folder / "model.json").read_text())["model"] == "lmstudio/scripted-other"


def test_the_end_of_input_ends_it_too(folder: Path) -> None:
    with terminal(folder) as screen:
        screen.until("Which model provider? [1]: ")
        screen.type("\x04")
        shown = screen.rest()

    assert screen.process.returncode == 1
    assert "Traceback" not in shown
