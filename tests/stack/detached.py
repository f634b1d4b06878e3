"""A program that outlives the one who started it, found again by its record.

A process id alone proves nothing: it may belong to another program by now. The record has the process's start time
too, so only what we started is ever signalled.
"""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.stack.errors import StackError
from tests.stack.folders import live
from tests.stack.progress import tell

STOP_SECONDS = 15
POLL_SECONDS = 0.05
STATE, PARENT, THREADS, START_TIME = 0, 1, 17, 19
# Started by this very process: they must be reaped here, or they stay as zombies when they end.
_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class Program:
    """How to run something, and how to see that it is ready."""

    name: str
    command: Sequence[str]
    port: int
    is_ready: Callable[[], bool]
    # Differs when a running one would have to be started anew to become this one.
    settings: str
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    folder: Path = Path("/")
    user: str | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    start_seconds: float = 30
    is_disposable: bool = False

    @property
    def log(self) -> Path:
        return live("logs") / f"{self.name}.log"


@dataclass(frozen=True)
class Record:
    """A program as it was started."""

    pid: int
    started: str
    port: int
    settings: str
    stop_signal: int = signal.SIGTERM


def record_of(name: str) -> Record | None:
    """The running program of this name, or None."""
    try:
        record = Record(**json.loads(_record_file(name).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return record if _start_time(record.pid) == record.started else None


def start(program: Program) -> None:
    """Starts the program unless it runs, and waits until it is ready."""
    record = record_of(program.name)
    is_other = record is not None and (record.settings, record.port) != (program.settings, program.port)
    if is_other and not program.is_disposable:
        raise StackError(f"{program.name} runs already, with other settings. Take it down first.")
    if is_other:
        stop(program.name)
    if record is None or is_other:
        tell(f"starting {program.name}")
        _check_port_free(program)
        _spawn(program)
    _wait_until_ready(program)


def stop(name: str) -> bool:
    """Ends the program of this name and waits for its end; whether there was one."""
    record = record_of(name)
    if record:
        os.kill(record.pid, signal.Signals(record.stop_signal))
        if not _is_gone(record, STOP_SECONDS):
            tell(f"{name} did not end in {STOP_SECONDS} s, so it is killed")
            _kill_all(record)
    _record_file(name).unlink(missing_ok=True)
    return record is not None


def kill(name: str) -> None:
    """Ends the program and its children as a crash would, without a chance to tidy up."""
    if record := record_of(name):
        _kill_all(record)
    _record_file(name).unlink(missing_ok=True)


def answers(port: int) -> bool:
    """Whether somebody listens on this port of the loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _spawn(program: Program) -> None:
    with program.log.open("ab") as log:
        child = subprocess.Popen(
            program.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=program.folder,
            env=dict(program.environment),
            user=program.user,
            extra_groups=[] if program.user else None,
            start_new_session=True,
        )
    _children[child.pid] = child
    record = Record(child.pid, _start_time(child.pid) or "", program.port, program.settings, program.stop_signal)
    _record_file(program.name).write_text(json.dumps(asdict(record)))


def _wait_until_ready(program: Program) -> None:
    deadline = time.monotonic() + program.start_seconds
    while not program.is_ready():
        if record_of(program.name) is None:
            raise StackError(f"{program.name} ended while starting. The end of {program.log}:\n{_end_of(program.log)}")
        if time.monotonic() > deadline:
            stop(program.name)
            raise StackError(f"{program.name} was not ready after {program.start_seconds:g} s. See {program.log}.")
        time.sleep(POLL_SECONDS)


def _check_port_free(program: Program) -> None:
    if answers(program.port):
        raise StackError(
            f"Port {program.port}, meant for {program.name}, is taken by a program that isn't ours. "
            "Set LETTA_STACK_PORT to the first of ten free ports in a row."
        )


def _kill_all(record: Record) -> None:
    """The program and its children: PostgreSQL's would linger, and keep a new server from starting."""
    family = [record, *_descendants(record.pid)]
    for member in family:
        try:
            os.kill(member.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    for member in family:
        _is_gone(member, STOP_SECONDS)


def _descendants(pid: int) -> list[Record]:
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat_fields(int(entry.name))):
            parents.setdefault(int(fields[PARENT]), []).append(int(entry.name))
    found: list[int] = []
    waiting = [pid]
    while waiting:
        children = parents.get(waiting.pop(), [])
        found += children
        waiting += children
    return [Record(child, _start_time(child) or "", 0, "") for child in found]


def _is_gone(record: Record, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while _start_time(record.pid) == record.started:
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _start_time(pid: int) -> str | None:
    """When the process began, in the kernel's ticks; None when it is no more."""
    child = _children.get(pid)
    if child and child.poll() is not None:
        return None
    fields = _stat_fields(pid)
    if fields is None:
        return None
    # A zombie with threads is still dying, and still holds its ports.
    is_dead = fields[STATE] == "Z" and fields[THREADS] in {"0", "1"}
    return None if is_dead and not child else fields[START_TIME]


def _stat_fields(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat after the name, which may hold spaces itself."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def _record_file(name: str) -> Path:
    return live("run") / f"{name}.json"


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])
