"""A person's verdict on tool calls, held against what really waits for one. Pure.

All parallel calls are answered in one batch: an agent goes on only when each has its answer, and Letta refuses a
batch that fits no request.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import NAMESPACE_URL, uuid5

from letta_conv_mcp.errors import ApprovalsMismatch
from letta_conv_mcp.letta.outgoing import Decision
from letta_conv_mcp.views import Approval


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a person decided.

    Attributes:
        approve: ids of the tool calls that may run.
        deny: ids of those that may not.
        reason: what the agent is told of why.
    """

    approve: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    reason: str | None = None

    def __str__(self) -> str:
        parts = [f"{verb} {', '.join(ids)}" for verb, ids in (("approve", self.approve), ("deny", self.deny)) if ids]
        return "; ".join(parts)


def decisions_from_verdict(verdict: Verdict, pending: Sequence[Approval], conversation_id: str) -> tuple[Decision, ...]:
    """The decisions on all that is pending, in its order.

    Raises:
        ApprovalsMismatch: the verdict leaves a call out, names one that isn't pending or names one for both, or
            approves a call that the client which offered the tool must run.
    """
    known = {approval.tool_call_id: approval for approval in pending}
    given = (*verdict.approve, *verdict.deny)
    problems = [
        *([] if given or known else ["no tool call was named"]),
        *_named("named for both approve and deny", set(verdict.approve).intersection(verdict.deny)),
        *_named("not waiting, or answered already", [call_id for call_id in given if call_id not in known]),
        *_named("also waiting and left out", [call_id for call_id in known if call_id not in given]),
        *_named(
            "a tool of the client that offered it, which alone can run it (it can be denied)",
            [call_id for call_id in verdict.approve if call_id in known and known[call_id].client_tool],
        ),
    ]
    if problems:
        shown = [f"{approval.tool_call_id} ({approval.tool})" for approval in pending]
        raise ApprovalsMismatch(conversation_id, problems, shown)
    return tuple(
        Decision(tool_call_id=call_id, approve=call_id in verdict.approve, reason=verdict.reason) for call_id in known
    )


def otid_of_decisions(
    conversation_id: str, newest_run_id: str | None, pending: Iterable[Approval], decisions: Iterable[Decision]
) -> str:
    """The same id for the same answer to the same request, whoever passes it on, so that a repeat is harmless.

    Models number their calls anew in every run, so the time of the request is part of it. So is the conversation's
    newest run: Letta answers an otid whose run died with that run, and nobody could decide any more.
    """
    asked = sorted((approval.tool_call_id, approval.requested_at or "") for approval in pending)
    return str(uuid5(NAMESPACE_URL, repr((conversation_id, newest_run_id, asked, sorted(map(repr, decisions))))))


def _named(what: str, call_ids: Iterable[str]) -> list[str]:
    return [f"{call_id!r} is {what}" for call_id in sorted(set(call_ids))]
