"""Processes as Linux shows them: their end as an event, their memory, what waits in their pipes."""

import fcntl
import os
import select
import struct
import termios
from pathlib import Path
from typing import IO


def wait_until_gone(pid: int, within: float) -> None:
    """Until a process has ended, whoever its parent is."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        ended, _, _ = select.select([process], [], [], within)
    finally:
        os.close(process)
    assert ended, f"Process {pid} still runs after {within:g} s."


def processes_with(variable: str, value: str) -> list[int]:
    """The running processes that were started with this in their environment."""
    wanted = f"{variable}={value}".encode()
    numbers = (entry for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [int(entry.name) for entry in numbers if wanted in _environment(entry)]


def memory_of(pid: int) -> int:
    """The bytes of memory that a process has in use (its resident set)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def unread_bytes(pipe: IO[bytes]) -> int:
    """How much waits in a pipe for its reader."""
    (count,) = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))
    return count


def _environment(process: Path) -> list[bytes]:
    try:
        return (process / "environ").read_bytes().split(b"\0")
    except OSError:
        # It has ended meanwhile, or belongs to somebody else.
        return []
