"""A wire to a server that a test can cut: a TCP forwarder on loopback."""

import contextlib
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from urllib.parse import urlsplit

CHUNK = 65536


class Cutter:
    """Forwards connections, oldest first in `cut`.

    Args:
        listener: what clients connect to.
        upstream: host and port of the server.

    Attributes:
        upstream: where the next connection goes.
    """

    def __init__(self, listener: socket.socket, upstream: tuple[str, int]) -> None:
        self._listener = listener
        self.upstream = upstream
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._changed = threading.Condition()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        """Where clients connect."""
        return f"ws://127.0.0.1:{self._listener.getsockname()[1]}"

    def cut(self, count: int) -> None:
        """Break so many of the open connections, in both directions."""
        with self._changed:
            pairs, self._pairs = self._pairs[:count], self._pairs[count:]
        for pair in pairs:
            for end in pair:
                _shut(end)

    def wait_for(self, count: int, within: float = 10) -> None:
        """Until so many connections are open."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self._pairs) == count, within), f"{len(self._pairs)} are open"

    def close(self) -> None:
        """Take no more, and break what is open."""
        self._listener.close()
        self.cut(len(self._pairs))

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self.upstream)
            except OSError:
                client.close()
                continue
            pair = (client, server)
            with self._changed:
                self._pairs.append(pair)
                self._changed.notify_all()
            for source, sink in (pair, pair[::-1]):
                threading.Thread(target=self._forward, args=(source, sink, pair), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, pair: tuple[socket.socket, socket.socket]) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(CHUNK):
                sink.sendall(chunk)
        for end in pair:
            _shut(end)
        with self._changed:
            if pair in self._pairs:
                self._pairs.remove(pair)
                self._changed.notify_all()


@contextmanager
def open_cutter(address: str) -> Generator[Cutter]:
    """A wire to the server at an address."""
    cutter = Cutter(socket.create_server(("127.0.0.1", 0)), place_of(address))
    try:
        yield cutter
    finally:
        cutter.close()


def place_of(address: str) -> tuple[str, int]:
    """Host and port of a server."""
    parts = urlsplit(address)
    return str(parts.hostname), int(parts.port or 0)


def _shut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
