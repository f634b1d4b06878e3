"""How a conversation stands, told by Letta alone: true after a restart, and when another client caused it."""

from dataclasses import dataclass, field

from letta_conv_mcp.letta.port import Letta
from letta_conv_mcp.views import Approval


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What holds a conversation up, if anything."""

    running_run_id: str | None = None
    approvals: list[Approval] = field(default_factory=list[Approval])


async def standing_of(letta: Letta, conversation_id: str) -> Standing:
    """The active run of a conversation, or else what waits for a person's decision in it.

    In this order: while an approved tool runs, the last message in context is still the request for approval.

    Raises:
        LettaFailure: Letta can't be asked.
    """
    active = await letta.runs(conversation_id, active=True)
    if active:
        return Standing(running_run_id=active[0].id)
    return Standing(approvals=await letta.pending_approvals(conversation_id))
