"""An app behind a gate as a real HTTP server, in a thread of the test's process: a test can look at it and steer it."""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from starlette.types import ASGIApp

from tests.fake.faults import Fault
from tests.fake.gate import Gate
from tests.fake.holds import Holds, Watch
from tests.fake.seen import Rule, Seen

STARTS_WITHIN = 10


@dataclass(frozen=True)
class Certificate:
    """What a server shows that is spoken to by TLS, and its key; both files are PEM."""

    certificate: Path
    key: Path


class GatedServer:
    """`with GatedServer("name", app) as server: … server.base_url`.

    Args:
        name: of its thread, and for the sentence that it did not start.
        app: what stands behind the gate.
        watch: noticed whenever something happens.
        holds: where turns and requests wait.
        port: 0 for any.
        password: what the gate asks for.
        certificate: for TLS.
    """

    def __init__(
        self,
        name: str,
        app: ASGIApp,
        watch: Watch,
        holds: Holds,
        *,
        port: int = 0,
        password: str | None = None,
        certificate: Certificate | None = None,
    ) -> None:
        self.watch = watch
        self.holds = holds
        self.gate = Gate(app, holds, watch, password)
        self.port = port
        self._name = name
        self._certificate = certificate

    def __enter__(self) -> Self:
        # Imported here: a test that needs no server shouldn't pay for one.
        import uvicorn

        config = uvicorn.Config(
            self.gate,
            host="127.0.0.1",
            port=self.port,
            http="h11",
            ws="none",
            lifespan="off",
            log_level="critical",
            # Uvicorn's five seconds are httpx's too, so that a connection may be closed just as it is used.
            timeout_keep_alive=60,
            ssl_certfile=self._certificate and self._certificate.certificate,
            ssl_keyfile=self._certificate and self._certificate.key,
        )
        self._server = uvicorn.Server(config)
        self._stopped = asyncio.Event()
        # Uvicorn looks ten times a second whether it should stop, which is too rarely for a server per test.
        self._server.main_loop = self._serve
        self._thread = threading.Thread(target=self._server.run, name=self._name, daemon=True)
        self._thread.start()
        deadline = time.monotonic() + STARTS_WITHIN
        while not self._server.started:
            if time.monotonic() > deadline or not self._thread.is_alive():
                raise RuntimeError(f"The {self._name} did not start.")
            time.sleep(0.002)
        self._loop = self._server.servers[0].get_loop()
        self.port = self._server.servers[0].sockets[0].getsockname()[1]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Streams that never end would keep a polite shutdown waiting.
        self._server.should_exit = self._server.force_exit = True
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(STARTS_WITHIN)

    async def _serve(self) -> None:
        await self._server.on_tick(0)
        await self._stopped.wait()
        await self.on_stop()

    async def on_stop(self) -> None:
        """Called in the server's thread before it ends."""

    @property
    def base_url(self) -> str:
        return f"{'https' if self._certificate else 'http'}://127.0.0.1:{self.port}"

    # What it was asked

    @property
    def requests(self) -> list[Seen]:
        return self.gate.seen

    def requests_to(self, method: str, path: str) -> list[Seen]:
        """The requests that fit; `*` in the path stands for anything."""
        rule = Rule(method, path, (), None)
        return [seen for seen in self.gate.seen if rule.fits(seen)]

    # What it is told to do

    def fail(self, method: str, path: str, *faults: Fault, times: int | None = 1) -> Rule:
        """Lets the next requests that fit go wrong: `fail("POST", "*/messages", Cut(3))`. None: from now on."""
        self.gate.rules.append(Rule(method, path, faults, times))
        return self.gate.rules[-1]

    @property
    def unmet(self) -> list[Rule]:
        """What was to go wrong a number of times, and did so less often."""
        return [rule for rule in self.gate.rules if rule.times is not None]

    def heal(self) -> None:
        """Nothing goes wrong any more."""
        self.gate.rules.clear()

    def release(self, name: str) -> None:
        """Lets whoever waits under this name go on, and whoever comes later."""
        self._loop.call_soon_threadsafe(self.holds.release, name)

    def do(self, act: Callable[[], None]) -> None:
        """Does it in the server's loop, and waits until it is done."""

        async def done() -> None:
            act()

        asyncio.run_coroutine_threadsafe(done(), self._loop).result(STARTS_WITHIN)

    # Waiting for it, from a test's thread

    def wait_until(self, is_true: Callable[[], object], within: float = 5) -> None:
        self.watch.wait_until(is_true, within)

    def wait_until_idle(self, path: str = "*", within: float = 60) -> None:
        """Until nobody is busy with a request to this path: whatever was to be received has been."""
        rule = Rule("*", path, (), None)
        self.wait_until(lambda: not any(rule.fits(exchange.seen) for exchange in list(self.gate.open)), within)

    def wait_until_held(self, name: str, within: float = 5) -> None:
        """Until a turn or a request has come to this hold."""
        self.watch.wait_until(lambda: self.holds.waiting[name], within)
