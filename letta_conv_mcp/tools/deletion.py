"""Deleting a conversation: only after somebody has agreed, since nothing brings it back.

Where the host can ask its person, the person is asked, whatever the model says of it.
"""

import json
from typing import Annotated, Any

from mcp.server.mcpserver import Context
from mcp_types import ElicitRequest, ElicitRequestFormParams, ElicitResult, InputRequiredResult
from pydantic import Field

from letta_conv_mcp.app import App, app_of
from letta_conv_mcp.errors import ConfirmationNeeded
from letta_conv_mcp.tools.arguments import ConversationId
from letta_conv_mcp.tools.consent import can_elicit, elicited, is_modern
from letta_conv_mcp.views import Conversation, Deletion

QUESTION = "deletion"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "decision": {
            "type": "string",
            "title": "Decision",
            "enum": ["delete", "keep"],
            "enumNames": ["Delete", "Keep"],
        }
    },
    "required": ["decision"],
}


async def delete_conversation(
    ctx: Context[App],
    conversation_id: ConversationId,
    confirm: Annotated[bool, Field(description="True once the person has agreed")] = False,
) -> Deletion | InputRequiredResult:
    """Delete a conversation with all its messages, for good. The agent and its memory stay.

    To put it away instead, call update_conversation with archived.
    """
    letta = app_of(ctx).letta
    conversation = await letta.conversation(conversation_id)
    if can_elicit(ctx):
        if is_modern(ctx) and not ctx.request_state:
            return _question_result(conversation)
        if not await _is_agreed(ctx, conversation):
            raise ConfirmationNeeded(conversation_id, was_asked=True)
    elif not confirm:
        raise ConfirmationNeeded(conversation_id, was_asked=False)
    await letta.delete_conversation(conversation_id)
    return Deletion(
        conversation_id=conversation_id,
        agent_id=conversation.agent_id,
        summary=conversation.summary,
        in_context_count=conversation.in_context_count,
    )


def _question_result(conversation: Conversation) -> InputRequiredResult:
    params = ElicitRequestFormParams(message=question_text(conversation), requested_schema=SCHEMA)
    return InputRequiredResult(
        input_requests={QUESTION: ElicitRequest(params=params)},
        request_state=json.dumps({"deletes": conversation.id}),
    )


async def _is_agreed(ctx: Context[App], conversation: Conversation) -> bool:
    if not is_modern(ctx):
        return _says_delete(await elicited(ctx, question_text(conversation), SCHEMA))
    asked = json.loads(ctx.request_state or "{}").get("deletes")
    answer = (ctx.input_responses or {}).get(QUESTION)
    # The person agreed to the conversation that was shown, and to no other.
    return asked == conversation.id and _says_delete(answer if isinstance(answer, ElicitResult) else None)


def _says_delete(answer: ElicitResult | None) -> bool:
    return (
        answer is not None
        and answer.action == "accept"
        and answer.content is not None
        and answer.content.get("decision") == "delete"
    )


def question_text(conversation: Conversation) -> str:
    """What the person is asked."""
    name = f"{conversation.summary!r} ({conversation.id})" if conversation.summary else repr(conversation.id)
    return f"Delete the conversation {name} with all its messages? This can't be undone."
