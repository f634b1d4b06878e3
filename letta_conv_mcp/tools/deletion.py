"""Deleting conversations and agents: only after somebody has agreed, since nothing brings them back.

Where the host can ask its person, the person is asked, whatever the model says of it.
"""

import json
from typing import Annotated, TypeAlias

from mcp.server.mcpserver import Context
from mcp_types import ElicitRequest, ElicitRequestFormParams, ElicitResult, InputRequiredResult
from pydantic import Field

from letta_conv_mcp.app import App, app_of
from letta_conv_mcp.errors import ConfirmationNeeded, OwnThread
from letta_conv_mcp.letta.records import DEFAULT_PREFIX
from letta_conv_mcp.tools.agents import resolve_agent
from letta_conv_mcp.tools.arguments import ConversationId
from letta_conv_mcp.tools.consent import can_elicit, choice_schema, chosen, elicited, is_modern
from letta_conv_mcp.views import AgentDeletion, Deletion

QUESTION = "deletion"
SCHEMA = choice_schema({"delete": "Delete", "keep": "Keep"})
Confirm: TypeAlias = Annotated[bool, Field(description="True once the person has agreed")]


async def delete_conversation(
    ctx: Context[App], conversation_id: ConversationId, confirm: Confirm = False
) -> Deletion | InputRequiredResult:
    """Delete a conversation with all its messages, for good. The agent and its memory stay.

    To put it away instead, call update_conversation with archived.
    """
    letta = app_of(ctx).letta
    if conversation_id.startswith(DEFAULT_PREFIX):
        raise OwnThread("be deleted")
    conversation = await letta.conversation(conversation_id)
    what = f"the conversation {_named(conversation.id, conversation.summary)} with all its messages"
    if (question := await _agreement(ctx, conversation.id, what, confirm=confirm)) is not None:
        return question
    await letta.delete_conversation(conversation_id)
    return Deletion(
        conversation_id=conversation_id,
        agent_id=conversation.agent_id,
        summary=conversation.summary,
        in_context_count=conversation.in_context_count,
    )


async def delete_agent(
    ctx: Context[App],
    agent_id: Annotated[str, Field(min_length=1, description="Its id or exact name")],
    confirm: Confirm = False,
) -> AgentDeletion | InputRequiredResult:
    """Delete an agent with its memory and all its conversations, for good."""
    app = app_of(ctx)
    agent = await resolve_agent(app, agent_id)
    what = f"the agent {_named(agent.id, agent.name)} with its memory and all its conversations"
    if (question := await _agreement(ctx, agent.id, what, confirm=confirm)) is not None:
        return question
    await app.letta.delete_agent(agent.id)
    return AgentDeletion(agent_id=agent.id, name=agent.name)


async def _agreement(ctx: Context[App], subject_id: str, what: str, *, confirm: bool) -> InputRequiredResult | None:
    """The question for the person, where it has to be put as a result; None where there is an agreement.

    Raises:
        ConfirmationNeeded: there is none.
    """
    if not can_elicit(ctx):
        if not confirm:
            raise ConfirmationNeeded(subject_id, "unasked")
        return None
    question = f"Delete {what}? This can't be undone."
    if is_modern(ctx) and not ctx.request_state:
        params = ElicitRequestFormParams(message=question, requested_schema=SCHEMA)
        return InputRequiredResult(
            input_requests={QUESTION: ElicitRequest(params=params)}, request_state=json.dumps({"deletes": subject_id})
        )
    if is_modern(ctx):
        asked = json.loads(ctx.request_state or "{}").get("deletes")
        given = (ctx.input_responses or {}).get(QUESTION)
        # The person agreed to what was shown, and to nothing else.
        answer = given if asked == subject_id and isinstance(given, ElicitResult) else None
    else:
        answer = await elicited(ctx, question, SCHEMA)
    if answer is None:
        raise ConfirmationNeeded(subject_id, "unanswered")
    if chosen(answer) != "delete":
        raise ConfirmationNeeded(subject_id, "refused")
    return None


def _named(subject_id: str, name: str | None) -> str:
    return f"{name!r} ({subject_id})" if name else repr(subject_id)
