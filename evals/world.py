"""What there is in Letta when a task begins, as data."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tests.fake import Fault
from tests.stack.script import Prompt

Character: TypeAlias = Callable[[Prompt], str]
"""What an agent makes of a prompt, in the language of `tests.stack.script`."""
Trouble: TypeAlias = tuple[str, str, Fault, int | None]
"""Method, path, what goes wrong, and how often; None: always."""


@dataclass(frozen=True)
class Agent:
    """An agent.

    Attributes:
        key: `@key` is its id.
        name: its name; the key where it has no other.
        character: what it answers.
        guarded: names of its tools that wait for a person.
        quick: names of its other tools.
        slow: names of those that take until the reply is to end.
        blocks: its memory, by label.
        own: what was said in its own thread, by the person and the agent in turn.
    """

    key: str
    character: Character
    name: str | None = None
    description: str | None = None
    guarded: tuple[str, ...] = ()
    quick: tuple[str, ...] = ()
    slow: tuple[str, ...] = ()
    is_parallel: bool = False
    blocks: Mapping[str, str] = field(default_factory=dict[str, str])
    own: Sequence[str] = ()


@dataclass(frozen=True)
class Talk:
    """A conversation.

    Attributes:
        key: `@key` is its id, `@key.3` that of its third message, `@key.call` that of a tool call that waits in it
            (`@key.call2` of the second), and `@key.run` that of the run that was started.
        agent: the key of its agent.
        title: its summary.
        lines: what was said in it, by the person and the agent in turn.
        days_ago: when that was.
        started: what another client said just before; its reply may be running, or wait for a person.
    """

    key: str
    agent: str
    title: str
    lines: Sequence[str] = ()
    days_ago: float = 1
    started: str | None = None
    is_archived: bool = False


@dataclass(frozen=True)
class World:
    """All of it.

    Attributes:
        agents: oldest first.
        talks: oldest first.
        waits: how many calls of wait_for_reply it takes until a slow reply has ended; None: it goes on.
        faults: what goes wrong on the wire.
    """

    agents: tuple[Agent, ...]
    talks: tuple[Talk, ...] = ()
    waits: int | None = 1
    faults: tuple[Trouble, ...] = ()


def replies(*rules: tuple[str, str], otherwise: str = "I don't know about that.") -> Character:
    """Answers by the first pattern that is found in what was said."""

    def character(prompt: Prompt) -> str:
        script = next((script for pattern, script in rules if re.search(pattern, prompt.text, re.IGNORECASE)), None)
        return script or spoken(otherwise)

    return character


def spoken(text: str) -> str:
    """A script that just says this."""
    return f"#answer {text}#"


def slowly(text: str) -> str:
    """The same, once the reply is to end."""
    return f"#hold work {spoken(text)}"


def acts(
    pattern: str,
    *calls: tuple[str, Mapping[str, Any]],
    says: str = "",
    done: str,
    denied: str = "Understood, I leave it.",
    otherwise: str = "I don't know about that.",
) -> Character:
    """Calls tools, all in one step, when the pattern is found in what was said.

    Args:
        pattern: when.
        calls: names and arguments.
        says: words spoken before the calls.
        done: the answer after their results.
        denied: the answer where a person denied one.
        otherwise: the answer to anything else.
    """

    def character(prompt: Prompt) -> str:
        if not re.search(pattern, prompt.text, re.IGNORECASE):
            return spoken(otherwise)
        if prompt.results:
            return spoken(denied if any("denied" in result for result in prompt.results) else done)
        verbs = ["tool", *["and"] * (len(calls) - 1)]
        script = [f"#{verb} {name} {json.dumps(given)}" for verb, (name, given) in zip(verbs, calls, strict=True)]
        return " ".join([*([f"#say {says}#"] if says else []), *script])

    return character
