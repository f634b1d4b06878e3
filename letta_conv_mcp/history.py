"""Reading a conversation's messages: one page, either way in time, every message once.

Shared by the tool and the resources. What a cursor means to Letta is in `letta.paging`.
"""

from letta_conv_mcp.errors import InvalidArguments, UnknownCursor
from letta_conv_mcp.letta.content import Json
from letta_conv_mcp.letta.paging import (
    Position,
    Side,
    cursor_at,
    position_from_cursor,
    shows_ignored_cursor,
    stored_messages,
)
from letta_conv_mcp.letta.port import Letta
from letta_conv_mcp.letta.records import message_from_json
from letta_conv_mcp.views import Message, MessagePage
from letta_conv_mcp.walk import Gathered, gather

MESSAGE_CHARS = 2_000
PAGE_CHARS = 24_000
"""Unless whole texts are asked for, a page's texts together stay at about 6,000 tokens."""
SHORTEST_CUT = 300

_CUT_NOTE = "Texts marked as cut are longer: call get_history with detail 'full' and a small limit for the whole."

Stored = list[Json]
"""A stored message as Letta lists it: one entry, or several that share its id."""


async def read_history(
    letta: Letta,
    conversation_id: str,
    *,
    limit: int = 20,
    before: str | None = None,
    after: str | None = None,
    types: frozenset[str] | None = None,
    whole: bool = False,
) -> MessagePage:
    """A page of a conversation's history, oldest first.

    Args:
        letta: where it is kept.
        conversation_id: the conversation.
        limit: stored messages on the page; one can show several entries.
        before: a page's `older_cursor`, or a message's id: the nearest older messages.
        after: a page's `newer_cursor`, or a message's id: the nearest newer messages.
        types: the types wanted; None for all. A page can then be short before the end.
        whole: cut no text.

    Raises:
        ConversationNotFound: there is no such conversation.
        InvalidArguments: both cursors were given.
        UnknownCursor: the cursor is another conversation's, or its message is gone.
    """
    if before is not None and after is not None:
        raise InvalidArguments("get_history", ["give either before or after, not both"])
    side: Side = "before" if after is None else "after"
    cursor = before if after is None else after
    start = _start(conversation_id, side, cursor)

    async def fetch(last: Stored | None, size: int) -> list[Stored]:
        if last is not None:
            return await _stored(letta, conversation_id, side, str(last[0].get("id")), size)
        page = await _stored(letta, conversation_id, side, start.message_id if start else None, size)
        if start and await _was_ignored(letta, conversation_id, page, start, side):
            raise UnknownCursor(side, cursor or "")
        return page

    def fits(stored: Stored) -> bool:
        return bool(_of_types(stored, types))

    gathered = await gather(fetch, fits if types else None, limit=limit)
    if not gathered.seen:
        # Letta answers for an unknown conversation as for an empty page.
        await letta.conversation(conversation_id)
    return _page(conversation_id, gathered, side, types, at_end=start is None, whole=whole)


def _start(conversation_id: str, side: Side, cursor: str | None) -> Position | None:
    if cursor is None:
        return None
    position = position_from_cursor(conversation_id, cursor)
    if position is None:
        raise UnknownCursor(side, cursor)
    return position


async def _stored(letta: Letta, conversation_id: str, side: Side, message_id: str | None, size: int) -> list[Stored]:
    """The nearest stored messages on one side of a place, nearest first."""
    if side == "before":
        entries = await letta.messages(conversation_id, order="desc", before=message_id, limit=size)
    else:
        entries = await letta.messages(conversation_id, order="asc", after=message_id, limit=size)
    return stored_messages(entries)


async def _was_ignored(letta: Letta, conversation_id: str, page: list[Stored], position: Position, side: Side) -> bool:
    entries = [entry for stored in page for entry in stored]
    if shows_ignored_cursor(entries, position, side):
        return True
    if position.second is not None or not entries:
        return False
    # A bare message id: a page that Letta began at the end of the list holds the very end.
    end = await _stored(letta, conversation_id, side, None, 1)
    return any(stored[0].get("id") == end[0][0].get("id") for stored in page)


def _page(
    conversation_id: str,
    gathered: Gathered[Stored],
    side: Side,
    types: frozenset[str] | None,
    *,
    at_end: bool,
    whole: bool,
) -> MessagePage:
    kept = [_of_types(stored, types) for stored in gathered.kept]
    if side == "before":
        kept.reverse()
    messages = [message_from_json(entry) for stored in kept for entry in stored]
    shown = messages if whole else _cut(messages)
    seen = gathered.seen
    far = cursor_at(conversation_id, seen[-1][0]) if gathered.more and seen else None
    near = cursor_at(conversation_id, seen[0][0]) if not at_end and seen else None
    return MessagePage(
        conversation_id=conversation_id,
        messages=shown,
        older_cursor=far if side == "before" else near,
        newer_cursor=near if side == "before" else far,
        note=_CUT_NOTE if shown != messages else None,
    )


def _of_types(stored: Stored, types: frozenset[str] | None) -> Stored:
    if types is None:
        return stored
    return [entry for entry in stored if message_from_json(entry).type in types]


def _cut(messages: list[Message]) -> list[Message]:
    chars = max(SHORTEST_CUT, min(MESSAGE_CHARS, PAGE_CHARS // max(1, len(messages))))
    return [
        message
        if len(message.text) <= chars
        else message.model_copy(
            update={"text": f"{message.text[:chars]}… [cut: {chars} of {len(message.text)} characters]"}
        )
        for message in messages
    ]
