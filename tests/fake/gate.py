"""What stands before the fake Letta: it notes every request, asks for the password, and lets things go wrong."""

import asyncio
import json
import socket
import struct
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.fake.faults import Answer, Close, Delay, Ending, Fault, Hang, Late, Pause, Piece, WaitFor
from tests.fake.holds import Holds, Watch
from tests.fake.seen import Rule, Seen, seen_from_scope


@dataclass
class Gate:
    app: ASGIApp
    holds: Holds
    watch: Watch
    password: str | None = None
    seen: list[Seen] = field(default_factory=list[Seen])
    rules: list[Rule] = field(default_factory=list[Rule])
    open: dict["Exchange", asyncio.Task[Any] | None] = field(default_factory=dict["Exchange", asyncio.Task[Any] | None])
    """What somebody behind the gate is busy with, even if its client has gone."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        raw = await _body(receive)
        exchange = Exchange(seen_from_scope(scope, raw), raw, receive, send, self.holds, self.watch)
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
        except Gone:
            exchange.close(Ending.CUT)
        finally:
            del self.open[exchange]
            exchange.end()

    def break_all(self) -> None:
        """Every connection on which something is asked breaks, and nobody works on an answer any more."""
        for exchange, task in self.open.items():
            exchange.close(Ending.CUT)
            if task:
                task.cancel()

    def _faults_for(self, seen: Seen) -> tuple[Fault, ...]:
        rule = next((rule for rule in self.rules if rule.fits(seen)), None)
        if rule and rule.times is not None:
            rule.times -= 1
            if rule.times == 0:
                self.rules.remove(rule)
        return rule.faults if rule else ()

    def _is_allowed(self, seen: Seen) -> bool:
        if self.password is None or seen.path == "/v1/health/":
            return True
        bare = seen.headers.get("x-bare-password") == f"password {self.password}"
        return bare or seen.headers.get("authorization") == f"Bearer {self.password}"


class AnswerOver(Exception):
    """A fault has dealt with the request for good."""


class Gone(Exception):
    """Raised by what is behind the gate: it can't go on, and the connection closes."""


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
    is_read: bool = False
    has_left: bool = False
    """The client was sent away by a fault, and what is behind the gate shall not know."""
    ending: Ending | None = None

    async def receive(self) -> Message:
        if not self.is_read:
            self.is_read = True
            return {"type": "http.request", "body": self.raw, "more_body": False}
        if self.has_left:
            await asyncio.Event().wait()
        message = await self.client_receive()
        self.end()
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.seen.status = message["status"]
        if self.has_left:
            return
        if message["type"] == "http.response.start":
            await self.go_wrong(is_received=True)
            await self.client_send(message)
            return
        for piece in self._edited(message.get("body", b"")):
            await self._send_piece(piece)
        if message.get("more_body") or self.ending not in (None, Ending.STAY):
            return
        if self.ending is Ending.STAY:
            await self._outlast()
        await self._finish()

    async def go_wrong(self, *, is_received: bool) -> None:
        """Plays the faults of this moment: before Letta sees the request, or before its answer goes out."""
        for fault in self.faults:
            match fault:
                case Answer() if fault.is_received == is_received:
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
                    self.close(Ending.RESET if by_reset else Ending.CUT)
                    raise AnswerOver
                case Late(seconds, by_reset) if not is_received:
                    self.close(Ending.RESET if by_reset else Ending.CUT)
                    self.has_left = True
                    await asyncio.sleep(seconds)
                case _:
                    pass

    async def answer(self, answer: Answer) -> None:
        body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        promised = len(body) + answer.is_cut
        headers = {"content-type": "application/json", **answer.headers, "content-length": str(promised)}
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        self.seen.status = answer.status
        await self.client_send({"type": "http.response.start", "status": answer.status, "headers": raw})
        await self.client_send({"type": "http.response.body", "body": body, "more_body": answer.is_cut})
        if answer.is_cut:
            self.close(Ending.CUT)
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
                for edited in (fault.edit(len(self.seen.frames), piece) if isinstance(piece, bytes) else (piece,))
            ]
        if frame:
            self.seen.frames.append(len(frame))
        return pieces

    async def _send_piece(self, piece: Piece) -> None:
        if self.ending is not None:
            return
        match piece:
            case bytes():
                await self.client_send({"type": "http.response.body", "body": piece, "more_body": True})
            case Pause(seconds, name):
                await asyncio.sleep(seconds)
                if name is not None:
                    await self.holds.wait(name)
            case Ending.STAY:
                self.ending = piece
            case Ending.OVER:
                self.ending = piece
                await self._finish()
            case _:
                self.ending = piece
                self.close(piece)

    async def _finish(self) -> None:
        await self.client_send({"type": "http.response.body", "body": b"", "more_body": False})
        if self.seen.state == "open":
            self.seen.state = "answered"
        self.watch.notify()

    async def _outlast(self) -> None:
        """Waits until the client has had enough."""
        while (await self.client_receive())["type"] != "http.disconnect":
            pass
        self.end()

    def close(self, ending: Ending) -> None:
        """Closes the connection: politely, abruptly or with a reset."""
        # Uvicorn offers no way to drop a connection; its request cycle, whose method `send` is, holds the transport.
        transport: asyncio.Transport = getattr(self.client_send, "__self__").transport  # noqa: B009
        if ending is Ending.CUT:
            transport.close()
            return
        if ending is Ending.RESET:
            connection: socket.socket = transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()


async def _body(receive: Receive) -> bytes:
    raw, more = b"", True
    while more:
        message = await receive()
        raw += message.get("body", b"")
        more = message.get("more_body", False)
    return raw
