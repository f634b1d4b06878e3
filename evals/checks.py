"""The vocabulary of the checks: small predicates over a trace. Pure.

A value in a check is compared as it is; `@name` stands for an id of the world, a pattern is searched for, a set means
one of these, and a list means all of these in any order.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias, cast

from evals.trace import Call, Decision, Talk, Trace

Check: TypeAlias = Callable[[Trace], bool]
Match: TypeAlias = Callable[[Call, Trace], bool]

STILL_GOING = (
    r"\bstill\b|not (yet )?(been )?(finished|done|ready|complete)|hasn.t (yet )?(finished|answered|replied|completed)|"
    r"in progress|\brunning\b|(is|keeps) working|not finished yet|isn.t (finished|done|ready|complete)"
)
FAILED = r"fail|error|problem|could ?n.t|could not|unable|didn.t work|did not work|no answer|trouble|went wrong"
UNFINISHED = (
    STILL_GOING + r"|cut off|cut short|broke off|broken off|incomplete|interrupted|truncated|unfinished|"
    r"partial|may be missing|not (be )?(the )?(whole|complete|full)|isn.t (the )?(whole|complete|full)"
)


def use(tool: str, **arguments: Any) -> Match:
    """A call of this tool with these arguments, whatever others it has and however it went."""

    def is_it(call: Call, trace: Trace) -> bool:
        return call.tool == tool and all(
            fits(call.arguments.get(name), wanted, trace) for name, wanted in arguments.items()
        )

    return is_it


def either(*matches: Match) -> Match:
    """A call that is one of these."""
    return lambda call, trace: any(is_it(call, trace) for is_it in matches)


def called(match: Match, *, turn: int | None = None) -> Check:
    """Such a call was made, and did not fail."""
    return lambda trace: any(not call.is_error for call in _found(trace, match, turn))


def never(match: Match, *, turn: int | None = None) -> Check:
    """No such call was made, not even one that failed."""
    return lambda trace: not any(_found(trace, match, turn))


def at_most(count: int, match: Match) -> Check:
    """Such a call was made so often at most."""
    return lambda trace: sum(1 for _ in _found(trace, match)) <= count


def at_least(count: int, match: Match) -> Check:
    """Such a call was made so often at least."""
    return lambda trace: sum(1 for _ in _found(trace, match)) >= count


def before(first: Match, then: Match) -> Check:
    """Both were done, and the first success of the one came before any of the other."""

    def holds(trace: Trace) -> bool:
        firsts = [at for at, call in enumerate(trace.calls) if first(call, trace) and not call.is_error]
        thens = [at for at, call in enumerate(trace.calls) if then(call, trace)]
        return bool(firsts and thens) and firsts[0] < thens[0]

    return holds


def sent_once(key: str, pattern: str = "") -> Check:
    """Letta has one new message in this conversation of the world, and the pattern is in it."""

    def holds(trace: Trace) -> bool:
        heard = trace.talk(key).heard
        return len(heard) == 1 and _says(heard[0], pattern)

    return holds


def heard_in_new(*patterns: str) -> Check:
    """The model made one conversation, and Letta has one message of a person in it for each pattern, in this order."""

    def holds(trace: Trace) -> bool:
        heard = [text for talk in trace.made for text in talk.heard]
        return len(trace.made) == 1 and len(heard) == len(patterns) and all(map(_says, heard, patterns))

    return holds


def sent_once_in_new(pattern: str = "") -> Check:
    """The model made one conversation, and Letta has one message of a person in it, with the pattern in it."""
    return heard_in_new(pattern)


def read_whole(key: str) -> Check:
    """All that a conversation of the world held was among what get_history showed."""

    def holds(trace: Trace) -> bool:
        shown = {
            message["id"]
            for call in trace.calls
            if call.tool == "get_history"
            for message in call.structure.get("messages", [])
        }
        return {id_ for name, id_ in trace.ids.items() if re.fullmatch(rf"{key}\.\d+", name)} <= shown

    return holds


def nothing_sent(*keys: str) -> Check:
    """Letta has no new message in these conversations; without keys, in none at all."""
    return lambda trace: not any(talk.heard for talk in trace.talks if not keys or talk.key in keys)


def nothing_sent_twice(trace: Trace) -> bool:
    """No conversation heard the same words twice, as far as letters and figures go."""
    for talk in trace.talks:
        words = [re.sub(r"\W+", " ", text).strip().casefold() for text in talk.heard]
        if len(set(words)) < len(words):
            return False
    return True


def decided(key: str, *decisions: Decision) -> Check:
    """Letta has exactly these new decisions in a conversation; a reason is a pattern, and None takes any."""

    def holds(trace: Trace) -> bool:
        made = sorted(trace.talk(key).decisions, key=_order)
        wanted = sorted(decisions, key=_order)
        return [(it.tool, it.approve) for it in made] == [(it.tool, it.approve) for it in wanted] and all(
            want.reason is None or _says(it.reason or "", want.reason) for it, want in zip(made, wanted, strict=True)
        )

    return holds


def nothing_decided(trace: Trace) -> bool:
    """Whatever waited for a person waits still."""
    return not any(talk.decisions for talk in trace.talks)


def answers(*patterns: str, turn: int = -1) -> Check:
    """The person was told all of these, in their last answer or in that to one utterance."""
    return lambda trace: all(_says(_answer(trace, turn), pattern) for pattern in patterns)


def answers_nothing_of(*patterns: str, turn: int = -1) -> Check:
    """The person was told something, and none of these."""

    def holds(trace: Trace) -> bool:
        told = _answer(trace, turn)
        return bool(told.strip()) and not any(_says(told, pattern) for pattern in patterns)

    return holds


def done_once(tool: str) -> Check:
    """This tool was called with success exactly once."""
    return lambda trace: sum(call.tool == tool and not call.is_error for call in trace.calls) == 1


def has_agent(name: str) -> Check:
    """Letta has an agent of this name."""
    return lambda trace: name in trace.agents


def remembers(block: str, *patterns: str) -> Check:
    """A memory block, `agent.label`, has all of these in it afterwards."""
    return lambda trace: all(_says(trace.blocks.get(block, ""), pattern) for pattern in patterns)


def forgets(block: str, *patterns: str) -> Check:
    """A memory block has none of these in it afterwards."""
    return lambda trace: not any(_says(trace.blocks.get(block, ""), pattern) for pattern in patterns)


def asked_alike(agents: Sequence[str], pattern: str) -> Check:
    """Each of these agents heard one message, wherever, and all the same, with the pattern in it."""

    def holds(trace: Trace) -> bool:
        heard = [[text for talk in trace.talks if talk.agent == agent for text in talk.heard] for agent in agents]
        texts = {text for texts in heard for text in texts}
        return all(len(texts) == 1 for texts in heard) and len(texts) == 1 and _says(texts.pop(), pattern)

    return holds


def stopped(count: int) -> Check:
    """So many runs were stopped."""
    return lambda trace: trace.cancelled == count


def left(key: str, **state: Any) -> Check:
    """A conversation of the world stands so afterwards: `title`, `is_archived`, `is_deleted`."""
    return lambda trace: _stands(trace.talk(key), state, trace)


def made(count: int = 1, **state: Any) -> Check:
    """The model made so many conversations, and each stands so."""
    return lambda trace: len(trace.made) == count and all(_stands(talk, state, trace) for talk in trace.made)


def both(*checks: Check) -> Check:
    """All of these hold."""
    return lambda trace: all(check(trace) for check in checks)


def any_of(*checks: Check) -> Check:
    """One of these holds: there are several ways to do it."""
    return lambda trace: any(check(trace) for check in checks)


def fits(value: object, wanted: object, trace: Trace) -> bool:
    """Whether an argument is what a check wants."""
    match wanted:
        case re.Pattern():
            return isinstance(value, str) and bool(cast("re.Pattern[str]", wanted).search(value))
        case set():
            return any(fits(value, one, trace) for one in cast("set[object]", wanted))
        case list():
            given = cast("list[object]", value) if isinstance(value, list) else []
            names = cast("list[object]", wanted)
            return len(given) == len(names) and all(any(fits(it, name, trace) for it in given) for name in names)
        case str() if wanted.startswith("@"):
            return value == trace.ids[wanted[1:]]
        case _:
            return value == wanted


def _found(trace: Trace, match: Match, turn: int | None = None) -> Iterator[Call]:
    return (call for call in trace.calls if turn in (None, call.turn) and match(call, trace))


def _stands(talk: Talk, state: dict[str, Any], trace: Trace) -> bool:
    return all(fits(getattr(talk, name), wanted, trace) for name, wanted in state.items())


def _answer(trace: Trace, turn: int) -> str:
    told = trace.answers
    return told[turn] if -len(told) <= turn < len(told) else ""


def _says(text: str, pattern: str) -> bool:
    return bool(re.search(pattern, text, re.IGNORECASE | re.DOTALL))


def _order(decision: Decision) -> tuple[str, bool]:
    return decision.tool, decision.approve
