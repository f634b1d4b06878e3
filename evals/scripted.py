"""A model that plays what it is told to: for plays that are known to be right or wrong."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from evals.models import Answered, Entry, Result, Tool, Wish
from evals.task import Play, Tell, Use
from evals.trace import Call


@dataclass(frozen=True)
class Scripted:
    """A `Model` that makes one move each time it is asked.

    Attributes:
        play: its moves.
        ids: what `@name` stands for in the arguments of a tool call.
    """

    play: Play
    ids: Mapping[str, str]

    async def answer(self, system: str, tools: Sequence[Tool], dialogue: Sequence[Entry]) -> Answered:
        """See the protocol. A play that is over has nothing more to say."""
        del system, tools
        number = sum(isinstance(entry, Answered) for entry in dialogue)
        match self.play[number] if number < len(self.play) else Tell(""):
            case Tell(text):
                return Answered(text)
            case Use(tool, arguments):
                calls = _calls(dialogue)
                given = {name: self._value(value, calls) for name, value in arguments.items()}
                return Answered("", (Wish(f"wish-{number}", tool, given),))

    def _value(self, value: object, calls: list[Call]) -> Any:
        if isinstance(value, str) and value.startswith("@"):
            return self.ids[value[1:]]
        if isinstance(value, list):
            return [self._value(item, calls) for item in cast("list[object]", value)]
        return cast("Callable[[list[Call]], Any]", value)(calls) if callable(value) else value


def _calls(dialogue: Sequence[Entry]) -> list[Call]:
    """The calls so far, as far as their results go."""
    return [Call(0, "", {}, structure=entry.structure) for entry in dialogue if isinstance(entry, Result)]
