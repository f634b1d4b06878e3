"""Several replies to one message, side by side and small enough to be read together: pure."""

from collections.abc import Sequence

from letta_conv_mcp.letta.content import shortened
from letta_conv_mcp.views import Approval, Branch, Reply

TEXTS_CHARS = 16_000
"""All texts together stay at about 4,000 tokens, so that with everything else the whole stays below 8,000."""
NAME_CHARS = 80
ARGUMENTS_CHARS = 400
"""Of all calls of a branch together; retrieve_conversation shows them in full."""
SHORTEST_ARGUMENTS = 20
PROBLEM_CHARS = 400


def branch_of_reply(name: str, agent_id: str | None, reply: Reply) -> Branch:
    """A branch in which the message was said."""
    return Branch(
        name=shortened(name, NAME_CHARS),
        status=reply.status,
        text=reply.text,
        next_step=reply.next_step,
        agent_id=agent_id,
        conversation_id=reply.conversation_id,
        run_id=reply.run_id,
        approvals=_approvals(reply.approvals),
    )


def branch_not_sent(name: str, agent_id: str | None, conversation_id: str | None, problem: str) -> Branch:
    """A branch in which the message was not said, and why."""
    return Branch(
        name=shortened(name, NAME_CHARS),
        status="not_sent",
        text="",
        next_step=shortened(problem, PROBLEM_CHARS),
        agent_id=agent_id,
        conversation_id=conversation_id,
    )


def cut_together(branches: Sequence[Branch]) -> list[Branch]:
    """The same, with texts that are short enough together."""
    return [_cut(branch, chars) for branch, chars in zip(branches, shares_of(branches, TEXTS_CHARS), strict=True)]


def shares_of(branches: Sequence[Branch], total: int) -> list[int]:
    """How many characters each text may have: what short ones leave goes to the long ones, evenly."""
    shares = [0] * len(branches)
    by_length = sorted(range(len(branches)), key=lambda place: len(branches[place].text))
    for done, place in enumerate(by_length):
        shares[place] = min(len(branches[place].text), total // (len(branches) - done))
        total -= shares[place]
    return shares


def _cut(branch: Branch, chars: int) -> Branch:
    if len(branch.text) <= chars:
        return branch
    rest = (
        f"`text` is cut to {chars} of {len(branch.text)} characters: call wait_for_reply with this conversation_id and "
        "run_id and detail 'full' for all."
    )
    steps = [step for step in (branch.next_step, rest) if step]
    return branch.model_copy(update={"text": branch.text[:chars], "next_step": " ".join(steps)})


def _approvals(approvals: Sequence[Approval]) -> str | None:
    """Each call by its id, which no cut may take away: all are answered together."""
    chars = max(SHORTEST_ARGUMENTS, ARGUMENTS_CHARS // max(1, len(approvals)))
    calls = [
        f"{approval.tool_call_id}: {approval.tool}({shortened(approval.arguments, chars)})"
        f"{' [client_tool]' if approval.client_tool else ''}"
        for approval in approvals
    ]
    return "; ".join(calls) or None
