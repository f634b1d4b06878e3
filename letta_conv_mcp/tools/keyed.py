"""The tool that finds a conversation by a key of the caller's own."""

import unicodedata
from typing import Annotated
from urllib.parse import urlsplit

from mcp.server.mcpserver import Context
from pydantic import Field

from letta_conv_mcp.app import App, app_of
from letta_conv_mcp.errors import InvalidArguments
from letta_conv_mcp.keyed import open_keyed
from letta_conv_mcp.state.keys import Slot
from letta_conv_mcp.tools.agents import resolve_agent
from letta_conv_mcp.tools.arguments import AgentId
from letta_conv_mcp.views import OpenedConversation

KEY_CHARS = 200
_LOOPBACK = ("localhost", "::1")


async def open_conversation(
    ctx: Context[App],
    key: Annotated[
        str, Field(pattern=r"\S", max_length=KEY_CHARS, description="A user, ticket, branch …; becomes the summary")
    ],
    agent_id: AgentId = None,
) -> OpenedConversation:
    """Get the one conversation with an agent that belongs to a key, the same for every caller and after restarts.

    It is made at the first call, and once only, however many ask at the same instant; `created`: it is new.
    """
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in key):
        raise InvalidArguments("open_conversation", ["key has characters in it that can't be shown"])
    app = app_of(ctx)
    agent = await resolve_agent(app, agent_id)
    slot = Slot(server=server_of(app.settings.base_url or ""), agent_id=agent.id, key=key)
    opened = await open_keyed(app.letta, app.keys, slot, app.hub.create_conversation)
    return OpenedConversation(**dict(opened.conversation), created=opened.created, note=opened.note)


def server_of(address: str) -> str:
    """An address as one Letta has one, however it is spelt: hosts are configured one by one."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    host = "127.0.0.1" if host in _LOOPBACK else host
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{host}{port}{parts.path}" if host else address
