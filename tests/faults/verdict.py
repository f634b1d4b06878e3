"""Whether a reply is what became of the message: whole, another truthful ending, or one of the three wrongs. Pure.

Doubled: the conversation holds the message more than once. Lost: Letta has a reply that can't be had from us.
Dressed up: what we say isn't so.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from tests.faults.shapes import Shape
from tests.faults.truth import Call, Json, Truth

Ending: TypeAlias = str
"""Of a reply: `whole` when it is just what Letta holds; else its status, or `error`."""
Wrong: TypeAlias = Literal["doubled", "lost", "dressed up", "unexpected"]

WHOLE: frozenset[Ending] = frozenset({"whole"})
# What a model reads as leave to send the message again.
SAYS_ABSENT = re.compile(
    r"(was|were) not (sent|kept|taken|received)|nothing was (sent|done|changed)|safe to (try|send)", re.IGNORECASE
)


@dataclass(frozen=True)
class Said:
    """What a host was told of a message: a reply, or the sentence of an error."""

    status: str
    words: str = ""
    text: str = ""
    reasoning: str = ""
    calls: tuple[Call, ...] = ()
    in_reply_to: str = ""
    run_id: str | None = None

    @property
    def says_absent(self) -> bool:
        """Whether a model that reads this may believe that the message isn't there."""
        return bool(SAYS_ABSENT.search(self.words))


@dataclass(frozen=True)
class Expected:
    """How a reply may end, and what its next step or its error must say."""

    may_end: frozenset[Ending] = WHOLE
    says: str = ""


@dataclass(frozen=True)
class Verdict:
    """What is to be thought of one case.

    Attributes:
        case: its name.
        ending: how the reply ended.
        wrong: what is wrong with that, if anything.
        why: in words.
        seconds: how long the reply took.
    """

    case: str
    ending: Ending
    wrong: Wrong | None = None
    why: str = ""
    seconds: float = 0


def said_from_reply(reply: Json) -> Said:
    """What `send_message` and `wait_for_reply` return, in full detail."""
    uses: list[Json] = reply.get("tool_uses") or []
    asked: list[Json] = reply.get("approvals") or []
    calls = [Call(use["tool"], use["arguments"], use["result"]) for use in uses]
    return Said(
        reply["status"],
        reply.get("next_step") or "",
        reply["text"],
        reply.get("reasoning") or "",
        (*calls, *(Call(call["tool"], call["arguments"], None) for call in asked)),
        reply.get("in_reply_to") or "",
        reply.get("run_id"),
    )


def judge(
    case: str, shape: Shape, said: Said, truth: Truth, *, later: Said | None, expected: Expected, seconds: float
) -> Verdict:
    """Hold what was said against what is so.

    Args:
        case: its name.
        shape: of the reply, marked.
        said: what the host was told.
        truth: what Letta holds once everything has come to rest.
        later: what the host is told when it asks again, without faults; None where it didn't.
        expected: what the case's faults allow.
        seconds: how long the reply took.
    """
    ending = "whole" if is_whole(said, truth, shape) else said.status
    problem = _problem(ending, shape, said, truth, later, expected)
    if problem is None:
        return Verdict(case, ending, seconds=seconds)
    wrong, why = problem
    return Verdict(case, ending, wrong, f"{why}\n  said   {said}\n  later  {later}\n  Letta  {truth}", seconds)


def report_of(verdicts: Iterable[Verdict]) -> str:
    """What went wrong, case by case."""
    return "\n" + "\n".join(f"{verdict.case}: {verdict.wrong}, {verdict.why}" for verdict in verdicts if verdict.wrong)


def is_whole(said: Said, truth: Truth, shape: Shape) -> bool:
    """Whether a reply ended as its shape should, and says just what Letta holds."""
    return (
        said.status == shape.status
        and truth.times == 1
        and (said.text, said.reasoning, said.calls) == (truth.text, truth.reasoning, truth.calls)
        and shape.text in truth.text
        and shape.tool in (None, *(call.tool for call in truth.calls))
    )


def _problem(
    ending: Ending, shape: Shape, said: Said, truth: Truth, later: Said | None, expected: Expected
) -> tuple[Wrong, str] | None:
    is_here = truth.times > 0
    if truth.times > 1:
        return "doubled", f"the conversation holds the message {truth.times} times"
    if ending in ("completed", "awaiting_approval"):
        return "dressed up", "it is called whole, and isn't what Letta holds"
    if is_here and said.says_absent:
        return "dressed up", "it says that the message isn't there, and it is"
    if ending == "error" and not said.says_absent:
        return "dressed up", "an error must say that nothing was sent"
    if ending == "failed" and is_here and set(truth.ends) <= {"end_turn", "requires_approval"}:
        return "dressed up", "it says that the run failed, and none did"
    if ending == "running" and is_here:
        return "lost", "Letta is done, and the reply goes on"
    if ending == "interrupted" and is_here and not (later and is_whole(later, truth, shape)):
        return "lost", "Letta has the reply, and asking again doesn't bring it"
    if ending not in expected.may_end:
        return "unexpected", f"it ended as {ending!r}, where {sorted(expected.may_end)} would do"
    if expected.says not in said.words:
        return "unexpected", f"it does not say {expected.says!r}"
    return None
