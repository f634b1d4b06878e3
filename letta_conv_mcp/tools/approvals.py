"""Tools that decide: on what an agent asks to do, and that it should stop."""

from typing import Annotated

import anyio
from mcp.server.mcpserver import Context
from mcp_types import InputRequiredResult
from pydantic import Field

from letta_conv_mcp.app import App, app_of
from letta_conv_mcp.tools.arguments import ConversationId, DetailLevel, RunId, WaitSeconds
from letta_conv_mcp.tools.waiting import answered, wait_of
from letta_conv_mcp.turns.decisions import Verdict
from letta_conv_mcp.views import Reply

CANCEL_SECONDS = 10.0
"""How long a cancelled run is waited for: a step that has begun is finished first."""


async def answer_approval(
    ctx: Context[App],
    conversation_id: ConversationId,
    approve: Annotated[list[str] | None, Field(description="tool_call_ids that may run")] = None,
    deny: Annotated[list[str] | None, Field(description="tool_call_ids that may not")] = None,
    reason: Annotated[str | None, Field(description="Told to the agent")] = None,
    wait_seconds: WaitSeconds = None,
    detail: DetailLevel = "concise",
) -> Reply | InputRequiredResult:
    """Pass on the person's decision on the tool calls that an agent waits with, and wait for its reply.

    Approve only what the person has seen and allowed. Every pending call needs its decision, all in one call;
    `approvals` of a reply or of retrieve_conversation names them. Read `status` as in send_message.
    """
    wait = wait_of(ctx, wait_seconds, detail)
    if (reply := await answered(ctx, wait)) is not None:
        return reply
    verdict = Verdict(approve=tuple(approve or ()), deny=tuple(deny or ()), reason=reason)
    return await wait.reply_of(wait.start(conversation_id, verdict))


async def cancel_reply(ctx: Context[App], conversation_id: ConversationId, run_id: RunId = None) -> Reply:
    """Stop the agent's run that a message of yours started, or take back a message that still waits to be sent.

    Returns what was said so far. What the agent did is not undone. A run of another client is never stopped.
    """
    turn = await app_of(ctx).hub.cancel(conversation_id, run_id)
    with anyio.move_on_after(CANCEL_SECONDS):
        await turn.over.wait()
    return turn.reply("concise")
