"""Tools about agents."""

from typing import Annotated

from mcp.server.mcpserver import Context
from pydantic import Field

from letta_conv_mcp.app import App, app_of
from letta_conv_mcp.errors import AgentNeeded, AgentNotFound, UnknownCursor
from letta_conv_mcp.letta.naming import find_agent
from letta_conv_mcp.letta.port import NewAgent
from letta_conv_mcp.tools.arguments import AgentId, Cursor, Limit
from letta_conv_mcp.views import Agent, AgentDetail, AgentPage
from letta_conv_mcp.walk import gather

NAME_CHARS = 200
BLOCK_CHARS = 15_000
"""An App Server keeps no memory block above 20,000, and makes the agent all the same."""


async def list_agents(
    ctx: Context[App],
    query: Annotated[str | None, Field(description="Part of the name")] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> AgentPage:
    """List the Letta agents you can talk to, newest first."""
    return await agent_page(app_of(ctx), query=query, limit=limit, cursor=cursor)


async def retrieve_agent(ctx: Context[App], agent_id: AgentId = None) -> AgentDetail:
    """Look at one agent: its description, its model, and the labels of its memory blocks."""
    app = app_of(ctx)
    agent = await resolve_agent(app, agent_id)
    labels = [block.label for block in await app.letta.memory_blocks(agent.id)]
    return AgentDetail(**agent.model_dump(), memory_blocks=labels)


async def create_agent(
    ctx: Context[App],
    name: Annotated[str, Field(pattern=r"\w", max_length=NAME_CHARS, description="Its name")],
    persona: Annotated[str | None, Field(max_length=BLOCK_CHARS, description="What it is like, in its words")] = None,
    human: Annotated[str | None, Field(max_length=BLOCK_CHARS, description="What it knows of the person")] = None,
    system: Annotated[str | None, Field(description="System prompt; default: Letta's")] = None,
    model: Annotated[str | None, Field(description="Default: the one that is set up")] = None,
) -> Agent:
    """Make a new agent, when the person asks for one.

    It keeps persona and human as memory blocks. Then call create_conversation.
    """
    new = NewAgent(name=name, model=model, persona=persona, human=human, system=system)
    return await app_of(ctx).letta.create_agent(new)


async def agent_page(app: App, *, query: str | None = None, limit: int, cursor: str | None = None) -> AgentPage:
    """One page of agents.

    Raises:
        UnknownCursor: the cursor names no agent.
    """
    if cursor is not None:
        await _require_agent(app, cursor)

    async def fetch(_: Agent | None, size: int) -> list[Agent]:
        return await app.letta.agents(query=query, after=cursor, limit=size)

    gathered = await gather(fetch, None, limit=limit)
    return AgentPage(agents=gathered.kept, next_cursor=gathered.kept[-1].id if gathered.more else None)


async def resolve_agent(app: App, agent: str | None) -> Agent:
    """The agent that an id, an exact name, or the default names.

    Raises:
        AgentNeeded: nothing was given and no default is set.
        AgentNotFound: no agent has this id or name.
        AgentAmbiguous: several agents have this name.
    """
    wanted = agent or app.settings.agent_id
    if wanted is None:
        raise AgentNeeded
    return await find_agent(app.letta, wanted)


async def _require_agent(app: App, cursor: str) -> None:
    # Letta answers an unknown cursor with the first page, and a walk would never end.
    try:
        await app.letta.agent(cursor)
    except AgentNotFound:
        raise UnknownCursor("cursor", cursor) from None
