"""A host's connection in either era, on which calls are made without waiting for them."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tests.integration.stdio import ENVELOPE, Host, started

Json: TypeAlias = dict[str, Any]


@dataclass
class Line:
    """What a host does on its line to our server."""

    host: Host
    meta: Json
    answers: dict[int, Json] = field(default_factory=dict[int, Json])

    def call(self, tool: str, *, is_watched: bool = False, **arguments: Any) -> int:
        """Start a call; its id. One that is watched has its reply streamed word by word."""
        meta = self.meta | ({"progressToken": "p"} if is_watched else {})
        return self.host.send("tools/call", {"name": tool, "arguments": arguments, "_meta": meta})

    def say(self, conversation_id: str, message: str, **more: Any) -> int:
        """Start to say something."""
        return self.call("send_message", conversation_id=conversation_id, message=message, **more)

    def take_back(self, request_id: object, reason: object) -> None:
        """Cancel a call, and go on when the server has read that; None gives no reason."""
        self.write(self.cancel(request_id, reason))
        self.catch_up()

    def cancel(self, request_id: object, reason: object = None) -> str:
        """The frame that cancels a request."""
        params = {"requestId": request_id, "_meta": self.meta} | ({} if reason is None else {"reason": reason})
        return json.dumps({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})

    def write(self, *frames: str) -> None:
        """Write frames as they are, all at once."""
        assert self.host.process.stdin is not None
        self.host.process.stdin.write("".join(f"{frame}\n" for frame in frames).encode())
        self.host.process.stdin.flush()

    def catch_up(self) -> None:
        """Go on when the server has read all that was written before."""
        self.answer(self.host.send("tools/list", {"_meta": self.meta}))

    def answer(self, request_id: int) -> Json:
        """The answer to a request, in whatever order they come."""
        frames = self.host.frames()
        while request_id not in self.answers:
            frame = next(frames)
            if "id" in frame:
                self.answers[frame["id"]] = frame
        return self.answers[request_id]

    def reply(self, request_id: int) -> Json:
        """What a tool returned."""
        return self.answer(request_id)["result"]["structuredContent"]

    def hang_up(self) -> None:
        """Close our end."""
        assert self.host.process.stdin is not None
        self.host.process.stdin.close()
        self.host.process.stdin = None


@contextmanager
def open_line(base_url: str, *arguments: str, is_modern: bool = False) -> Generator[Line]:
    """A server of its own for one host, which has said hello."""
    with started(base_url, *arguments) as host:
        line = Line(host, ENVELOPE if is_modern else {})
        if not is_modern:
            host.initialize()
        line.catch_up()
        yield line
