"""The fake Letta: what it knows, behind a gate."""

from collections.abc import Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.fake.agents import Agents
from tests.fake.cancelling import Cancelling
from tests.fake.checks import Refused
from tests.fake.holds import Holds, Watch
from tests.fake.live import Stage
from tests.fake.loading import load_messages
from tests.fake.pages import NegativeLimit
from tests.fake.reading import Reading
from tests.fake.sending import Sending
from tests.fake.serving import GatedServer
from tests.fake.state import Agent, Conversation, Run, Store, StoredMessage, Tool


class FakeLetta(GatedServer):
    """`with FakeLetta() as letta: … letta.base_url`. Everything it knows is in `letta.store`."""

    def __init__(
        self, *, port: int = 0, password: str | None = None, redis: bool = True, ping_seconds: float = 20
    ) -> None:
        watch = Watch()
        holds = Holds(watch)
        self.store = Store(has_redis=redis)
        self.stage = Stage(self.store, holds, watch, ping_seconds)
        super().__init__("fake Letta", _app(self.store, self.stage), watch, holds, port=port, password=password)

    # What it holds

    def add_agent(self, name: str = "Ada", *, tools: Sequence[Tool] = (), **fields: Any) -> Agent:
        return self.store.add_agent(name, tools=tools, **fields)

    def add_conversation(self, agent: Agent, **fields: Any) -> Conversation:
        return self.store.add_conversation(agent.id, **fields)

    def add_messages(self, conversation: Conversation | Agent, count: int) -> list[StoredMessage]:
        """Fills a conversation with stored messages of all kinds; about a third have several entries."""
        return load_messages(self.store, conversation, count)

    @property
    def runs(self) -> list[Run]:
        return list(self.store.runs.values())

    # What happens to it

    def kill(self) -> None:
        """Kills it as SIGKILL would, and starts it again at once.

        Every connection breaks, turns stop unstored, and their runs are `running` for ever; what Redis knew it knows.
        """
        self.do(self._kill)

    def restart_redis(self, *, with_runs: bool = False) -> None:
        """Otids, locks and the frames so far are forgotten; streams of background runs end without an end.

        The runs go on; `with_runs`: a frame came while Redis was away, so the background ones are `running` for ever.
        """
        self.do(lambda: self._restart_redis(with_runs=with_runs))

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
