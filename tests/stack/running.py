"""A stack that runs: bring it up, use it, take it down.

Who leaves last takes a variant down, unless `up` asked for it to stay: so several users of one variant need not know
of each other, and what a killed test run left behind goes with the next one.
"""

import fcntl
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.stack.database import make_database
from tests.stack.detached import Program, Record, kill, record_of, start, stop
from tests.stack.folders import home, live, only_one
from tests.stack.install import Installed, installed
from tests.stack.programs import letta, model, postgres, redis
from tests.stack.progress import tell
from tests.stack.variants import NAMES, OPEN, Variant, model_port

Part = Literal["postgres", "redis", "model", "letta"]


@dataclass(frozen=True)
class Running:
    """A variant that answers, and its programs one by one for tests of crashes."""

    variant: Variant
    programs: dict[Part, Program]

    base_url: str
    api_key: str | None
    model_url: str
    model_handle: str = "openai-proxy/scripted"

    def stop(self, part: Part) -> None:
        """Ends one program in its orderly way, and waits for its end."""
        stop(self.programs[part].name)

    def kill(self, part: Part) -> None:
        """Ends one program as a crash would, and waits for its end."""
        kill(self.programs[part].name)

    def start(self, part: Part) -> None:
        """Starts one program again and waits until it is ready."""
        start(self.programs[part])


@contextmanager
def open_stack(variant: Variant = OPEN) -> Generator[Running]:
    """A running stack; left as it was found, apart from what is cached."""
    with _users_file(variant).open("w") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        try:
            yield _brought_up(variant)
        finally:
            with only_one(live()):
                if _is_last(users.fileno()) and not _kept_file(variant.name).exists():
                    _take_down(variant.name)


def up(variant: Variant = OPEN) -> Running:
    """Brings the variant up, to stay until `down`."""
    running = _brought_up(variant)
    _kept_file(variant.name).touch()
    return running


def down(*names: str) -> None:
    """Takes the variants of these names down, or all."""
    with only_one(live()):
        for name in names or NAMES:
            _kept_file(name).unlink(missing_ok=True)
            _take_down(name)


def status() -> dict[str, Record | None]:
    """Every program the stack can run, by name, with the record of the running ones."""
    lettas = [f"letta-{name}" for name in NAMES]
    redises = [f"redis-{name}" for name in NAMES if not name.endswith("no-redis")]
    return {name: record_of(name) for name in (*lettas, *redises, "postgres", "model")}


def _brought_up(variant: Variant) -> Running:
    with only_one(home()):
        parts = installed()
    with only_one(live()):
        to_run = _programs(parts, variant)
        for part, program in to_run.items():
            start(program)
            if part == "postgres":
                make_database(parts, variant)
    return Running(
        variant,
        to_run,
        base_url=f"http://127.0.0.1:{variant.letta_port}",
        api_key=variant.password,
        model_url=f"http://127.0.0.1:{model_port()}",
    )


def _programs(parts: Installed, variant: Variant) -> dict[Part, Program]:
    """In the order in which they are started."""
    before: dict[Part, Program] = {"postgres": postgres(parts), "model": model()}
    if variant.redis:
        before["redis"] = redis(parts, variant)
    return {**before, "letta": letta(parts, variant)}


def _take_down(name: str) -> None:
    _stop(f"letta-{name}", f"redis-{name}")
    others = (other for other in NAMES if other != name)
    if not any(record_of(f"letta-{other}") or _kept_file(other).exists() for other in others):
        _stop("model", "postgres")


def _stop(*names: str) -> None:
    for name in names:
        if stop(name):
            tell(f"stopped {name}")


def _is_last(users: int) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _users_file(variant: Variant) -> Path:
    return live("run") / f"{variant.name}.users"


def _kept_file(name: str) -> Path:
    return live("run") / f"{name}.kept"
