"""A server process on its raw pipes, without a client library's time in between.

The first request decides the connection's era: `initialize` the older one, an enveloped request the modern one.
"""

import json
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import IO, Any, TypeAlias

Json: TypeAlias = dict[str, Any]

OURS = "letta_conv_mcp"
BARE = "bench.bare"
NOWHERE = "http://127.0.0.1:9"
"""Nothing listens there, and starting must not mind."""

LEGACY, MODERN = "2025-11-25", "2026-07-28"
EXIT_SECONDS = 10
_CLIENT = {"name": "bench", "version": "1"}
_ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": _CLIENT,
}
INITIALIZE = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": _CLIENT}


class Wire:
    """The two ends that a host holds."""

    def __init__(self, process: subprocess.Popen[bytes], stdin: IO[bytes], stdout: IO[bytes]) -> None:
        self._process = process
        self._stdin = stdin
        self._stdout = stdout

    def ask(self, request: bytes) -> bytes:
        """The line that answers; it must be a result."""
        self._stdin.write(request)
        self._stdin.flush()
        line = self._stdout.readline()
        if not line.startswith(b"{") or "result" not in json.loads(line):
            raise RuntimeError(f"The server answered {request!r} with {line!r}.")
        return line

    def tell(self, method: str) -> None:
        """A notification."""
        self._stdin.write(_line({"jsonrpc": "2.0", "method": method}))
        self._stdin.flush()

    def kill(self) -> None:
        """End the process before it can do anything more."""
        self._process.kill()


@contextmanager
def open_server(
    module: str, *flags: str, arguments: Sequence[str] = (), stderr: IO[bytes] | int = subprocess.DEVNULL
) -> Generator[Wire]:
    """A server process, started with the same interpreter and environment whichever module it is."""
    command = [sys.executable, *flags, "-m", module, *arguments]
    environment = {"PATH": "/usr/bin:/bin", "LETTA_BASE_URL": NOWHERE}
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, env=environment)
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("The server process has no pipes.")
    with process.stdin, process.stdout:
        try:
            yield Wire(process, process.stdin, process.stdout)
        finally:
            process.stdin.close()
            try:
                process.wait(EXIT_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def request(method: str, params: Json | None = None, *, era: str) -> bytes:
    """A request's line, in the envelope where the era wants one."""
    envelope = {"_meta": _ENVELOPE} if era == MODERN else {}
    return _line({"jsonrpc": "2.0", "id": 1, "method": method, "params": {**(params or {}), **envelope}})


def opening(era: str) -> bytes:
    """What a host sends first."""
    return request("server/discover", era=era) if era == MODERN else request("initialize", INITIALIZE, era=era)


def compact(value: object) -> bytes:
    """JSON as the SDK writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _line(message: Json) -> bytes:
    return compact(message) + b"\n"
