"""Seeds that are new in every run, and the same in each of its processes, which must find the same tests."""

import os
import random

RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID")


def new_seeds(name: str, count: int) -> list[int]:
    """So many seeds for the tests of this name."""
    chance = random.Random(f"{name} {RUN}" if RUN else None)
    return [chance.randrange(1_000_000) for _ in range(count)]
