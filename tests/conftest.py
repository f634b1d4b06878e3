"""The Lettas that tests talk to, and our server in front of them."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from uuid import uuid4

import pytest
from mcp import Client

from letta_conv_mcp.server import build_server
from letta_conv_mcp.settings import Settings
from tests.contract.scenario import PASSWORD
from tests.fake import FakeLetta
from tests.fake.seed import TOOLS as FAKE_TOOLS
from tests.stack import NO_REDIS, OPEN, Running, Variant, open_stack
from tests.stack.seed import TOOLS, make_agent


@dataclass(frozen=True)
class Place:
    """A Letta with an agent on it that has the tools of `tests.stack.seed`."""

    base_url: str
    agent_id: str
    agent_name: str


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


@pytest.fixture
def fake() -> Iterator[FakeLetta]:
    with FakeLetta() as letta:
        yield letta


@pytest.fixture(scope="session")
def fake_place() -> Iterator[Place]:
    with FakeLetta() as letta:
        agent = letta.add_agent("Ada", tools=FAKE_TOOLS)
        yield Place(letta.base_url, agent.id, agent.name)


@pytest.fixture(scope="session")
def real_place(real_letta: Running) -> Place:
    name = f"Ada {uuid4().hex[:8]}"
    return Place(real_letta.base_url, make_agent(real_letta, name, tools=TOOLS), name)


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.real_letta)])
def place(request: pytest.FixtureRequest) -> Place:
    """Each test that asks for it runs on the fake and on the real Letta."""
    return request.getfixturevalue(f"{request.param}_place")


@pytest.fixture(params=["auto", "legacy"])
def era(request: pytest.FixtureRequest) -> str:
    """2026-07-28, or what came before it."""
    return request.param


@pytest.fixture
async def client(place: Place, era: str) -> AsyncIterator[Client]:
    """A host's connection to our server, in memory."""
    async with Client(build_server(Settings(base_url=place.base_url)), mode=era) as connected:
        yield connected
