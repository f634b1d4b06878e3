"""What stands before the fake Letta: it notes every request, asks for the password, and lets things go wrong."""

import asyncio
import json
import socket
import struct
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.fake.faults import Answer, Close, Delay, Ending, Fault, Hang, Piece, WaitFor
from tests.fake.holds import Holds, Watch


@dataclass
class Seen:
    """A request as it came in, and what became of it."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: Any
    """Parsed, if it is JSON."""
    state: Literal["open", "answered", "abandoned"] = "open"
    """Abandoned: the client went away before the answer was over."""
    status: int | None = None


@dataclass
class Rule:
    method: str
    path: str
    faults: tuple[Fault, ...]
    times: int | None

    def fits(self, seen: Seen) -> bool:
        return self.times != 0 and self.method in {"*", seen.method} and fnmatchcase(seen.path, self.path)


@dataclass
class Gate:
    app: ASGIApp
    holds: Holds
    watch: Watch
    password: str | None = None
    seen: list[Seen] = field(default_factory=list[Seen])
    rules: list[Rule] = field(default_factory=list[Rule])
    open: dict["Exchange", asyncio.Task[Any] | None] = field(default_factory=dict["Exchange", asyncio.Task[Any] | None])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        raw = await _body(receive)
        exchange = Exchange(_seen(scope, raw), raw, receive, send, self.holds, self.watch)
        self.seen.append(exchange.seen)
        self.watch.notify()
        exchange.faults = self._faults_for(exchange.seen)
        self.open[exchange] = asyncio.current_task()
        try:
            await exchange.go_wrong(is_received=False)
            if self._is_allowed(exchange.seen):
                await self.app(scope, exchange.receive, exchange.send)
            else:
                await exchange.answer(Answer(401, {"detail": "Unauthorized"}))
        except AnswerOver:
            pass
        finally:
            del self.open[exchange]
            exchange.end()

    def break_all(self) -> None:
        """Every connection on which something is asked breaks, and nobody works on an answer any more."""
        for exchange, task in self.open.items():
            exchange.close(by_reset=False)
            if task:
                task.cancel()

    def _faults_for(self, seen: Seen) -> tuple[Fault, ...]:
        rule = next((rule for rule in self.rules if rule.fits(seen)), None)
        if rule and rule.times is not None:
            rule.times -= 1
        return rule.faults if rule else ()

    def _is_allowed(self, seen: Seen) -> bool:
        if self.password is None or seen.path == "/v1/health/":
            return True
        bare = seen.headers.get("x-bare-password") == f"password {self.password}"
        return bare or seen.headers.get("authorization") == f"Bearer {self.password}"


class AnswerOver(Exception):
    """A fault has dealt with the request for good."""


@dataclass(eq=False)
class Exchange:
    """One request and its answer, on the way through the gate."""

    seen: Seen
    raw: bytes
    client_receive: Receive
    client_send: Send
    holds: Holds
    watch: Watch
    faults: tuple[Fault, ...] = ()
    frames: int = 0
    is_read: bool = False
    ending: Ending | None = None

    async def receive(self) -> Message:
        if not self.is_read:
            self.is_read = True
            return {"type": "http.request", "body": self.raw, "more_body": False}
        message = await self.client_receive()
        self.end()
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.seen.status = message["status"]
            await self.go_wrong(is_received=True)
            await self.client_send(message)
            return
        for piece in self._edited(message.get("body", b"")):
            await self._send_piece(piece)
        if message.get("more_body") or self.ending is Ending.CUT:
            return
        if self.ending is Ending.STAY:
            await self._outlast()
        await self.client_send({"type": "http.response.body", "body": b"", "more_body": False})
        if self.seen.state == "open":
            self.seen.state = "answered"
        self.watch.notify()

    async def go_wrong(self, *, is_received: bool) -> None:
        """Plays the faults of this moment: before Letta sees the request, or before its answer goes out."""
        for fault in self.faults:
            match fault:
                case Answer() if not is_received:
                    await self.answer(fault)
                    raise AnswerOver
                case Delay(seconds, when) if when == is_received:
                    await asyncio.sleep(seconds)
                case WaitFor(name, when) if when == is_received:
                    await self.holds.wait(name)
                case Hang(when) if when == is_received:
                    await self._outlast()
                    raise AnswerOver
                case Close(when, by_reset) if when == is_received:
                    self.close(by_reset=by_reset)
                    raise AnswerOver
                case _:
                    pass

    async def answer(self, answer: Answer) -> None:
        body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        headers = {"content-type": "application/json", **answer.headers, "content-length": str(len(body))}
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        self.seen.status = answer.status
        await self.client_send({"type": "http.response.start", "status": answer.status, "headers": raw})
        await self.client_send({"type": "http.response.body", "body": body, "more_body": False})
        self.seen.state = "answered"

    def end(self) -> None:
        if self.seen.state == "open":
            self.seen.state = "abandoned"
        self.watch.notify()

    def _edited(self, frame: bytes) -> list[Piece]:
        pieces: list[Piece] = [frame] if frame else []
        for fault in self.faults if frame else ():
            pieces = [
                edited
                for piece in pieces
                for edited in (fault.edit(self.frames, piece) if isinstance(piece, bytes) else (piece,))
            ]
        self.frames += bool(frame)
        return pieces

    async def _send_piece(self, piece: Piece) -> None:
        if self.ending is not None:
            return
        if isinstance(piece, bytes):
            await self.client_send({"type": "http.response.body", "body": piece, "more_body": True})
            return
        self.ending = piece
        if piece is Ending.CUT:
            self.close(by_reset=False)

    async def _outlast(self) -> None:
        """Waits until the client has had enough."""
        while (await self.client_receive())["type"] != "http.disconnect":
            pass
        self.end()

    def close(self, *, by_reset: bool) -> None:
        # Uvicorn offers no way to drop a connection; its request cycle, whose method `send` is, holds the transport.
        transport: asyncio.Transport = getattr(self.client_send, "__self__").transport  # noqa: B009
        if by_reset:
            connection: socket.socket = transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        else:
            transport.close()


def _seen(scope: Scope, raw: bytes) -> Seen:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    try:
        body = json.loads(raw) if raw else None
    except ValueError:
        body = raw.decode(errors="replace")
    return Seen(scope["method"], scope["path"], parse_qs(scope["query_string"].decode()), headers, body)


async def _body(receive: Receive) -> bytes:
    raw, more = b"", True
    while more:
        message = await receive()
        raw += message.get("body", b"")
        more = message.get("more_body", False)
    return raw
