"""The Lettas of the fault matrix, and the line that counts its cases at the end."""

from collections.abc import AsyncIterator

import pytest

from tests.faults.matrix import Matrix, make_matrix_agent, open_matrix, shorten_waits
from tests.faults.tally import TALLY, counted
from tests.stack import Running


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if TALLY:
        terminalreporter.write_line(f"fault matrix: {counted(TALLY)}")


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds instead of minutes, where our server waits for what will not come. To be asked for before a matrix."""
    shorten_waits(monkeypatch)


@pytest.fixture
async def matrix(real_letta: Running, agent_id: str) -> AsyncIterator[Matrix]:
    """Before a Letta whose runs can be picked up again."""
    async with open_matrix(real_letta.base_url, agent_id) as matrix:
        yield matrix


@pytest.fixture
async def matrix_without_redis(letta_without_redis: Running, agent_id_without_redis: str) -> AsyncIterator[Matrix]:
    """Before a Letta that streams in the foreground only: a broken stream can't be picked up."""
    async with open_matrix(letta_without_redis.base_url, agent_id_without_redis) as matrix:
        yield matrix


@pytest.fixture(scope="session")
def agent_id(real_letta: Running) -> str:
    return make_matrix_agent(real_letta)


@pytest.fixture(scope="session")
def agent_id_without_redis(letta_without_redis: Running) -> str:
    return make_matrix_agent(letta_without_redis)
