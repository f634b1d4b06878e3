"""Tools that change a conversation, or make another one of it."""

from typing import Annotated

from mcp.server.mcpserver import Context
from pydantic import Field

from letta_conv_mcp.app import App, app_of
from letta_conv_mcp.errors import InvalidArguments
from letta_conv_mcp.letta.port import ConversationChanges
from letta_conv_mcp.tools.arguments import ConversationId
from letta_conv_mcp.views import Compaction, Conversation, Fork, Recompilation

_FORKED_WHOLE = "This Letta forks whole conversations only, so the fork goes beyond the message that was named."


async def update_conversation(
    ctx: Context[App],
    conversation_id: ConversationId,
    summary: Annotated[str | None, Field(pattern=r"\S", description="A new title")] = None,
    description: Annotated[str | None, Field(description="Letta Cloud only")] = None,
    archived: Annotated[bool | None, Field(description="true archives, false brings back")] = None,
    model: Annotated[str | None, Field(description="A model handle")] = None,
) -> Conversation:
    """Change a conversation's title or model, or archive it.

    Returns it as it is now: what this Letta can't keep is missing.
    """
    changes = ConversationChanges(summary=summary, description=description, archived=archived, model=model)
    if changes == ConversationChanges():
        raise InvalidArguments("update_conversation", ["nothing to change was given"])
    return await app_of(ctx).letta.update_conversation(conversation_id, changes)


async def fork_conversation(
    ctx: Context[App],
    conversation_id: ConversationId,
    message_id: Annotated[str | None, Field(description="Last message to take along; default: all")] = None,
) -> Fork:
    """Make a new conversation that begins with another one's messages. The two then go on apart."""
    letta = app_of(ctx).letta
    source = await letta.conversation(conversation_id)
    newest = await letta.messages(conversation_id, order="desc", limit=1)
    fork = await letta.fork_conversation(conversation_id, message_id)
    is_asked_for_part = message_id is not None and message_id not in [message.get("id") for message in newest]
    is_whole = fork.in_context_count is not None and fork.in_context_count == source.in_context_count
    return Fork(**fork.model_dump(), note=_FORKED_WHOLE if is_asked_for_part and is_whole else None)


async def compact_conversation(ctx: Context[App], conversation_id: ConversationId) -> Compaction:
    """Have the agent's model replace the older part of a long conversation's context by a summary, for good.

    Only when the person asks for it.
    """
    return await app_of(ctx).letta.compact_conversation(conversation_id)


async def recompile_conversation(ctx: Context[App], conversation_id: ConversationId) -> Recompilation:
    """Bring a conversation up to date with its agent's memory blocks. send_message usually does so by itself."""
    prompt = await app_of(ctx).letta.recompile_conversation(conversation_id)
    return Recompilation(conversation_id=conversation_id, prompt_chars=len(prompt))
