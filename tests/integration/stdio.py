"""Our server as a real process, spoken to over real pipes, line by line."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, Self

ANSWERS_WITHIN = 20.0
ENVELOPE: dict[str, Any] = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}


class Host:
    """What a host does: it writes frames and reads frames, and keeps every byte of stdout."""

    def __init__(self, process: "subprocess.Popen[bytes]", *, answers_within: float = ANSWERS_WITHIN) -> None:
        self.process = process
        self._answers_within = answers_within
        self.stdout = b""
        self._unread = b""
        self._id = 0

    def send(self, method: str, params: dict[str, Any] | None = None, *, notification: bool = False) -> int:
        """Write a frame; its id."""
        frame: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": params or {}}
        if not notification:
            self._id += 1
            frame["id"] = self._id
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(frame).encode() + b"\n")
        self.process.stdin.flush()
        return self._id

    def answer(self, request_id: int) -> dict[str, Any]:
        """The answer to a request; what comes before it is passed over."""
        return next(frame for frame in self.frames() if frame.get("id") == request_id)

    def frames(self) -> Iterator[dict[str, Any]]:
        """Frames as they come, until stdout ends."""
        while line := self._line():
            yield json.loads(line)

    def ask(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send a request and read its result."""
        frame = self.answer(self.send(method, params))
        assert "result" in frame, frame
        return frame["result"]

    def initialize(self, version: str = "2025-11-25") -> dict[str, Any]:
        """Open a connection of the older era."""
        client = {"name": "test", "version": "1"}
        result = self.ask("initialize", {"protocolVersion": version, "capabilities": {}, "clientInfo": client})
        self.send("notifications/initialized", notification=True)
        return result

    def ended(self, within: float) -> tuple[int, str]:
        """Wait for the process to end: its status, and what it wrote to stderr."""
        rest, errors = self.process.communicate(timeout=within)
        # Nothing, where the test has closed our end.
        self.stdout += rest or b""
        return self.process.returncode, errors.decode()

    def _line(self) -> bytes:
        assert self.process.stdout is not None
        deadline = time.monotonic() + self._answers_within
        while b"\n" not in self._unread:
            readable, _, _ = select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))
            assert readable, "The server did not answer in time."
            chunk = os.read(self.process.stdout.fileno(), 65536)
            if not chunk:
                return b""
            self.stdout += chunk
            self._unread += chunk
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


@contextmanager
def started(base_url: str | None, *arguments: str, stdin: Any = subprocess.PIPE) -> Generator[Host]:
    """Our server, started as a host's configuration starts it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LETTA_")}
    if base_url is not None:
        environment["LETTA_BASE_URL"] = base_url
    process = subprocess.Popen(
        [sys.executable, "-m", "letta_conv_mcp", *arguments],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
    with Host(process) as host:
        yield host
