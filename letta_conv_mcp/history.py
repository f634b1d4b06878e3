"""Reading a conversation's messages: one page, either way in time, every message once.

Shared by the tool and the resources. What a cursor means to Letta, and what a compaction does to its lists, is in
`letta.paging`.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from letta_conv_mcp.errors import HistoryTooLong, InvalidArguments, UnknownCursor
from letta_conv_mcp.letta.content import shortened
from letta_conv_mcp.letta.paging import (
    Position,
    Side,
    Stored,
    cursor_at,
    is_compacted,
    is_disordered,
    may_be_ignored,
    neighbours,
    oldest_first,
    position_from_cursor,
    position_of,
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

WHOLE_PAGE = 100
ROUND = 50
WHOLE_LIST = 100_000
"""Stored messages of a compacted conversation that are read at once; 0.16.8 sets no limit."""


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
    start = position_from_cursor(conversation_id, cursor) if cursor is not None else None
    # A cursor of ours remembers what the first page found out.
    compacted = start.compacted if start and start.second is not None else await _is_compacted(letta, conversation_id)

    def fits(stored: Stored) -> bool:
        return bool(_of_types(stored, types))

    async def walk(fetcher: _Fetcher) -> Gathered[Stored]:
        return await gather(fetcher(letta, conversation_id, side, start), fits if types else None, limit=limit)

    try:
        try:
            gathered = await walk(_fetch_sorted if compacted else _fetch_listed)
        except ListSpoilt:
            # The compaction came after the cursor was made.
            compacted, gathered = True, await walk(_fetch_sorted)
    except CursorIgnored:
        raise UnknownCursor(side, cursor or "") from None
    if not gathered.seen:
        # Letta answers for an unknown conversation as for an empty page.
        await letta.conversation(conversation_id)
    page = _Page(conversation_id, side, types, at_end=start is None, compacted=compacted, whole=whole)
    return page.of(gathered)


async def whole_history(letta: Letta, conversation_id: str) -> AsyncGenerator[list[Message]]:
    """All of a conversation's history, oldest first, a page at a time. Of a compacted one all is in memory at once.

    Raises:
        ListSpoilt: the list was changed meanwhile; what came before is to be read again.
        HistoryTooLong: it was compacted, and this Letta doesn't list it at once.
    """
    was_compacted = await _is_compacted(letta, conversation_id)
    fetch = (_fetch_sorted if was_compacted else _fetch_listed)(letta, conversation_id, "after", None)
    first = last = None
    while page := await fetch(last, WHOLE_PAGE):
        if any(position_of(stored) == first for stored in page):
            # The message that the cursor named is gone, and Letta began again.
            raise ListSpoilt
        first, last = first or position_of(page[0]), page[-1]
        yield [message_from_json(entry) for stored in page for entry in stored]
    if not was_compacted and await _is_compacted(letta, conversation_id):
        # Its newest messages may have been moved to before where the walk was.
        raise ListSpoilt


class CursorIgnored(Exception):
    """Letta did not know a cursor and began at an end of the list."""


class ListSpoilt(Exception):
    """The conversation turned out to be compacted, or cut, while its list was being walked."""


_Fetch: TypeAlias = Callable[[Stored | None, int], Awaitable[list[Stored]]]
_Fetcher: TypeAlias = Callable[[Letta, str, Side, Position | None], _Fetch]


async def _is_compacted(letta: Letta, conversation_id: str) -> bool:
    return is_compacted(await letta.messages(conversation_id, order="asc", limit=3))


def _fetch_listed(letta: Letta, conversation_id: str, side: Side, start: Position | None) -> _Fetch:
    """Reads page by page, as Letta lists."""

    async def fetch(last: Stored | None, size: int) -> list[Stored]:
        place = position_of(last) if last else start
        page = await _stored(letta, conversation_id, side, place.message_id if place else None, size)
        is_suspicious = place is start and start is not None and may_be_ignored(page, start, side)
        if is_suspicious and await _holds_end(letta, conversation_id, side, page):
            raise CursorIgnored
        if is_disordered(page, place, side) and await _is_compacted(letta, conversation_id):
            raise ListSpoilt
        return page

    return fetch


def _fetch_sorted(letta: Letta, conversation_id: str, side: Side, start: Position | None) -> _Fetch:
    """Reads all at once, and pages here."""
    ahead: list[Stored] = []

    async def fetch(last: Stored | None, size: int) -> list[Stored]:
        if last is None:
            whole = oldest_first(await letta.messages(conversation_id, order="asc", limit=WHOLE_LIST))
            if whole and len(whole) % ROUND == 0 and not await _holds_end(letta, conversation_id, "before", whole):
                # This Letta has cut the list to some round number; a part would be passed off as the whole.
                raise HistoryTooLong(conversation_id)
            found = neighbours(whole, start, side)
            if found is None:
                raise CursorIgnored
            ahead.extend(found)
        page = ahead[:size]
        del ahead[:size]
        return page

    return fetch


async def _holds_end(letta: Letta, conversation_id: str, side: Side, listed: list[Stored]) -> bool:
    """Whether some stored messages hold the very first that Letta lists on a side."""
    end = await _stored(letta, conversation_id, side, None, 1)
    return any(stored[0].get("id") == end[0][0].get("id") for stored in listed)


async def _stored(letta: Letta, conversation_id: str, side: Side, message_id: str | None, size: int) -> list[Stored]:
    """The nearest stored messages on one side of a place, nearest first."""
    if side == "before":
        entries = await letta.messages(conversation_id, order="desc", before=message_id, limit=size)
    else:
        entries = await letta.messages(conversation_id, order="asc", after=message_id, limit=size)
    return stored_messages(entries)


@dataclass(frozen=True)
class _Page:
    """How what was gathered becomes a page."""

    conversation_id: str
    side: Side
    types: frozenset[str] | None
    at_end: bool
    compacted: bool
    whole: bool

    def of(self, gathered: Gathered[Stored]) -> MessagePage:
        kept = [_of_types(stored, self.types) for stored in gathered.kept]
        if self.side == "before":
            kept.reverse()
        messages = [message_from_json(entry) for stored in kept for entry in stored]
        shown = messages if self.whole else _cut(messages)
        far = self._cursor(gathered.seen[-1:], wanted=gathered.more)
        near = self._cursor(gathered.seen[:1], wanted=not self.at_end)
        return MessagePage(
            conversation_id=self.conversation_id,
            messages=shown,
            older_cursor=far if self.side == "before" else near,
            newer_cursor=near if self.side == "before" else far,
            note=_CUT_NOTE if shown != messages else None,
        )

    def _cursor(self, edge: list[Stored], *, wanted: bool) -> str | None:
        return cursor_at(self.conversation_id, edge[0], compacted=self.compacted) if wanted and edge else None


def _of_types(stored: Stored, types: frozenset[str] | None) -> Stored:
    if types is None:
        return stored
    return [entry for entry in stored if message_from_json(entry).type in types]


def _cut(messages: list[Message]) -> list[Message]:
    chars = max(SHORTEST_CUT, min(MESSAGE_CHARS, PAGE_CHARS // max(1, len(messages))))
    return [
        message if len(message.text) <= chars else message.model_copy(update={"text": shortened(message.text, chars)})
        for message in messages
    ]
