"""The requests that a gate has seen, and which of them are to go wrong."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal
from urllib.parse import parse_qs

from starlette.types import Scope

from tests.fake.faults import Fault


@dataclass
class Seen:
    """A request as it came in, and what became of it."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: Any
    """Parsed, if it is JSON."""
    state: Literal["open", "answered", "abandoned"] = "open"
    """Abandoned: the client went away before the answer was over."""
    status: int | None = None
    frames: list[int] = field(default_factory=list[int])
    """How many bytes each frame of the answer has, as it came to the gate."""


@dataclass
class Rule:
    method: str
    path: str
    faults: tuple[Fault, ...]
    times: int | None
    is_about: Callable[[Seen], bool] = lambda _: True

    def fits(self, seen: Seen) -> bool:
        is_there = self.method in {"*", seen.method} and fnmatchcase(seen.path, self.path)
        return self.times != 0 and is_there and self.is_about(seen)


def seen_from_scope(scope: Scope, raw: bytes) -> Seen:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    try:
        body = json.loads(raw) if raw else None
    except ValueError:
        body = raw.decode(errors="replace")
    return Seen(scope["method"], scope["path"], parse_qs(scope["query_string"].decode()), headers, body)
