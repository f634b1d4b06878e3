"""Cursors as Letta really treats them: pure.

Letta's messages are paged in time, whatever its documentation says of the sort order: `before` with descending
order gives the nearest older ones, `after` with ascending order the nearest newer ones, and the other two
combinations jump to an end. It answers an unknown cursor with the first page, so a walk that trusts it loops for
ever. Therefore our cursor is a message's id with its date and a mark of the list it came from: the mark shows a
foreign cursor without a request, and the date shows that Letta ignored one. A bare message id is accepted too,
and costs one request to be believed.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Literal, TypeAlias

from letta_conv_mcp.letta.content import Json, text_or_none

Side: TypeAlias = Literal["before", "after"]

_MARK = "."


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a conversation's history: a stored message.

    Attributes:
        message_id: the stored message's id, which all its parts share.
        second: its date in whole seconds since 1970, Letta's own resolution; None for a bare message id.
    """

    message_id: str
    second: int | None


def cursor_at(conversation_id: str, message: Json) -> str:
    """The cursor for the place of a message."""
    message_id = str(message.get("id") or "")
    second = _second(message)
    return _MARK.join((message_id, "" if second is None else f"{second:x}", _mark(conversation_id, message_id, second)))


def position_from_cursor(conversation_id: str, cursor: str) -> Position | None:
    """The place that a cursor or a bare message id names; None where the cursor is another conversation's."""
    parts = cursor.rsplit(_MARK, 2)
    if len(parts) != 3:
        return Position(cursor, None)
    message_id, hexadecimal, mark = parts
    try:
        second = int(hexadecimal, 16) if hexadecimal else None
    except ValueError:
        return None
    return Position(message_id, second) if mark == _mark(conversation_id, message_id, second) else None


def shows_ignored_cursor(page: Sequence[Json], position: Position, side: Side) -> bool:
    """Whether a page betrays that Letta didn't know the cursor and began at an end instead."""
    if any(message.get("id") == position.message_id for message in page):
        return True
    if position.second is None:
        return False
    seconds = [second for message in page if (second := _second(message)) is not None]
    if side == "before":
        return any(second > position.second for second in seconds)
    return any(second < position.second for second in seconds)


def stored_messages(entries: Sequence[Json]) -> list[list[Json]]:
    """Entries grouped by the stored message that they are parts of, in the order given.

    Letta's `limit` counts stored messages, and one can show several entries with one id.
    """
    return [list(parts) for _, parts in groupby(entries, key=lambda entry: entry.get("id"))]


def newest_first(entries: Sequence[Json]) -> list[Json]:
    """Entries that come oldest first, turned round; the parts of one stored message keep their order."""
    stored = stored_messages(entries)
    seconds = [second for parts in stored if (second := _second(parts[0])) is not None]
    is_turned = bool(seconds) and seconds[0] > seconds[-1]
    return [entry for parts in (stored if is_turned else reversed(stored)) for entry in parts]


def _second(message: Json) -> int | None:
    date = text_or_none(message.get("date"))
    if date is None:
        return None
    try:
        moment = datetime.fromisoformat(date)
    except ValueError:
        return None
    # A date without a zone is UTC on 0.16.8.
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _mark(conversation_id: str, message_id: str, second: int | None) -> str:
    digest = hashlib.blake2s(f"{conversation_id}\n{message_id}\n{second}".encode(), digest_size=4)
    return digest.hexdigest()
