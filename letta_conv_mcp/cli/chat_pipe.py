"""No terminal: a script that writes lines and reads words. What goes wrong goes to stderr."""

import asyncio
import math
import os
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from threading import Thread

import anyio
from anyio.streams.memory import MemoryObjectSendStream

from letta_conv_mcp.cli.chat_text import Piece


class PipeScreen:
    """Lines from stdin, words to stdout without colours."""

    can_ask = False

    def __init__(self) -> None:
        self.has_failed = False
        self._send, self._lines = anyio.create_memory_object_stream[str](math.inf)
        if sys.stdin is None:  # pyright: ignore[reportUnnecessaryComparison]
            # Started without one: its number may be some other file's by now.
            self._send.close()
            return
        # A daemon, since nothing can end a read; and not on sys.stdin, which the interpreter closes when it ends.
        Thread(target=_read, args=(asyncio.get_running_loop(), self._send), daemon=True).start()

    def show(self, pieces: Sequence[Piece]) -> None:
        try:
            print("".join(text for _, text in pieces), end="", flush=True)
        except BrokenPipeError:
            # Nobody reads any more. What Python still holds for stdout must not fail again at the end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            self.has_failed = True
            self.leave()

    def status(self, line: str | None) -> None:
        del line

    def wrong(self, sentence: str) -> None:
        print(sentence, file=sys.stderr, flush=True)
        self.has_failed = True

    async def line(self, prompt: Sequence[Piece]) -> str:
        del prompt
        try:
            return await self._lines.receive()
        except (anyio.EndOfStream, anyio.ClosedResourceError):
            raise EOFError from None

    async def ask(self, question: str) -> str:
        del question
        raise EOFError

    @contextmanager
    def quiet(self) -> Generator[None]:
        yield

    def leave(self) -> bool:
        self._send.close()
        self._lines.close()
        return False


def _read(loop: asyncio.AbstractEventLoop, lines: MemoryObjectSendStream[str]) -> None:
    def put(line: str) -> None:
        # The chat may have been left meanwhile.
        with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
            lines.send_nowait(line)

    # The loop may be over, too.
    with suppress(RuntimeError):
        with open(0, encoding="utf-8", errors="replace", closefd=False) as stdin:
            for line in stdin:
                loop.call_soon_threadsafe(put, line)
        loop.call_soon_threadsafe(lines.close)
