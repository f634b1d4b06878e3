"""A host with many calls open at once, on the raw pipes of a server process.

What comes is read and timed by a thread of its own, so that nothing waits for the driver.
"""

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from time import perf_counter
from typing import IO, Any

from bench.wire import INITIALIZE, OURS, Json, compact
from tests.integration.processes import memory_of

EXIT_SECONDS = 10
CHUNK = 65536


class Crowd:
    """The host's ends, and what came through them.

    Attributes:
        told: how many progress notifications came, by request.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", stdin: IO[bytes], stdout: IO[bytes]) -> None:
        self.told: Counter[int] = Counter()
        self._process = process
        self._stdin = stdin
        self._stdout = stdout
        self._begun: dict[int, float] = {}
        self._ended: dict[int, float] = {}
        self._results: dict[int, Json] = {}
        self._news = threading.Condition()
        self._may_read = threading.Event()
        self._may_read.set()
        threading.Thread(target=self._read, name="crowd", daemon=True).start()

    @property
    def memory(self) -> int:
        """The bytes that the server has in use."""
        return memory_of(self._process.pid)

    def start(self, tool: str, arguments: Json, *, is_watched: bool = False) -> int:
        """Call a tool, and don't wait; the request's number."""
        number = len(self._begun) + 1
        meta = {"_meta": {"progressToken": number}} if is_watched else {}
        self._begun[number] = perf_counter()
        self._write("tools/call", {"name": tool, "arguments": arguments, **meta}, number)
        return number

    def result(self, number: int, within: float = 60) -> Json:
        """What the call returned; it must not fail."""
        self.wait_until(lambda: number in self._results, within)
        result = self._results[number]
        if result.get("isError", True):
            raise RuntimeError(f"Call {number} failed: {result}")
        return result["structuredContent"]

    def call(self, tool: str, **arguments: Any) -> Json:
        """Call a tool and wait for what it returns."""
        return self.result(self.start(tool, arguments))

    def is_over(self, number: int) -> bool:
        """Whether the call was answered."""
        return number in self._results

    def milliseconds(self, number: int) -> float:
        """From the call to its answer."""
        return (self._ended[number] - self._begun[number]) * 1000

    def wait_until(self, is_so: Callable[[], bool], within: float) -> None:
        """Until something that depends on what came is so."""
        with self._news:
            if not self._news.wait_for(is_so, within):
                raise RuntimeError(f"It did not happen within {within:g} s.")

    @contextmanager
    def deaf(self) -> Generator[None]:
        """Within it nothing is read but what is on the way already."""
        self._may_read.clear()
        try:
            yield
        finally:
            self._may_read.set()

    def open(self) -> None:
        """Open the connection."""
        self._begun[0] = perf_counter()
        self._write("initialize", INITIALIZE, 0)
        self.wait_until(lambda: 0 in self._results, EXIT_SECONDS)
        self._write("notifications/initialized", {})

    def _write(self, method: str, params: Json, number: int | None = None) -> None:
        about = {} if number is None else {"id": number}
        self._stdin.write(compact({"jsonrpc": "2.0", **about, "method": method, "params": params}) + b"\n")
        self._stdin.flush()

    def _read(self) -> None:
        unread = b""
        while self._may_read.wait() and (chunk := os.read(self._stdout.fileno(), CHUNK)):
            now = perf_counter()
            *lines, unread = (unread + chunk).split(b"\n")
            with self._news:
                for line in lines:
                    self._note(json.loads(line), now)
                self._news.notify_all()

    def _note(self, frame: Json, now: float) -> None:
        if "id" in frame:
            self._results[frame["id"]], self._ended[frame["id"]] = frame.get("result", {}), now
        else:
            self.told[frame["params"]["progressToken"]] += 1


@contextmanager
def open_crowd(base_url: str) -> Generator[Crowd]:
    """A server process of ours before a Letta, and a host that is connected to it."""
    environment = {"PATH": os.defpath, "LETTA_BASE_URL": base_url}
    process = subprocess.Popen(
        [sys.executable, "-m", OURS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    )
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("The server process has no pipes.")
    try:
        crowd = Crowd(process, process.stdin, process.stdout)
        crowd.open()
        yield crowd
    finally:
        process.stdin.close()
        try:
            process.wait(EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
