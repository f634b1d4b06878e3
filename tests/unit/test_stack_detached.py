"""Programs that outlive their starter, with `sleep` in their stead."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack.detached import Program, kill, record_of, start, stop
from tests.stack.errors import StackError
from tests.stack.folders import being_built

PORT = 9  # Nobody listens on the discard port.


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    def is_open(_: Path) -> None:
        return

    monkeypatch.setattr("tests.stack.folders._check_open_to_others", is_open)
    monkeypatch.setenv("LETTA_STACK_DIR", str(tmp_path))
    yield tmp_path
    kill("sleeper")


def sleeper(settings: str = "one") -> Program:
    return Program("sleeper", ["sleep", "60"], PORT, lambda: True, settings, {"PATH": os.defpath})


def test_a_running_program_is_started_once() -> None:
    """Ours: `up` may be called again at any time."""
    start(sleeper())
    first = record_of("sleeper")

    start(sleeper())

    assert first is not None
    assert record_of("sleeper") == first


def test_a_stopped_program_is_gone() -> None:
    """Ours: a stop waits for the end."""
    start(sleeper())

    assert stop("sleeper") is True
    assert record_of("sleeper") is None
    assert stop("sleeper") is False


def test_other_settings_are_refused() -> None:
    """Ours: somebody may be using the running one."""
    start(sleeper())

    with pytest.raises(StackError, match="with other settings"):
        start(sleeper("other"))


def test_a_program_that_ends_at_once_shows_its_log() -> None:
    """Ours: the reason is in its last words."""
    command = [sys.executable, "-c", "raise SystemExit('no such luck')"]

    with pytest.raises(StackError, match="no such luck"):
        start(Program("sleeper", command, PORT, lambda: False, "one"))


def test_a_process_that_is_not_ours_is_left_alone(folder: Path) -> None:
    """Ours: after a reboot a process id belongs to somebody else."""
    with subprocess.Popen(["sleep", "60"]) as stranger:
        record = {"pid": stranger.pid, "started": "1", "port": PORT, "settings": "one", "stop_signal": signal.SIGTERM}
        (folder / "run").mkdir()
        (folder / "run/sleeper.json").write_text(json.dumps(record))

        assert stop("sleeper") is False
        assert stranger.poll() is None
        stranger.kill()


def test_an_interrupted_build_is_done_again(folder: Path) -> None:
    """Ours: what has its name is whole."""

    def interrupted() -> None:
        with being_built(folder / "thing") as building:
            (building / "half").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not (folder / "thing").exists()

    with being_built(folder / "thing") as building:
        (building / "whole").touch()

    assert [path.name for path in folder.rglob("*")] == ["thing", "whole"]
