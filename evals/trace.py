"""What a model did with a task, and what that left behind in Letta. Pure: what the checks look at, and nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """One tool call.

    Attributes:
        turn: which of the person's utterances it followed, from 0.
        tool: the tool's name.
        arguments: as the model gave them.
        text: the result as the model was shown it.
        structure: the result as data; empty where the call failed.
        is_error: whether the call failed.
    """

    turn: int
    tool: str
    arguments: Json
    text: str = ""
    structure: Json = field(default_factory=dict[str, Any])
    is_error: bool = False


@dataclass(frozen=True)
class Decision:
    """A tool call that was decided, as Letta stored it."""

    tool: str
    approve: bool
    reason: str | None


@dataclass(frozen=True)
class Talk:
    """A conversation, as it stands in Letta afterwards.

    Attributes:
        id: Letta's.
        key: its name in the world; None where the model made it.
        agent: the agent's key, or its name where the model made it.
        title: its summary.
        heard: what was said in it as a person meanwhile, oldest first.
        decisions: what was decided in it meanwhile.
        carried: how many messages it began with, of a fork.
    """

    id: str
    key: str | None
    agent: str
    title: str | None = None
    is_archived: bool = False
    is_deleted: bool = False
    heard: tuple[str, ...] = ()
    decisions: tuple[Decision, ...] = ()
    carried: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trace:
    """All that was done.

    Attributes:
        calls: the tool calls, in order.
        answers: what the person was told, one answer for each utterance; one is missing where the model didn't stop.
        talks: the conversations afterwards.
        agents: the names of all agents afterwards.
        ids: ids by name, as `@name` stands for one in a task.
        writers: the tools that may change something.
        blocks: memory blocks afterwards, by `agent.label`.
        cancelled: how many runs were stopped meanwhile.
    """

    calls: Sequence[Call] = ()
    answers: Sequence[str] = ()
    talks: Sequence[Talk] = ()
    agents: Sequence[str] = ()
    ids: Mapping[str, str] = field(default_factory=dict[str, str])
    writers: frozenset[str] = frozenset()
    blocks: Mapping[str, str] = field(default_factory=dict[str, str])
    cancelled: int = 0

    def talk(self, key: str) -> Talk:
        """A conversation of the world by its name."""
        return next(talk for talk in self.talks if talk.key == key)

    @property
    def made(self) -> list[Talk]:
        """The conversations that the model made, and did not delete."""
        return [talk for talk in self.talks if talk.key is None and not talk.is_deleted]
