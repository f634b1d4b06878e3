"""The lists that the chat shows, of as many pages as they take."""

from mcp import Client

from letta_conv_mcp.cli.chat_views import Structure
from letta_conv_mcp.cli.own_server import call

LATEST = 20
PAGE = 100


async def conversations(client: Client, agent_id: str, *, is_all: bool) -> tuple[list[Structure], bool]:
    """An agent's conversations, the latest or all, and whether there are more. Raises as `call` does."""
    found: list[Structure] = []
    cursor: str | None = None
    while is_all or not found:
        asked = {"agent_id": agent_id, "limit": PAGE if is_all else LATEST, "cursor": cursor}
        page = await call(client, "list_conversations", asked)
        found += page["conversations"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    return found, cursor is not None


async def last_messages(client: Client, conversation_id: str, count: int) -> list[Structure]:
    """The entries of a conversation's last messages, oldest first. Raises as `call` does."""
    found: list[Structure] = []
    cursor: str | None = None
    while count > 0:
        size = min(count, PAGE)
        page = await call(client, "get_history", {"conversation_id": conversation_id, "limit": size, "before": cursor})
        found[:0] = page["messages"]
        cursor, count = page["older_cursor"], count - size
        if cursor is None:
            break
    return found
