"""What a person runs: `demo`, `doctor`, `--help`, `--version`, as real processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from letta_conv_mcp import __version__
from tests.conftest import Place
from tests.fake import Answer, FakeLetta
from tests.stack.app_server import open_app_server


def run(*arguments: str, interpreter: tuple[str, ...] = (), **letta: str) -> "subprocess.CompletedProcess[str]":
    """Run our command with these LETTA_… variables and no others."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LETTA_")}
    return subprocess.run(
        [sys.executable, *interpreter, "-m", "letta_conv_mcp", *arguments],
        env={**environment, **letta},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("flag", ["--version", "--help"])
def test_the_flags_that_only_tell_import_neither_mcp_nor_letta_client(flag: str) -> None:
    result = run(flag, interpreter=("-X", "importtime"))

    assert result.returncode == 0
    told = (__version__,) if flag == "--version" else ("LETTA_API_KEY", "chat", "demo", "doctor", "setup-local")
    assert all(words in result.stdout for words in told)
    imported = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert not {name for name in imported if name.partition(".")[0] in ("mcp", "letta_client", "pydantic")}


def test_the_demo_plays_the_whole_tour(place: Place) -> None:
    result = run("demo", "--agent-id", place.agent_name, LETTA_BASE_URL=place.base_url)

    assert (result.returncode, result.stderr) == (0, "")
    steps = [line.split(":")[0] for line in result.stdout.splitlines() if line.startswith("> ")]
    assert steps == [
        "> list_agents",
        "> create_conversation",
        "> send_message",
        "> send_message",
        "> create_conversation",
        "> send_message",
        "> list_conversations",
        "> retrieve_conversation",
        "> get_history",
    ]
    # The agent kept the context, and the other conversation knows nothing of it.
    assert "  You said: Hello! My name is Bo and my favourite colour is green." in result.stdout
    assert "  You have not told me anything yet." in result.stdout
    # An App Server counts no system prompt among the messages.
    assert f"  page {2 if place.rig else 3}" in result.stdout


def test_the_demo_makes_a_letta_of_its_own_where_none_is_configured(tmp_path: Path) -> None:
    result = run("demo", LETTA_CONV_LOCAL_DIR=str(tmp_path / "letta"))

    assert (result.returncode, result.stderr) == (0, "")
    beginning = result.stdout.split("\n\n")[:2]
    assert beginning == [
        "\n> list_agents: who is there?\n  starting Letta on this machine …",
        "> create_agent: nobody, so Ada is made\n  Ada  openai-compatible/stand-in",
    ]
    stand_in = "[No model is set up; this is a scripted stand-in. `letta-conv-mcp setup-local` sets one up.]"
    assert f"  {stand_in} You said: Hello! My name is Bo and my favourite colour is green.\n" in result.stdout
    assert f"  {stand_in} You have not told me anything yet.\n" in result.stdout


def test_the_demo_ends_with_the_reason_when_letta_refuses(fake: FakeLetta) -> None:
    fake.add_agent("Ada")
    fake.fail("POST", "*/messages", Answer(402, {}))

    result = run("demo", LETTA_BASE_URL=fake.base_url)

    assert result.returncode == 1
    assert "out of credits" in result.stderr


def test_the_demo_needs_an_agent(fake: FakeLetta) -> None:
    result = run("demo", LETTA_BASE_URL=fake.base_url)

    assert result.returncode == 1
    assert "The new agent needs a model, so no agent was made." in result.stderr


def test_the_doctor_finds_a_letta_well(place: Place) -> None:
    result = run("doctor", LETTA_BASE_URL=place.base_url, LETTA_AGENT_ID=place.agent_name)

    assert (result.returncode, result.stderr) == (0, "")
    findings = {line[7:25].strip(): (line[:6].strip(), line[26:]) for line in result.stdout.splitlines()}
    named = ["configuration", "connection", "key", "conversations", "agents", "default agent"]
    if place.rig is None:
        # The fake shows no description of itself.
        assert findings.pop("archiving") in (("note", "no"), ("ok", "not told"))
        assert findings["resumable replies"][1] == "yes"
        named += ["resumable replies", "forking"]
    else:
        named += ["models", "agents' tools"]
    assert {name: verdict for name, (verdict, _) in findings.items()} == dict.fromkeys(named, "ok")
    server = "Letta App Server 0.34.12" if place.rig else "Letta server 0.16.8"
    assert findings["connection"][1].startswith(f"{server} answered in ")
    assert findings["default agent"][1] == f"{place.agent_name} ({place.agent_id})"


def test_the_doctor_tells_a_letta_without_redis() -> None:
    with FakeLetta(redis=False) as letta:
        result = run("doctor", LETTA_BASE_URL=letta.base_url)

    assert result.returncode == 0
    assert "note   resumable replies  no: the server runs without Redis" in result.stdout
    assert "note   agents             none yet" in result.stdout


def test_the_doctor_names_a_refused_key() -> None:
    with FakeLetta(password="right") as letta:
        result = run("doctor", LETTA_BASE_URL=letta.base_url, LETTA_API_KEY="sk-wrong-0123")

    assert result.returncode == 1
    assert "wrong  key                Letta at" in result.stdout
    assert "sk-wrong-0123" not in result.stdout + result.stderr


def test_the_doctor_names_an_unknown_default_agent(fake: FakeLetta) -> None:
    result = run("doctor", LETTA_BASE_URL=fake.base_url, LETTA_AGENT_ID="nobody")

    assert result.returncode == 1
    assert "wrong  default agent      No agent 'nobody'." in result.stdout


@pytest.mark.real_letta
@pytest.mark.parametrize("token", [None, "s3cret"])
def test_the_doctor_recognises_an_app_server_and_says_what_to_do(tmp_path: Path, token: str | None) -> None:
    """A real one. It answers 404 to all REST, and guards the page about itself with its own token or shows it."""
    with open_app_server(tmp_path, token=token) as server:
        listens_at = server.address
        address = listens_at.replace("ws://", "http://")
        over_http = run("doctor", LETTA_BASE_URL=address)
        without_key = run("doctor", LETTA_BASE_URL=listens_at)
        with_key = run("doctor", LETTA_BASE_URL=listens_at, LETTA_API_KEY=token or "anything")
    gone = run("doctor", LETTA_BASE_URL=listens_at)

    assert over_http.returncode == 1
    assert f"wrong  connection         {address} is a Letta App Server" in over_http.stdout
    assert "at an address with ws:// instead of http://" in over_http.stdout
    assert with_key.returncode == 0
    assert "ok     connection         Letta App Server 0.34.12 answered in" in with_key.stdout
    assert "note   agents             none yet" in with_key.stdout
    assert (without_key.returncode, "wants a key" in without_key.stdout) == ((1, True) if token else (0, False))
    assert (gone.returncode, "can't be reached" in gone.stdout) == (1, True)


def test_the_doctor_says_when_nobody_answers() -> None:
    result = run("doctor", LETTA_BASE_URL="http://127.0.0.1:9")

    assert result.returncode == 1
    assert "wrong  connection         Letta at http://127.0.0.1:9 can't be reached." in result.stdout


def test_a_flag_wins_over_its_variable(fake: FakeLetta) -> None:
    result = run("doctor", "--base-url", fake.base_url, LETTA_BASE_URL="http://127.0.0.1:9")

    assert result.returncode == 0
