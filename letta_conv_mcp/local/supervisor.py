"""Runs one command until the program that started it is gone, however it goes: `supervisor.py LOCK ADDRESS COMMAND …`.

A script of its own that imports nothing of ours: it has to start fast, stay small, and outlive its parent by a moment.
The parent holds the other end of its stdin. When that end closes (also by SIGKILL) the command is told to end, has
three seconds, and is killed with all that it started.

It holds the lock for as long as the command lives, so that no second one runs on the same files. On stdout, in a line
each: `taken` where somebody else holds the lock, `listening ADDRESS`, and `ended STATUS`.
"""

import contextlib
import ctypes
import fcntl
import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import FrameType

TERM_SECONDS = 3.0
LOOK_SECONDS = 1.0
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
IS_LINUX = sys.platform == "linux"
# <linux/prctl.h>
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
LISTENING = b"Listening on "


class _Ended(Exception):
    """It is time to end the command."""


def main() -> None:
    lock_path, address_path, *command = sys.argv[1:]
    # Not inherited by the command: the lock must not outlive us in some grandchild.
    lock = os.open(lock_path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _say("taken")
        return
    # Of one that ran before.
    Path(address_path).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        # A log. Somebody who found the lock taken must not empty it.
        os.ftruncate(2, 0)
    if IS_LINUX:
        # What the command leaves behind comes to us, and not to init.
        _prctl(PR_SET_CHILD_SUBREAPER, 1)
    for number in SIGNALS:
        signal.signal(number, _end)
    child = subprocess.Popen(  # noqa: S603 - the command is the parent's
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        process_group=0,
        preexec_fn=_die_with_parent if IS_LINUX else None,
    )
    threading.Thread(target=_watch, args=(lock, lock_path), daemon=True).start()
    with contextlib.suppress(_Ended, BrokenPipeError):
        _relay(child)
    _finish(child)
    Path(address_path).unlink(missing_ok=True)
    with contextlib.suppress(BrokenPipeError):
        _say(f"ended {child.returncode}")


def _relay(child: "subprocess.Popen[bytes]") -> None:
    """Pass on where it listens; and go on reading, so that it never waits for somebody to read what it says."""
    if child.stdout is None:
        return
    for line in child.stdout:
        if line.startswith(LISTENING):
            _say(f"listening {line.removeprefix(LISTENING).decode().strip()}")


def _watch(lock: int, lock_path: str) -> None:
    """Until the parent is gone, or the folder is: in a new one somebody else would lock a new file."""
    while _is_same(lock, lock_path):
        readable, _, _ = select.select([0], [], [], LOOK_SECONDS)
        # Not by way of sys.stdin, whose lock this thread would still hold when the program ends.
        if readable and not os.read(0, 4096):
            break
    os.kill(os.getpid(), signal.SIGTERM)


def _is_same(lock: int, lock_path: str) -> bool:
    try:
        return Path(lock_path).stat().st_ino == os.fstat(lock).st_ino
    except OSError:
        return False


def _end(_: int, __: FrameType | None) -> None:
    _be_deaf()
    raise _Ended


def _be_deaf() -> None:
    """Told once is enough: from now on it is ending."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _finish(child: "subprocess.Popen[bytes]") -> None:
    _be_deaf()
    child.terminate()
    try:
        child.wait(TERM_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    while pids := _orphans():
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _orphans() -> list[int]:
    """What the command started and left behind, in process groups of its own. Only Linux brings it to us."""
    if not IS_LINUX:
        return []
    # Every thread has children of its own.
    lists = Path("/proc/self/task").glob("*/children")
    return [int(pid) for children in lists for pid in children.read_text(encoding="ascii").split()]


def _die_with_parent() -> None:
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
