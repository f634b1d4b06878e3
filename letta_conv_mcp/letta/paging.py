"""Cursors as Letta really treats them: pure.

Letta's messages are paged by their place in the list, whatever its documentation says of the sort order: `before`
with descending order gives the nearest older ones, `after` with ascending order the nearest newer ones, and the other
two combinations jump to an end. It answers an unknown cursor with the first page, so a walk that trusts it loops for
ever. Therefore our cursor is a message's id with its date and a mark of the list it came from: the mark tells a
foreign cursor, and the date arouses suspicion when Letta ignored one. A bare message id is accepted too, and costs
one request to be believed.

A compaction of the conversation spoils the list: 0.16.8 numbers the messages that stay in context from 0 again, so
that places are taken twice, a page by cursor skips some, and the newest messages stand among the old. Such a list is
read whole and put in order by date; its cursors say so.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Literal, TypeAlias

from letta_conv_mcp.letta.content import Json, text_or_none
from letta_conv_mcp.letta.records import message_from_json

Side: TypeAlias = Literal["before", "after"]
Stored: TypeAlias = list[Json]
"""A stored message as Letta lists it: one entry, or several that share its id."""

_MARK = "."
_COMPACTED = "c"


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a conversation's history: a stored message.

    Attributes:
        message_id: the stored message's id, which all its parts share.
        second: its date in whole seconds since 1970, Letta's own resolution; None for a bare message id.
        compacted: whether the list was found spoilt by a compaction.
    """

    message_id: str
    second: int | None = None
    compacted: bool = False


def cursor_at(conversation_id: str, stored: Stored, *, compacted: bool) -> str:
    """The cursor for the place of a stored message."""
    message_id = str(stored[0].get("id") or "")
    second = _second(stored[0])
    where = f"{_COMPACTED if compacted else ''}{'' if second is None else format(second, 'd')}"
    return _MARK.join((message_id, where, _digest(conversation_id, message_id, where)))


def position_from_cursor(conversation_id: str, cursor: str) -> Position:
    """The place that a cursor names. What isn't a cursor of this conversation is taken for a bare message id."""
    message_id, *rest = cursor.rsplit(_MARK, 2)
    if len(rest) != 2 or rest[1] != _digest(conversation_id, message_id, rest[0]):
        return Position(cursor)
    second = rest[0].removeprefix(_COMPACTED)
    return Position(message_id, int(second) if second else None, rest[0].startswith(_COMPACTED))


def may_be_ignored(page: Sequence[Stored], position: Position, side: Side) -> bool:
    """Whether a page could be the first one, because Letta didn't know the cursor."""
    if not page:
        return False
    if position.second is None or any(_id(stored) == position.message_id for stored in page):
        return True
    return is_disordered(page, position, side)


def is_disordered(page: Sequence[Stored], position: Position | None, side: Side) -> bool:
    """Whether the dates of a page, nearest first, turn back somewhere: Letta ignored a cursor, or a compaction came."""
    start = [position.second] if position and position.second is not None else []
    seconds = [*start, *(second for stored in page if (second := _second(stored[0])) is not None)]
    if side == "before":
        seconds = [-second for second in seconds]
    return seconds != sorted(seconds)


def position_of(stored: Stored) -> Position:
    """The place of a stored message."""
    return Position(str(_id(stored)), _second(stored[0]))


def stored_messages(entries: Sequence[Json]) -> list[Stored]:
    """Entries grouped by the stored message that they are parts of, in the order given.

    Letta's `limit` counts stored messages, and one can show several entries with one id.
    """
    return [list(parts) for _, parts in groupby(entries, key=lambda entry: entry.get("id"))]


def is_compacted(oldest: Sequence[Json]) -> bool:
    """Whether the first entries of a list tell that the conversation was compacted: they hold the summary."""
    return any(message_from_json(entry).type in ("system_alert", "summary_message") for entry in oldest)


def oldest_first(entries: Sequence[Json]) -> list[Stored]:
    """A whole list that a compaction has spoilt, in order of time.

    Within a second, runs follow one another as the list shows them first, each beginning with what the person said.
    """
    listed = stored_messages(entries)
    runs: dict[object, int] = {}
    for place, stored in enumerate(listed):
        runs.setdefault(stored[0].get("run_id") or place, place)

    def order(numbered: tuple[int, Stored]) -> tuple[int, int, bool, int]:
        place, stored = numbered
        first = stored[0]
        is_answer = first.get("message_type") != "user_message"
        return _second(first) or 0, runs[first.get("run_id") or place], is_answer, place

    return [stored for _, stored in sorted(enumerate(listed), key=order)]


def neighbours(whole: Sequence[Stored], position: Position | None, side: Side) -> list[Stored] | None:
    """All that lies on one side of a place in a whole list, nearest first; None where the place isn't in it."""
    if position is None:
        return list(whole if side == "after" else reversed(whole))
    index = next((index for index, stored in enumerate(whole) if _id(stored) == position.message_id), None)
    if index is None:
        return None
    return list(whole[index + 1 :] if side == "after" else reversed(whole[:index]))


def newest_first(entries: Sequence[Json]) -> list[Json]:
    """Entries that come oldest first, turned round; the parts of one stored message keep their order."""
    stored = stored_messages(entries)
    seconds = [second for parts in stored if (second := _second(parts[0])) is not None]
    is_turned = bool(seconds) and seconds[0] > seconds[-1]
    return [entry for parts in (stored if is_turned else reversed(stored)) for entry in parts]


def _id(stored: Stored) -> object:
    return stored[0].get("id")


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


def _digest(conversation_id: str, message_id: str, where: str) -> str:
    text = f"{conversation_id}\n{message_id}\n{where}"
    return hashlib.blake2s(text.encode(), digest_size=4).hexdigest()
