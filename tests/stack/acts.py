"""What the scripted model can do, one small act at a time."""

from dataclasses import dataclass
from typing import Literal, TypeAlias


@dataclass(frozen=True)
class Wait:
    """Nothing happens for a while."""

    seconds: float


@dataclass(frozen=True)
class Think:
    """One word of reasoning, with the space that follows it."""

    word: str


@dataclass(frozen=True)
class Say:
    """One word of the answer, with the space that follows it."""

    word: str


@dataclass(frozen=True)
class Call:
    """A tool call. `arguments` is the raw JSON text, which `#badargs` breaks; without an id it gets a new one."""

    name: str
    arguments: str
    call_id: str | None = None


@dataclass(frozen=True)
class Refuse:
    """An HTTP error; always the only act besides a wait."""

    status: int


@dataclass(frozen=True)
class Garble:
    """A 200 whose body isn't JSON; always the only act besides a wait."""


@dataclass(frozen=True)
class Cut:
    """The connection drops; always the last act."""


@dataclass(frozen=True)
class Break:
    """The stream carries an error and ends; always the last act."""


@dataclass(frozen=True)
class Finish:
    """The regular end; always the last act."""

    reason: Literal["stop", "tool_calls", "length"]


Act: TypeAlias = Wait | Think | Say | Call | Refuse | Garble | Cut | Break | Finish
