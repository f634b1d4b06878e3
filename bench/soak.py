"""Random faults between our server and the real Letta, for as long as you like.

Each schedule has a few conversations at once, and one to three faults on the way of every message; its seed is all of
it, and `FAULT_SEED=N python -m pytest tests/faults/test_schedules.py` plays it again. Every third one is played to a
Letta without Redis, where a broken stream can't be picked up. What a conversation holds is counted in Letta itself.
Exits with 1 when a message was doubled, or a reply lost or made up.
"""

import argparse
import logging
import resource
import sys
import time
from contextlib import AsyncExitStack
from itertools import count

import anyio
import pytest

from tests.faults.matrix import Matrix, make_matrix_agent, open_matrix, shorten_waits
from tests.faults.schedule import PATIENCE, play, schedule_from_seed
from tests.faults.tally import TALLY, counted
from tests.faults.verdict import report_of
from tests.stack import NO_REDIS, OPEN, Running, open_stack

TOLD_EVERY_SECONDS = 60
AT_ONCE = 3
"""Schedules, with three conversations each."""


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, metavar="N", help="how long, default 10")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the first schedule; the next has S + 1")
    options = parser.parse_args()
    # It tells of every frame that is written to a client which a fault has sent away.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    with open_stack(OPEN) as running, open_stack(NO_REDIS) as without_redis, pytest.MonkeyPatch.context() as patch:
        shorten_waits(patch, unclear_seconds=PATIENCE)
        anyio.run(_soak, running, without_redis, options.minutes, options.seed)
    return int(any(verdict.wrong for verdict in TALLY))


async def _soak(running: Running, without_redis: Running, minutes: float, seed: int) -> None:
    async with AsyncExitStack() as stack:
        matrix, other = [
            await stack.enter_async_context(open_matrix(letta.base_url, make_matrix_agent(letta)))
            for letta in (running, without_redis)
        ]
        before, until, seeds = _peak_megabytes(), time.monotonic() + minutes * 60, count(seed)

        async def work() -> None:
            while time.monotonic() < until:
                await _play(next(seeds), matrix, other)

        async with anyio.create_task_group() as telling:
            telling.start_soon(_tell)
            async with anyio.create_task_group() as workers:
                for _ in range(AT_ONCE):
                    workers.start_soon(work)
            telling.cancel_scope.cancel()
    print(f"{minutes:g} minutes from seed {seed} to {next(seeds) - 1}: {counted(TALLY)}")
    print(f"peak memory {before} MB after the start, {_peak_megabytes()} MB at the end")


async def _play(seed: int, matrix: Matrix, without_redis: Matrix) -> None:
    is_numbered = seed % 3 != 2
    chosen = matrix if is_numbered else without_redis
    verdicts = await play(schedule_from_seed(seed, is_numbered=is_numbered), chosen)
    # Kept, they would pass for a leak of our server's.
    chosen.proxy.requests.clear()
    if any(verdict.wrong for verdict in verdicts):
        print(report_of(verdicts), flush=True)


async def _tell() -> None:
    while True:
        await anyio.sleep(TOLD_EVERY_SECONDS)
        print(counted(TALLY), flush=True)


def _peak_megabytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    sys.exit(main())
