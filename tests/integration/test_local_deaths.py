"""Whenever and however we are killed, nothing of a Letta of one's own outlives us."""

import os
import random
import select
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.own import processes_of, server_of
from tests.integration.processes import wait_until_gone
from tests.integration.stdio import Host

pytestmark = pytest.mark.real_letta

DEATHS = 20
STARTING_SECONDS = 1.5
GONE_WITHIN = 5.0
"""The supervisor gives the server three seconds, and then kills it."""


@contextmanager
def host_of(folder: Path) -> Generator[Host]:
    """Our server as a process of its own, with a Letta of one's own in a folder."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LETTA_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "letta_conv_mcp", "--local-dir", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
    with Host(process) as host:
        host.initialize()
        yield host


def ask(host: Host, tool: str, **arguments: object) -> int:
    return host.send("tools/call", {"name": tool, "arguments": arguments})


def seconds_until_gone(folder: Path) -> float:
    """Until nothing works in the folder any more. What was just being started may only now appear."""
    began = time.monotonic()
    while running := processes_of(folder):
        assert time.monotonic() - began < GONE_WITHIN, running
        for pid in running:
            wait_until_gone(pid, GONE_WITHIN)
    return time.monotonic() - began


def test_twenty_kills_at_random_moments_leave_no_process_behind(tmp_path: Path) -> None:
    seed = int(os.environ.get("DEATHS_SEED", random.randrange(1_000_000)))
    chance = random.Random(seed)
    folder = tmp_path / "letta"
    gone: list[float] = []
    starting = 0
    for number in range(DEATHS):
        with host_of(folder) as host:
            request = ask(host, "list_agents")
            # A quarter of them while the server starts, wherever in that.
            if number % 4:
                host.answer(request)
                ask(host, "create_agent", name=f"Ada {number}")
            assert host.process.stdout is not None
            readable, _, _ = select.select([host.process.stdout.fileno()], [], [], chance.uniform(0, STARTING_SECONDS))
            starting += not readable
            host.process.kill()
            host.process.wait()
        gone.append(seconds_until_gone(folder))

    assert max(gone) < GONE_WITHIN, f"DEATHS_SEED={seed}"
    assert starting > 0, "No kill came while something was being done."


def test_a_server_that_is_stopped_is_killed_all_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "letta"
    with host_of(folder) as host:
        host.answer(ask(host, "list_agents"))
        subprocess.run(["kill", "-STOP", str(server_of(folder))], check=True)
        host.process.kill()
        host.process.wait()

    assert 2 < seconds_until_gone(folder) < GONE_WITHIN


def test_a_shell_that_the_agent_left_behind_goes_too(tmp_path: Path) -> None:
    """Shown with the supervisor alone: what is started in a session of its own is out of the server's reach."""
    supervisor = Path(__file__).parents[2] / "letta_conv_mcp" / "local" / "supervisor.py"
    work = tmp_path / "work"
    work.mkdir()
    leave = "import subprocess,time; subprocess.Popen(['sleep','300'],start_new_session=True); time.sleep(300)"
    with subprocess.Popen(
        [sys.executable, "-I", "-S", supervisor, tmp_path / "lock", tmp_path / "address", sys.executable, "-c", leave],
        cwd=work,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        while len(processes_of(tmp_path)) < 3:
            assert process.poll() is None
        process.communicate()

    assert seconds_until_gone(tmp_path) < GONE_WITHIN


@pytest.mark.parametrize("goodbye", ["EOF", "TERM", "INT"])
def test_an_orderly_end_takes_it_along_within_a_second(tmp_path: Path, goodbye: str) -> None:
    folder = tmp_path / "letta"
    with host_of(folder) as host:
        host.answer(ask(host, "list_agents"))
        assert host.process.stdin is not None
        if goodbye == "EOF":
            host.process.stdin.close()
            host.process.stdin = None
        else:
            subprocess.run(["kill", f"-{goodbye}", str(host.process.pid)], check=True)
        began = time.monotonic()
        host.process.wait(GONE_WITHIN)
        took = time.monotonic() - began

    assert host.process.returncode == 0
    assert took < 1
    assert seconds_until_gone(folder) < 1
