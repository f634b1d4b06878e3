"""A conversation as a person names it: by its summary, or not at all."""

from collections.abc import Sequence

from letta_conv_mcp.app import App
from letta_conv_mcp.errors import ConversationAmbiguous, ConversationNeeded, ConversationNotFound
from letta_conv_mcp.letta.naming import find_agent
from letta_conv_mcp.letta.port import ConversationQuery
from letta_conv_mcp.tools.conversations import conversation_page
from letta_conv_mcp.views import Conversation

CANDIDATES = 5


async def find_conversation(app: App, wanted: str | None) -> Conversation:
    """The conversation that an id, a summary, or a part of only one summary names; without any, the latest.

    Raises:
        ConversationNotFound: none has this id or summary.
        ConversationAmbiguous: several summaries have this part.
        ConversationNeeded: none was named, and there is none at all.
    """
    if wanted is None:
        return await _latest(app)
    try:
        return await app.letta.conversation(wanted)
    except ConversationNotFound:
        # First among the latest, which hosts complete: an older namesake of one of them is not meant.
        named = _named(wanted, (await app.recent.conversations()).items)
        found = named or (await conversation_page(app, ConversationQuery(), search=wanted, limit=100)).conversations
    candidates = _named(wanted, found) or found
    if not candidates:
        raise ConversationNotFound(wanted)
    if len(candidates) > 1:
        raise ConversationAmbiguous(wanted, [(each.id, each.summary or "") for each in candidates[:CANDIDATES]])
    return candidates[0]


def _named(wanted: str, conversations: Sequence[Conversation]) -> list[Conversation]:
    return [each for each in conversations if (each.summary or "").casefold() == wanted.casefold()]


async def _latest(app: App) -> Conversation:
    wanted = app.settings.agent_id
    query = ConversationQuery(agent_id=(await find_agent(app.letta, wanted)).id if wanted else None)
    page = await conversation_page(app, query, limit=1)
    if not page.conversations:
        raise ConversationNeeded
    return page.conversations[0]
