"""The Lettas the stack can run side by side; each has its own ports, Redis and database.

They share the PostgreSQL server and the scripted model. Ten ports in a row are used, from LETTA_STACK_PORT on: four
for Letta, four for Redis, then PostgreSQL and the model.
"""

import os
from dataclasses import dataclass

from tests.stack.errors import StackError

FIRST_PORT = 18480
PORTS = 10


@dataclass(frozen=True)
class Variant:
    """Letta behaves differently without Redis, and when it asks for a password."""

    redis: bool = True
    password: str | None = None

    @property
    def name(self) -> str:
        return f"{'open' if self.password is None else 'password'}{'' if self.redis else '-no-redis'}"

    @property
    def letta_port(self) -> int:
        return first_port() + NAMES.index(self.name)

    @property
    def redis_port(self) -> int:
        return first_port() + 4 + NAMES.index(self.name)


OPEN = Variant()
NO_REDIS = Variant(redis=False)
NAMES = ("open", "open-no-redis", "password", "password-no-redis")


def postgres_port() -> int:
    """Where PostgreSQL listens."""
    return first_port() + 8


def model_port() -> int:
    """Where the scripted model listens."""
    return first_port() + 9


def first_port() -> int:
    """The first of the ten."""
    given = os.environ.get("LETTA_STACK_PORT", str(FIRST_PORT))
    if not given.isdecimal() or not 0 < int(given) < 65526:
        raise StackError(f"LETTA_STACK_PORT must be the first of ten ports in a row, got {given!r}.")
    return int(given)
