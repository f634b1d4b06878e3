"""Tools that read and change what an agent always has before it: its memory blocks."""

from typing import Annotated

from mcp.server.mcpserver import Context
from pydantic import Field

from letta_conv_mcp import search
from letta_conv_mcp.app import App, app_of
from letta_conv_mcp.errors import BlockNotFound, InvalidArguments, TextNotThere
from letta_conv_mcp.letta.port import MessageQuery
from letta_conv_mcp.tools.agents import resolve_agent
from letta_conv_mcp.tools.arguments import AgentId, Limit
from letta_conv_mcp.turns.freshness import tells_all
from letta_conv_mcp.views import Memory, MemoryBlock, SearchResult


async def read_memory(
    ctx: Context[App],
    agent_id: AgentId = None,
    conversation_id: Annotated[str | None, Field(description="Also look at this conversation's prompt")] = None,
) -> Memory:
    """Read an agent's memory blocks, which are part of its prompt in all its conversations.

    A conversation's prompt can be older: `prompt_is_current` says so, and recompile_conversation brings it up to date.
    """
    app = app_of(ctx)
    if conversation_id is None:
        agent = await resolve_agent(app, agent_id)
        return Memory(agent_id=agent.id, blocks=await app.letta.memory_blocks(agent.id))
    prompt = await app.letta.prompt(conversation_id)
    if agent_id is not None and (await resolve_agent(app, agent_id)).id != prompt.agent_id:
        raise InvalidArguments("read_memory", ["the conversation is another agent's: leave agent_id out"])
    blocks = await app.letta.memory_blocks(prompt.agent_id)
    own = await app.letta.own_blocks(conversation_id) if prompt.has_own_memory else []
    values = {block.label: block.value for block in blocks}
    is_current = None if prompt.text is None else tells_all(prompt.text, values)
    return Memory(agent_id=prompt.agent_id, blocks=blocks, isolated_blocks=own, prompt_is_current=is_current)


async def search_messages(
    ctx: Context[App],
    query: Annotated[str, Field(pattern=r"\S", description="Words that the message holds")],
    conversation_id: Annotated[str | None, Field(description="Default: all of the agent's")] = None,
    agent_id: AgentId = None,
    limit: Limit = 20,
) -> SearchResult:
    """Find messages by their words, in one conversation or in all of an agent's.

    `searched` says how far was looked. Around a hit: call get_history with its message_id as before, then again as
    after.
    """
    app = app_of(ctx)
    if conversation_id is not None and agent_id is not None:
        raise InvalidArguments("search_messages", ["give either conversation_id or agent_id, not both"])
    wanted_agent = None if conversation_id else (await resolve_agent(app, agent_id)).id
    wanted = MessageQuery(text=query, agent_id=wanted_agent, conversation_id=conversation_id)
    return await search.search_messages(app.letta, wanted, limit=limit)


async def update_memory(
    ctx: Context[App],
    label: Annotated[str, Field(min_length=1, description="The block's label, as read_memory shows it")],
    agent_id: AgentId = None,
    value: Annotated[str | None, Field(description="The whole new text")] = None,
    old_text: Annotated[str | None, Field(min_length=1, description="A part that stands there once")] = None,
    new_text: Annotated[str | None, Field(description="What replaces old_text")] = None,
) -> MemoryBlock:
    """Change a block of an agent's memory, for all its conversations: all of it, or one part.

    Give value, or old_text and new_text. Nothing keeps the text that was there before: call read_memory first.
    """
    is_part = old_text is not None and new_text is not None
    if (value is None) != is_part or (value is not None and (old_text, new_text) != (None, None)):
        raise InvalidArguments("update_memory", ["give either value, or old_text with new_text"])
    app = app_of(ctx)
    agent = await resolve_agent(app, agent_id)
    if old_text is not None and new_text is not None:
        value = with_part_replaced(await app.letta.memory_blocks(agent.id), agent.id, label, old_text, new_text)
    try:
        return await app.letta.update_memory_block(agent.id, label, value or "")
    finally:
        app.hub.memory_changed(agent.id)


def with_part_replaced(blocks: list[MemoryBlock], agent_id: str, label: str, old: str, new: str) -> str:
    """A block's text with one part replaced.

    Raises:
        BlockNotFound: there is no such block.
        TextNotThere: the part doesn't stand there exactly once.
    """
    for block in blocks:
        if block.label == label:
            if (times := block.value.count(old)) != 1:
                raise TextNotThere(label, times)
            return block.value.replace(old, new)
    raise BlockNotFound(agent_id, label)
