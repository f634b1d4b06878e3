"""Tools about conversations."""

from typing import Annotated, Literal

from mcp.server.mcpserver import Context
from pydantic import Field

from letta_conv_mcp.app import App, app_of
from letta_conv_mcp.errors import LettaFailure, UnknownCursor
from letta_conv_mcp.letta.naming import find_agent
from letta_conv_mcp.letta.port import ConversationQuery, NewConversation
from letta_conv_mcp.tools.agents import resolve_agent
from letta_conv_mcp.tools.arguments import AgentId, ConversationId, Cursor, Limit
from letta_conv_mcp.turns.recover import standing_of
from letta_conv_mcp.views import Conversation, ConversationDetail, ConversationPage
from letta_conv_mcp.walk import gather


async def create_conversation(
    ctx: Context[App],
    agent_id: AgentId = None,
    summary: Annotated[str | None, Field(description="A short title")] = None,
    description: Annotated[str | None, Field(description="Letta Cloud only")] = None,
    model: Annotated[str | None, Field(description="A model handle")] = None,
    isolated_blocks: Annotated[list[str] | None, Field(description="Labels of memory blocks not to share")] = None,
) -> Conversation:
    """Open a new, empty conversation with an agent.

    Its history is its own; the agent's memory and tools are shared by all its conversations.
    Then call send_message.
    """
    app = app_of(ctx)
    agent = await resolve_agent(app, agent_id)
    new = NewConversation(
        agent_id=agent.id,
        summary=summary,
        description=description,
        model=model,
        isolated_blocks=tuple(isolated_blocks or ()),
    )
    return await app.hub.create_conversation(new)


async def list_conversations(
    ctx: Context[App],
    agent_id: Annotated[
        str | None, Field(description="An agent's id or exact name; default: LETTA_AGENT_ID or all")
    ] = None,
    search: Annotated[str | None, Field(description="Part of the title; case is ignored")] = None,
    archived: Annotated[bool | None, Field(description="Default: both")] = None,
    order_by: Literal["last_message_at", "created_at", "last_run_completion"] = "last_message_at",
    order: Literal["desc", "asc"] = "desc",
    limit: Limit = 20,
    cursor: Cursor = None,
) -> ConversationPage:
    """List conversations, most recently active first.

    An agent's own thread, default:<agent_id>, is not listed. For one conversation's state call
    retrieve_conversation.
    """
    app = app_of(ctx)
    wanted = agent_id or app.settings.agent_id
    query = ConversationQuery(
        agent_id=(await find_agent(app.letta, wanted)).id if wanted else None,
        archived=archived,
        order_by=order_by,
        order=order,
    )
    return await conversation_page(app, query, search=search, limit=limit, cursor=cursor)


async def conversation_page(
    app: App, query: ConversationQuery, *, search: str | None = None, limit: int, cursor: str | None = None
) -> ConversationPage:
    """One page of conversations, filtered here where Letta can't.

    0.16.8 searches summaries case-sensitively and ignores the archive filter.

    Raises:
        UnknownCursor: the cursor names no conversation of this list.
    """
    needle = search.casefold() if search else None

    async def fetch(last: Conversation | None, size: int) -> list[Conversation]:
        after = last.id if last else cursor
        page = await app.letta.conversations(query, after=after, limit=size)
        if any(conversation.id == after for conversation in page):
            raise UnknownCursor("cursor", after or "")
        return page

    def fits(conversation: Conversation) -> bool:
        found = needle is None or needle in (conversation.summary or "").casefold()
        return found and query.archived in (None, bool(conversation.archived))

    is_filtered = needle is not None or query.archived is not None
    gathered = await gather(fetch, fits if is_filtered else None, limit=limit)
    return ConversationPage(
        conversations=gathered.kept,
        next_cursor=gathered.seen[-1].id if gathered.more and gathered.seen else None,
    )


async def retrieve_conversation(ctx: Context[App], conversation_id: ConversationId) -> ConversationDetail:
    """Look at one conversation: its agent, its size, whether a run is active, and what waits for approval."""
    return await conversation_detail(app_of(ctx), conversation_id)


async def conversation_detail(app: App, conversation_id: str) -> ConversationDetail:
    """One conversation with what can only be learnt by asking further.

    Raises:
        ConversationNotFound: there is no such conversation.
    """
    conversation = await app.letta.conversation(conversation_id)
    standing = await standing_of(app.letta, conversation_id)
    own_blocks = await app.letta.own_blocks(conversation_id)
    try:
        agent_name = (await app.letta.agent(conversation.agent_id)).name
    except LettaFailure:
        # The conversation is the answer; a name that can't be had is left out.
        agent_name = None
    return ConversationDetail(
        **dict(conversation),
        agent_name=agent_name,
        isolated_blocks=[block.label for block in own_blocks],
        running_run_id=standing.running_run_id,
        approvals=standing.approvals,
    )
