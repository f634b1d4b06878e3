"""What a model is asked and what it answers: a dialogue, whoever speaks it. No I/O."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from evals.trace import Json


@dataclass(frozen=True)
class Tool:
    """A tool as a host shows it to its model."""

    name: str
    description: str
    schema: Json


@dataclass(frozen=True)
class Said:
    """What the person says."""

    text: str


@dataclass(frozen=True)
class Wish:
    """A tool call that a model asks for. Arguments that are no JSON object are None."""

    id: str
    tool: str
    arguments: Json | None


@dataclass(frozen=True)
class Answered:
    """A model's answer: its words, and the tool calls that it asks for; with none the turn is the person's.

    Attributes:
        text: the words.
        wishes: the tool calls.
        raw: the same as the provider sent it.
    """

    text: str
    wishes: tuple[Wish, ...] = ()
    raw: Any = None


@dataclass(frozen=True)
class Result:
    """What a tool call gave."""

    wish_id: str
    text: str
    is_error: bool = False
    structure: Json = field(default_factory=dict[str, Any])


Entry: TypeAlias = Said | Answered | Result


class Model(Protocol):
    """What plays a task."""

    async def answer(self, system: str, tools: Sequence[Tool], dialogue: Sequence[Entry]) -> Answered:
        """What comes next in a dialogue, which ends with the person's words or with tool results.

        Raises:
            ModelFailure: the model can't be had.
        """
        ...


class ModelFailure(Exception):
    """A model that gave no usable answer. The text never holds the key."""
