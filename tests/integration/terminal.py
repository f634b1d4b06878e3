"""The chat in a real pseudo-terminal, and its screen as a person sees it."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import pyte

COLUMNS = 100
ROWS = 40
SHOWS_WITHIN = 20.0
ENTER = "\r"
CTRL_C = "\x03"
CTRL_D = "\x04"


class _Screen(pyte.Screen):
    """A screen that answers as terminals do: prompt_toolkit asks it where the cursor is."""

    def __init__(self, master: int) -> None:
        super().__init__(COLUMNS, ROWS)
        self._master = master

    def write_process_input(self, data: str) -> None:
        os.write(self._master, data.encode())


class Terminal:
    """A person at a terminal: they type, and look at the screen."""

    def __init__(self, master: int, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        self.screen = _Screen(master)
        self.written = b""
        """Everything that the program wrote, with all that moves the cursor."""
        self._master = master
        self._stream = pyte.ByteStream(self.screen)

    @property
    def lines(self) -> list[str]:
        """What the screen shows, without empty lines."""
        return [line.rstrip() for line in self.screen.display if line.strip()]

    @property
    def text(self) -> str:
        """What the screen shows."""
        return "\n".join(self.lines)

    def say(self, line: str) -> None:
        """Type a line and press Enter."""
        self.press(f"{line}{ENTER}")

    def press(self, keys: str) -> None:
        """Press keys."""
        os.write(self._master, keys.encode())

    def until(self, is_shown: str | Callable[[], bool]) -> None:
        """Wait until the screen shows some words, or is as wanted."""
        deadline = time.monotonic() + SHOWS_WITHIN
        while not (is_shown in self.text if isinstance(is_shown, str) else is_shown()):
            assert self._read(deadline), f"Waited for {is_shown!r} in vain:\n{self.text}"

    def until_prompt(self) -> None:
        """Wait until the next line can be typed."""
        self.until(lambda: bool(self.lines) and self.lines[-1].endswith(" >"))

    def until_end(self) -> int:
        """Wait until the program has ended. Returns its exit status."""
        # Our own end of the terminal stays open, so that nothing is reset when the program closes it.
        ended = os.pidfd_open(self.process.pid)
        try:
            deadline = time.monotonic() + SHOWS_WITHIN
            while self._read(deadline, ended):
                pass
        finally:
            os.close(ended)
        return self.process.wait(SHOWS_WITHIN)

    def looks_of(self, words: str) -> pyte.screens.Char:
        """How the first letter of some words on the screen looks."""
        row = next(number for number, line in enumerate(self.screen.display) if words in line)
        return self.screen.buffer[row][self.screen.display[row].index(words)]

    def modes(self) -> list[Any]:
        """The modes of the terminal, as `stty` shows them."""
        return termios.tcgetattr(self._master)

    def _read(self, deadline: float, *ends: int) -> bool:
        """Take in what comes next. Returns False where nothing does any more."""
        readable, _, _ = select.select([self._master, *ends], [], [], max(0, deadline - time.monotonic()))
        if self._master not in readable:
            return False
        piece = os.read(self._master, 65536)
        self.written += piece
        self._stream.feed(piece)
        return True


@contextmanager
def chatting(base_url: str | None, *arguments: str, **more: str) -> Generator[Terminal]:
    """`letta-conv-mcp chat` in a terminal of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LETTA_")}
    environment = {**kept, "LETTA_BASE_URL": base_url or "", "TERM": "xterm-256color", **more}
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "letta_conv_mcp", "chat", *arguments],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=environment,
        # Its terminal is its controlling one, so that Ctrl-C is a signal where nobody holds it raw.
        preexec_fn=lambda: (os.setsid(), fcntl.ioctl(0, termios.TIOCSCTTY, 0)),
    )
    terminal = Terminal(master, process)
    try:
        yield terminal
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()
        os.close(slave)
        os.close(master)
