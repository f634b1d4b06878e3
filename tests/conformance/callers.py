"""The official SDKs as hosts, each in a process of its own, and what they write to our server."""

import json
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from tests.conformance.node import node
from tests.integration.stdio import Host

HERE = Path(__file__).parent
CLOSES_WITHIN = 20

Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Sdk:
    """An SDK of a language, in a version of it, that negotiates in a way of its own."""

    name: str
    language: str
    mode: str
    version: str = ""

    def command(self, packages: Path | None) -> list[str]:
        """What starts a host on it; `packages` is where npm put those that a host in TypeScript needs."""
        if packages is None:
            return [sys.executable, str(HERE / "caller.py"), self.mode]
        return [str(node()), str(HERE / "caller.mjs"), str(packages), self.version, self.mode]


@dataclass
class Caller:
    """A host's process. What it writes to the server is kept in a file."""

    host: Host
    wire: Path
    calls: int = 0
    told: dict[int, Json] = field(default_factory=dict[int, Json])

    def call(self, tool: str, arguments: Json | None = None, **how: float) -> int:
        """Start a call; its number. `how` says which time-out of how many seconds: `option` or `clock`."""
        self.calls += 1
        self._tell({"call": self.calls, "tool": tool, "arguments": arguments or {}, **how})
        return self.calls

    def abort(self, number: int, words: str | None = None) -> None:
        """Take a call back, as a person does who presses Stop."""
        self._tell({"abort": number} | ({"words": words} if words else {}))

    def outcomes(self, *numbers: int) -> list[Json]:
        """What came of calls, once it has come of all of them."""
        lines = self.host.frames()
        while not self.told.keys() >= set(numbers):
            line = next(lines)
            self.told[line["call"]] = line
        return [self.told[number] for number in numbers]

    def close(self) -> tuple[int, str]:
        """Have it close its connection and end, whatever it waits for: its status and its stderr."""
        assert self.host.process.stdin is not None
        self.host.process.stdin.close()
        self.host.process.stdin = None
        return self.host.ended(CLOSES_WITHIN)

    def era(self) -> str:
        """What it negotiated."""
        methods = {frame["method"] for frame in self._frames()}
        return "legacy" if "initialize" in methods else "modern"

    def reasons(self) -> dict[str, str]:
        """The reasons it gave for taking calls back, by the message of the call."""
        frames = list(self._frames())
        messages = {
            frame["id"]: frame["params"]["arguments"]["message"]
            for frame in frames
            if frame.get("params", {}).get("name") == "send_message"
        }
        cancels = [frame["params"] for frame in frames if frame["method"] == "notifications/cancelled"]
        return {messages[params["requestId"]]: params["reason"] for params in cancels}

    def _frames(self) -> Iterator[Json]:
        return (json.loads(line) for line in self.wire.read_text("utf-8").splitlines())

    def _tell(self, line: Json) -> None:
        assert self.host.process.stdin is not None
        self.host.process.stdin.write(json.dumps(line).encode() + b"\n")
        self.host.process.stdin.flush()


@contextmanager
def open_caller(sdk: Sdk, packages: Path | None, wire: Path, *arguments: str) -> Generator[Caller]:
    """A host that has started our server with these arguments."""
    # Appended, because a host may start the server twice: once to ask which era it is of.
    server = ["sh", "-c", 'tee -a "$0" | "$@"', str(wire), sys.executable, "-m", "letta_conv_mcp", *arguments]
    process = subprocess.Popen(
        [*sdk.command(packages), *server], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with Host(process, answers_within=30) as host:
        yield Caller(host, wire)
