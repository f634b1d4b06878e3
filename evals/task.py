"""A task: what a person says, the world it is said in, and what must and must not come of it. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from evals.checks import Check, nothing_sent_twice
from evals.trace import Call, Trace
from evals.world import World

MAX_CALLS = 30
"""After so many calls for one utterance a model is stopped."""

CHANGES_NOTHING_ELSE = "changes nothing else"
SENDS_NOTHING_TWICE = "sends nothing twice"
COMES_TO_AN_END = "comes to an end"


@dataclass(frozen=True)
class Use:
    """A move of a scripted model: a tool call. An argument may be `@name`, or made from the calls so far."""

    tool: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Tell:
    """A move of a scripted model: its answer to the person."""

    text: str


Move: TypeAlias = Use | Tell
Play: TypeAlias = tuple[Move, ...]


@dataclass(frozen=True)
class Task:
    """One task.

    Attributes:
        id: its name on the command line.
        says: what the person says; the next once the one before is answered.
        world: what there is in Letta at the start.
        criteria: what is asked of the trace, by name.
        allows: the tools that may change something for it.
        good: plays that must meet every criterion.
        bad: plays by the criterion that each must fail, whatever else it fails.
    """

    id: str
    says: tuple[str, ...]
    world: World
    criteria: Mapping[str, Check]
    allows: frozenset[str] = frozenset()
    good: tuple[Play, ...] = ()
    bad: Mapping[str, Play] = field(default_factory=dict[str, Play])

    @property
    def all_criteria(self) -> dict[str, Check]:
        """Its own, and those that all tasks have."""
        return {
            **self.criteria,
            CHANGES_NOTHING_ELSE: self._changes_nothing_else,
            SENDS_NOTHING_TWICE: nothing_sent_twice,
            COMES_TO_AN_END: lambda trace: len(trace.answers) == len(self.says),
        }

    def failed(self, trace: Trace) -> list[str]:
        """The criteria that a trace doesn't meet."""
        return [name for name, holds in self.all_criteria.items() if not holds(trace)]

    def _changes_nothing_else(self, trace: Trace) -> bool:
        done = {call.tool for call in trace.calls if not call.is_error}
        return not (done & trace.writers) - self.allows


def do(tool: str, **arguments: Any) -> Use:
    """A tool call of a play."""
    return Use(tool, arguments)


def tell(text: str) -> Tell:
    """An answer of a play."""
    return Tell(text)


def taken(*path: str | int, call: int = -1) -> Callable[[list[Call]], Any]:
    """An argument that an earlier result gives: by default that of the call before, `taken("approvals", 0, …)`.

    None where it doesn't: the call that wants it then fails, and so does the play.
    """

    def value(calls: list[Call]) -> Any:
        try:
            found: Any = calls[call].structure
            for step in path:
                found = found[step]
        except (KeyError, IndexError):
            return None
        return found

    return value
