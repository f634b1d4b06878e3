"""Serving one host over stdin and stdout.

The SDK's own transport reads stdin in a thread that no signal can interrupt: Ctrl-C hangs, and SIGTERM kills
without clean-up. On POSIX the two ends are therefore given to the event loop. Where that can't be done (Windows,
a regular file or /dev/null as stdin) the SDK's transport serves.
"""

import asyncio
import logging
import os
import signal
import stat
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Self, cast

import anyio
from anyio import AsyncFile
from mcp.server.mcpserver import MCPServer
from mcp.server.stdio import stdio_server

from letta_conv_mcp.cancels import Cancels

_logger = logging.getLogger(__name__)

LONGEST_LINE = 64 * 1024 * 1024
LAST_FRAMES_SECONDS = 0.5


def run_stdio(server: MCPServer[Any], cancels: Cancels) -> int:
    """Serve until the host is done. Returns the exit status.

    Args:
        server: what is served.
        cancels: where the host's cancellations are noted with their reasons.
    """
    if sys.stdin is None or sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison]
        print("letta-conv-mcp: MCP is served on stdin and stdout, and one of them is closed.", file=sys.stderr)
        return 2
    if sys.stdin.isatty():
        print("Serving MCP on stdin and stdout; a host is meant to start this. Ctrl-C ends it.", file=sys.stderr)
    anyio.run(serve_stdio, server, cancels)
    return 0


async def serve_stdio(server: MCPServer[Any], cancels: Cancels) -> None:
    """Serve until stdin ends or SIGINT or SIGTERM comes. Open runs go on in Letta."""
    if not _can_use_pipes():
        # Its frames can't be read along, so what the host cancels goes on in Letta too.
        await server.run_stdio_async()
        return
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(_cancel_on_signal, scope)
            await _serve_pipes(server, cancels, scope.cancel)
            scope.cancel()


async def _serve_pipes(server: MCPServer[Any], cancels: Cancels, on_broken_pipe: Callable[[], None]) -> None:
    lowlevel = server._lowlevel_server  # noqa: SLF001 - the SDK serves other streams than its own only from here
    with _private_stdio() as (stdin, stdout):
        async with _pipes(stdin, stdout, cancels, on_broken_pipe) as (lines, output):
            # stdio_server asks no more of its files than these two classes have.
            files = cast("AsyncFile[str]", lines), cast("AsyncFile[str]", output)
            async with stdio_server(*files) as (read_stream, write_stream):
                await lowlevel.run(read_stream, write_stream, lowlevel.create_initialization_options())


async def _cancel_on_signal(scope: anyio.CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for number in signals:
            _logger.info("Stopping on %s.", signal.Signals(number).name)
            scope.cancel()
            return


def _can_use_pipes() -> bool:
    if sys.platform == "win32":
        return False
    try:
        return all(_is_pollable(fd) for fd in (0, 1))
    except OSError:
        return False


def _is_pollable(fd: int) -> bool:
    mode = os.fstat(fd).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(fd)


@contextmanager
def _private_stdio() -> Generator[tuple[int, int]]:
    """Private copies of stdin and stdout; meanwhile stray reads get nothing and stray prints go to stderr."""
    stdin, stdout = os.dup(0), os.dup(1)
    was_blocking = os.get_blocking(0), os.get_blocking(1)
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123 - a descriptor is wanted
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    try:
        yield stdin, stdout
    finally:
        sys.stdout.flush()
        os.dup2(stdin, 0)
        os.dup2(stdout, 1)
        # The event loop made them non-blocking, and a terminal shares that with the shell.
        os.set_blocking(0, was_blocking[0])
        os.set_blocking(1, was_blocking[1])
        os.close(stdin)
        os.close(stdout)


@asynccontextmanager
async def _pipes(
    stdin: int, stdout: int, cancels: Cancels, on_broken_pipe: Callable[[], None]
) -> AsyncGenerator[tuple["_Lines", "_Output"]]:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=LONGEST_LINE)
    incoming, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(os.dup(stdin), "rb", buffering=0)
    )
    outgoing, protocol = await loop.connect_write_pipe(
        asyncio.streams.FlowControlMixin, os.fdopen(os.dup(stdout), "wb", buffering=0)
    )
    writer = asyncio.StreamWriter(outgoing, protocol, None, loop)
    try:
        # A host that closes stdin and doesn't read what it asked for must not keep us.
        yield (
            _Lines(reader, cancels, lambda: loop.call_later(LAST_FRAMES_SECONDS, on_broken_pipe)),
            _Output(writer, on_broken_pipe),
        )
    finally:
        incoming.close()
        # Frames that the host has not read yet are its loss: it asked for the end, or is gone. A pipe that it broke
        # is closed already.
        if not outgoing.is_closing():
            outgoing.abort()


class _Lines:
    """Frames from the host: what `stdio_server` asks of a file to read."""

    def __init__(self, reader: asyncio.StreamReader, cancels: Cancels, on_end: Callable[[], object]) -> None:
        self._reader = reader
        self._cancels = cancels
        self._on_end = on_end

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        line = await self._reader.readline()
        if not line:
            self._on_end()
            raise StopAsyncIteration
        text = line.decode("utf-8", errors="replace")
        # Before the SDK cancels the handler, which will ask why.
        self._cancels.read(text)
        return text


class _Output:
    """Frames to the host: what `stdio_server` asks of a file to write."""

    def __init__(self, writer: asyncio.StreamWriter, on_broken_pipe: Callable[[], None]) -> None:
        self._writer = writer
        self._on_broken_pipe = on_broken_pipe

    async def write(self, text: str) -> None:
        self._writer.write(text.encode("utf-8"))

    async def flush(self) -> None:
        try:
            await self._writer.drain()
        except ConnectionError:
            # The host has gone without closing our stdin first; nobody is left to serve.
            self._on_broken_pipe()
