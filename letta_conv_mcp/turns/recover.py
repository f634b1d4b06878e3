"""How a conversation stands, told by Letta alone: true after a restart, and when another client caused it."""

from dataclasses import dataclass, field
from datetime import datetime

from letta_conv_mcp.letta.port import Letta, Run
from letta_conv_mcp.views import Approval


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What holds a conversation up, if anything.

    Attributes:
        running_run_id: the newest run that Letta takes for active.
        approvals: what waits for a person's decision, as far as no run may be at work on it already.
    """

    running_run_id: str | None = None
    approvals: list[Approval] = field(default_factory=list[Approval])


async def standing_of(letta: Letta, conversation_id: str) -> Standing:
    """The active run of a conversation, and what waits for a person's decision in it.

    While an approved tool runs, the last message in context is still the request for approval. So what an active run
    may have been started by is not pending; a run that began before the request is a different matter, such as one
    whose server died, which is active for ever.

    Raises:
        LettaFailure: Letta can't be asked.
    """
    active = await letta.runs(conversation_id, active=True)
    approvals = await letta.pending_approvals(conversation_id)
    if active and not _is_older(active[0], approvals):
        approvals = []
    return Standing(running_run_id=active[0].id if active else None, approvals=approvals)


def _is_older(run: Run, approvals: list[Approval]) -> bool:
    """Whether a run began before something was asked for. A request's date has no fractions of a second."""
    asked = [approval.requested_at for approval in approvals if approval.requested_at]
    if not asked or run.created_at is None:
        return False
    return datetime.fromisoformat(run.created_at) < datetime.fromisoformat(min(asked))
