"""An agent by the name that people use for it."""

from letta_conv_mcp.errors import AgentAmbiguous, AgentNotFound
from letta_conv_mcp.letta.port import Letta
from letta_conv_mcp.views import Agent


async def find_agent(letta: Letta, wanted: str) -> Agent:
    """The agent with this id or, failing that, with this exact name.

    Raises:
        AgentNotFound: no agent has this id or name.
        AgentAmbiguous: several agents have this name.
    """
    try:
        return await letta.agent(wanted)
    except AgentNotFound:
        namesakes = await letta.agents(name=wanted, limit=10)
    if len(namesakes) > 1:
        raise AgentAmbiguous(wanted, [agent.id for agent in namesakes])
    if not namesakes:
        raise AgentNotFound(wanted)
    return namesakes[0]
