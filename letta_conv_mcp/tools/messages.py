"""Tools that speak and that read what was said."""

from typing import Annotated, Literal, TypeAlias

from mcp.server.mcpserver import Context
from mcp_types import InputRequiredResult
from pydantic import Field

from letta_conv_mcp.app import App, app_of
from letta_conv_mcp.history import read_history
from letta_conv_mcp.letta.outgoing import Said
from letta_conv_mcp.tools.arguments import ConversationId, DetailLevel, Limit, MessageText, RunId, WaitSeconds
from letta_conv_mcp.tools.images import MOST_IMAGES, images_from_urls
from letta_conv_mcp.tools.waiting import answered, wait_of
from letta_conv_mcp.views import Detail, MessagePage, Reply

MessageType: TypeAlias = Literal[
    "user_message",
    "assistant_message",
    "reasoning_message",
    "hidden_reasoning_message",
    "tool_call_message",
    "tool_return_message",
    "approval_request_message",
    "approval_response_message",
    "summary_message",
    "event_message",
    "system_message",
    "system_alert",
]


async def send_message(
    ctx: Context[App],
    conversation_id: ConversationId,
    message: MessageText,
    images: Annotated[
        list[str] | None,
        Field(max_length=MOST_IMAGES, description="https or data: URLs"),
    ] = None,
    max_steps: Annotated[int | None, Field(ge=1, description="The agent's steps at most")] = None,
    override_model: Annotated[str | None, Field(description="A model handle, for this message")] = None,
    wait_seconds: WaitSeconds = None,
    detail: DetailLevel = "concise",
) -> Reply | InputRequiredResult:
    """Say something in a conversation and wait for the agent's reply.

    The agent remembers it and may act on it. Check `status` before using `text`:
    - completed: the whole reply.
    - running: `text` is what was said so far. Call wait_for_reply; do not send the message again.
    - awaiting_approval: the agent wants to run a tool. Show `approvals` and stop; answer_approval passes on what the
      person decides.
    - failed, cancelled, interrupted: see `next_step`.
    """
    wait = wait_of(ctx, wait_seconds, detail)
    if (reply := await answered(ctx, wait)) is not None:
        return reply
    said = Said(text=message, images=images_from_urls(images or []), max_steps=max_steps, override_model=override_model)
    return await wait.reply_of(wait.start(conversation_id, said))


async def wait_for_reply(
    ctx: Context[App],
    conversation_id: ConversationId,
    run_id: RunId = None,
    wait_seconds: WaitSeconds = None,
    detail: DetailLevel = "concise",
) -> Reply | InputRequiredResult:
    """Wait for a reply that is still running, or read one that has ended. Sends nothing.

    Works for any run of the conversation, also another client's: `in_reply_to` shows the message it answers.
    Read `status` as in send_message.
    """
    wait = wait_of(ctx, wait_seconds, detail)
    if (reply := await answered(ctx, wait)) is not None:
        return reply
    return await wait.reply_of(await app_of(ctx).hub.find(conversation_id, run_id))


async def get_history(
    ctx: Context[App],
    conversation_id: ConversationId,
    limit: Limit = 20,
    before: Annotated[str | None, Field(description="older_cursor of a page: go back in time")] = None,
    after: Annotated[str | None, Field(description="newer_cursor of a page: go forward")] = None,
    types: Annotated[list[MessageType] | None, Field(description="Default: all")] = None,
    detail: Annotated[Detail, Field(description="full: texts uncut")] = "concise",
) -> MessagePage:
    """Read what was said in a conversation: its newest messages, oldest first within the page.

    For all of it, pass older_cursor as before until there is none.
    """
    return await read_history(
        app_of(ctx).letta,
        conversation_id,
        limit=limit,
        before=before,
        after=after,
        types=frozenset(types) if types else None,
        whole=detail == "full",
    )
