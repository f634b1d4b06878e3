"""The fake Letta as a real HTTP server, in a thread of the test's process: a test can look at it and steer it."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.fake.agents import Agents
from tests.fake.cancelling import Cancelling
from tests.fake.checks import Refused
from tests.fake.faults import Fault
from tests.fake.gate import Gate, Rule, Seen
from tests.fake.holds import Holds, Watch
from tests.fake.live import Stage
from tests.fake.loading import load_messages
from tests.fake.pages import NegativeLimit
from tests.fake.reading import Reading
from tests.fake.sending import Sending
from tests.fake.state import Agent, Conversation, Run, Store, StoredMessage, Tool

STARTS_WITHIN = 10


class FakeLetta:
    """`with FakeLetta() as letta: … letta.base_url`. Everything it knows is in `letta.store`."""

    def __init__(
        self, *, port: int = 0, password: str | None = None, redis: bool = True, ping_seconds: float = 20
    ) -> None:
        self.store = Store(has_redis=redis)
        self.watch = Watch()
        self.holds = Holds(self.watch)
        self.stage = Stage(self.store, self.holds, self.watch, ping_seconds)
        self.gate = Gate(_app(self.store, self.stage), self.holds, self.watch, password)
        self.port = port

    def __enter__(self) -> Self:
        # Imported here: a test that needs no server shouldn't pay for one.
        import uvicorn

        config = uvicorn.Config(
            self.gate, host="127.0.0.1", port=self.port, http="h11", ws="none", lifespan="off", log_level="critical"
        )
        self._server = uvicorn.Server(config)
        self._stopped = asyncio.Event()
        # Uvicorn looks ten times a second whether it should stop, which is too rarely for a server per test.
        self._server.main_loop = self._serve
        self._thread = threading.Thread(target=self._server.run, name="fake-letta", daemon=True)
        self._thread.start()
        deadline = time.monotonic() + STARTS_WITHIN
        while not self._server.started:
            if time.monotonic() > deadline or not self._thread.is_alive():
                raise RuntimeError("The fake Letta did not start.")
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

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # What it holds

    def add_agent(self, name: str = "Ada", *, tools: Sequence[Tool] = (), **fields: Any) -> Agent:
        return self.store.add_agent(name, tools=tools, **fields)

    def add_conversation(self, agent: Agent, **fields: Any) -> Conversation:
        return self.store.add_conversation(agent.id, **fields)

    def add_messages(self, conversation: Conversation | Agent, count: int) -> list[StoredMessage]:
        """Fills a conversation with stored messages of all kinds; about a third have several entries."""
        return load_messages(self.store, conversation, count)

    @property
    def requests(self) -> list[Seen]:
        return self.gate.seen

    def requests_to(self, method: str, path: str) -> list[Seen]:
        """The requests that fit; `*` in the path stands for anything."""
        rule = Rule(method, path, (), None)
        return [seen for seen in self.gate.seen if rule.fits(seen)]

    @property
    def runs(self) -> list[Run]:
        return list(self.store.runs.values())

    # What it is told to do

    def fail(self, method: str, path: str, *faults: Fault, times: int | None = 1) -> None:
        """Lets the next requests that fit go wrong: `fail("POST", "*/messages", Cut(3))`. None: from now on."""
        self.gate.rules.append(Rule(method, path, faults, times))

    def heal(self) -> None:
        """Nothing goes wrong any more."""
        self.gate.rules.clear()

    def release(self, name: str) -> None:
        """Lets whoever waits under this name go on, and whoever comes later."""
        self._loop.call_soon_threadsafe(self.holds.release, name)

    def kill(self) -> None:
        """Kills it as SIGKILL would, and starts it again at once.

        Every connection breaks, turns stop unstored, and their runs are `running` for ever; what Redis knew it knows.
        """
        self._do(self._kill)

    def restart_redis(self, *, with_runs: bool = False) -> None:
        """Otids, locks and the frames so far are forgotten; streams of background runs end without an end.

        The runs go on; `with_runs`: a frame came while Redis was away, so the background ones are `running` for ever.
        """
        self._do(lambda: self._restart_redis(with_runs=with_runs))

    def lose_database(self, *, for_steps: int = 1) -> None:
        """The next steps can't be stored. What was shown was shown, `end_turn` included; the runs never end."""
        self.store.refusals = for_steps

    def _kill(self) -> None:
        self.gate.break_all()
        self.stage.die(self.runs)

    def _restart_redis(self, *, with_runs: bool) -> None:
        if with_runs:
            self.stage.die([run for run in self.runs if run.background])
        self.stage.restart_redis()

    def _do(self, act: Callable[[], None]) -> None:
        """Does it in the server's loop, and waits until it is done."""

        async def done() -> None:
            act()

        asyncio.run_coroutine_threadsafe(done(), self._loop).result(STARTS_WITHIN)

    # Waiting for it, from a test's thread

    def wait_until(self, is_true: Callable[[], object], within: float = 5) -> None:
        self.watch.wait_until(is_true, within)

    def wait_until_held(self, name: str, within: float = 5) -> None:
        """Until a turn or a request has come to this hold."""
        self.watch.wait_until(lambda: self.holds.waiting[name], within)


def _app(store: Store, stage: Stage) -> Starlette:
    sending = Sending(store, stage)
    parts = (sending, Cancelling(store, stage, sending), Agents(store), Reading(store, sending))

    async def refused(_: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        return JSONResponse(error.body, status_code=error.status)

    async def negative_limit(_: Request, __: Exception) -> Response:
        return JSONResponse({"detail": "A database error occurred."}, status_code=500)

    async def not_found(_: Request, __: Exception) -> Response:
        return JSONResponse({"detail": "Not Found"}, status_code=404)

    async def not_allowed(_: Request, __: Exception) -> Response:
        return JSONResponse({"detail": "Method Not Allowed"}, status_code=405)

    return Starlette(
        routes=[route for part in parts for route in part.routes()],
        exception_handlers={Refused: refused, NegativeLimit: negative_limit, 404: not_found, 405: not_allowed},
    )
