"""Schedules of random faults. `FAULT_SEED=N` in the environment plays one again; `bench.soak` plays them for long."""

import os

import pytest

from tests.faults.matrix import Matrix, shorten_waits
from tests.faults.schedule import PATIENCE, play, schedule_from_seed
from tests.faults.verdict import report_of
from tests.seeds import new_seeds

pytestmark = [pytest.mark.anyio, pytest.mark.real_letta]

GIVEN = os.environ.get("FAULT_SEED")


def seeds(name: str, count: int) -> list[int]:
    """Others in each session, since what is to be found is what nobody has thought of."""
    return [int(GIVEN)] if GIVEN else new_seeds(name, count)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three faults in a row take some time, and a background send is to outlast them."""
    shorten_waits(monkeypatch, unclear_seconds=PATIENCE)


@pytest.mark.parametrize("seed", seeds("redis", 4), ids=lambda seed: f"seed={seed}")
@pytest.mark.usefixtures("patient")
async def test_whatever_goes_wrong_the_reply_comes_whole_and_the_message_is_there_once(
    matrix: Matrix, seed: int
) -> None:
    verdicts = await play(schedule_from_seed(seed, is_numbered=True), matrix)

    assert not any(verdict.wrong for verdict in verdicts), report_of(verdicts)


@pytest.mark.parametrize("seed", seeds("no redis", 2), ids=lambda seed: f"seed={seed}")
@pytest.mark.usefixtures("short_waits")
async def test_without_redis_the_reply_comes_whole_or_may_have_been_received(
    matrix_without_redis: Matrix, seed: int
) -> None:
    """Ours: a message of unknown fate isn't sent again in the foreground."""
    verdicts = await play(schedule_from_seed(seed, is_numbered=False), matrix_without_redis)

    assert not any(verdict.wrong for verdict in verdicts), report_of(verdicts)
