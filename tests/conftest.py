"""The Lettas that tests talk to, and our server in front of them."""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from mcp import Client

from letta_conv_mcp.server import build_server
from letta_conv_mcp.settings import ALL_TOOLSETS, Settings
from tests.contract.scenario import PASSWORD
from tests.differences import DIFFERENCES, NOT_RUN
from tests.fake import FakeLetta
from tests.fake.seed import TOOLS as FAKE_TOOLS
from tests.fake.state import MODEL_HANDLE
from tests.integration.calls import call, new_conversation
from tests.stack import NO_REDIS, OPEN, Running, Variant, open_stack
from tests.stack.app_rig import MODEL as APP_MODEL
from tests.stack.app_rig import TOOLS as APP_TOOLS
from tests.stack.app_rig import AppRig, open_app_rig
from tests.stack.seed import TOOLS, make_agent, prompts_seen
from tests.stack.variants import FIRST_PORT, PORTS


@dataclass(frozen=True)
class Place:
    """A Letta with an agent on it that has the tools of `tests.stack.seed`; the rig where it is an App Server."""

    base_url: str
    agent_id: str
    agent_name: str
    state_dir: str
    """Where our server keeps what is its own."""
    rig: AppRig | None = None
    prompts: Callable[[], list[dict[str, Any]]] | None = None
    """What the model was asked lately, oldest first; the fake has no model."""

    @property
    def model(self) -> str:
        """The handle of the scripted model."""
        return APP_MODEL if self.rig else MODEL_HANDLE

    @property
    def settings(self) -> Settings:
        """Our server's."""
        return Settings(
            base_url=self.base_url,
            local_tools=APP_TOOLS if self.rig else (),
            toolsets=ALL_TOOLSETS,
            state_dir=self.state_dir,
        )

    async def new_conversation(self, client: Client, agent_id: str | None = None) -> str:
        """A fresh conversation's id, with the tools in it."""
        conversation_id = await new_conversation(client, agent_id or self.agent_id)
        if self.rig is not None:
            self.rig.offer_tools(agent_id or self.agent_id, conversation_id)
        return conversation_id

    async def new_agent(self, client: Client, name: str = "Mem") -> str:
        """The id of a fresh agent with two memory blocks."""
        made = await call(client, "create_agent", name=name, model=self.model, persona="I am Mem.", human="This is Bo.")
        return made["id"]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def real_letta() -> Iterator[Running]:
    """A real Letta server with Redis and without a password."""
    with open_stack(OPEN) as running:
        yield running


@pytest.fixture(scope="session")
def letta_without_redis() -> Iterator[Running]:
    with open_stack(NO_REDIS) as running:
        yield running


@pytest.fixture(scope="session")
def letta_with_password() -> Iterator[Running]:
    with open_stack(Variant(password=PASSWORD)) as running:
        yield running


@pytest.fixture(params=["real", "app_server"])
def real_place_of_each_kind(request: pytest.FixtureRequest) -> Place:
    """For what the fake can't do: a real Letta server, and a real App Server."""
    return request.getfixturevalue(f"{request.param}_place")


@pytest.fixture
def fake() -> Iterator[FakeLetta]:
    with FakeLetta() as letta:
        yield letta


@pytest.fixture(scope="session")
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="session")
def fake_place(state_dir: str) -> Iterator[Place]:
    with FakeLetta() as letta:
        agent = letta.add_agent("Ada", tools=FAKE_TOOLS)
        yield Place(letta.base_url, agent.id, agent.name, state_dir)


@pytest.fixture(scope="session")
def real_place(real_letta: Running, state_dir: str) -> Place:
    name = f"Ada {uuid4().hex[:8]}"
    agent_id = make_agent(real_letta, name, tools=TOOLS)
    return Place(real_letta.base_url, agent_id, name, state_dir, prompts=partial(prompts_seen, real_letta))


@pytest.fixture(scope="session")
def app_rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppRig]:
    """A real App Server."""
    with open_app_rig(tmp_path_factory.mktemp("app-server")) as rig:
        yield rig


@pytest.fixture(scope="session")
def app_server_place(app_rig: AppRig, state_dir: str) -> Place:
    return Place(app_rig.server.address, app_rig.agent_id, "Ada", state_dir, app_rig, app_rig.prompts)


@pytest.fixture(
    params=[
        "fake",
        pytest.param("real", marks=pytest.mark.real_letta),
        pytest.param("app_server", marks=pytest.mark.real_letta),
    ]
)
def place(request: pytest.FixtureRequest) -> Place:
    """Each test that asks for it runs on the fake, on the real Letta server and on a real App Server."""
    return request.getfixturevalue(f"{request.param}_place")


def pytest_configure() -> None:
    """Each process of a parallel run has a real Letta server of its own."""
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        port = int(os.environ.get("LETTA_STACK_PORT", FIRST_PORT))
        os.environ["LETTA_STACK_PORT"] = str(port + PORTS * int(worker.removeprefix("gw")))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What an App Server does otherwise is in one list, and held to: a difference that is none fails.

    It is tested in one era of MCP's, but for questions to the person: nothing between the two knows of both.
    """
    items[:] = [item for item in items if not _is_one_era_too_many(item)]
    for item in items:
        name, _, parameters = item.name.partition("[")
        if "app_server" in parameters and (reason := {**DIFFERENCES, **NOT_RUN}.get(name)):
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True, run=name not in NOT_RUN))


@pytest.fixture(params=["auto", "legacy"])
def era(request: pytest.FixtureRequest) -> str:
    """2026-07-28, or what came before it."""
    return request.param


@pytest.fixture
async def client(place: Place, era: str) -> AsyncIterator[Client]:
    """A host's connection to our server, in memory."""
    async with Client(build_server(place.settings), mode=era) as connected:
        yield connected


def _is_one_era_too_many(item: pytest.Item) -> bool:
    _, _, parameters = item.name.partition("[")
    return "app_server" in parameters and "auto" in parameters and "elicitation" not in item.nodeid
