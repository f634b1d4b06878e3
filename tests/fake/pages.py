"""Which part of a list Letta hands out, and in which order. Pure.

No two lists of Letta's read a cursor alike: of messages `after` means newer whatever the order, of conversations and
agents it follows the order, of runs it runs against it.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from tests.fake.state import Agent, Conversation, Json, Run, StoredMessage, Thread

Item = TypeVar("Item", Agent, Conversation, Run)


@dataclass(frozen=True)
class Cursor:
    """What a caller may say about the part it wants."""

    order: str = "desc"
    limit: int | None = 100
    after: str | None = None
    before: str | None = None

    @property
    def is_ascending(self) -> bool:
        return self.order == "asc"


class NegativeLimit(Exception):
    """The database refuses it, and Letta passes that on as an error of its own."""


def page_of_messages(thread: Thread, cursor: Cursor) -> list[StoredMessage]:
    """A cursor that isn't in this thread is ignored. `limit` counts stored messages, not entries."""
    start, end = 0, len(thread.messages)
    if cursor.after in thread.positions:
        start = thread.positions[cursor.after] + 1
    if cursor.before in thread.positions:
        end = thread.positions[cursor.before]
    found = thread.messages[start:end]
    return _limited(found if cursor.is_ascending else found[::-1], cursor.limit)


def entries_of(messages: Iterable[StoredMessage], types: Sequence[str] | None = None) -> list[Json]:
    """The parts of a stored message stay in their natural order, even when the newest message comes first."""
    return [entry for message in messages for entry in message.entries if not types or entry["message_type"] in types]


def as_thought(entry: Json) -> Json:
    """Read by its id alone, a message's words pass for a thought."""
    if entry["message_type"] != "assistant_message":
        return entry
    own = {"source": "non_reasoner_model", "reasoning": entry["content"], "signature": None}
    return {**{key: entry[key] for key in entry if key != "content"}, "message_type": "reasoning_message", **own}


def is_like(summary: str | None, wanted: str) -> bool:
    """SQL's LIKE: case counts, `%` and `_` are wildcards."""
    pattern = "".join({"%": ".*", "_": "."}.get(letter, re.escape(letter)) for letter in wanted)
    return summary is not None and re.search(pattern, summary, re.DOTALL) is not None


def page_of_conversations(
    conversations: Iterable[Conversation],
    cursor: Cursor,
    key: Callable[[Conversation], datetime | None],
    *,
    after: Conversation | None,
) -> list[Conversation]:
    """`after` follows the order; conversations without a value come last either way."""
    found = list(conversations)
    if after:
        mark, value = after, key(after)
        found = [item for item in found if _is_past(item.id, key(item), mark.id, value, up=cursor.is_ascending)]
    return _limited(_sorted(found, key, ascending=cursor.is_ascending), cursor.limit)


def page_of_agents(
    agents: Iterable[Agent], cursor: Cursor, key: Callable[[Agent], datetime | None], known: Mapping[str, Agent]
) -> list[Agent]:
    """Cursors follow the order, unknown ones are ignored, and a limit of 0 means no limit."""
    found = _within(list(agents), cursor, key, known, after_is_up=cursor.is_ascending)
    return _limited(_sorted(found, key, ascending=cursor.is_ascending), cursor.limit or None)


def page_of_runs(runs: Iterable[Run], cursor: Cursor, known: Mapping[str, Run]) -> list[Run]:
    """Cursors run against the order here: newest first, `after` means newer still."""
    found = _within(list(runs), cursor, _created_at, known, after_is_up=not cursor.is_ascending)
    return _limited(_sorted(found, _created_at, ascending=cursor.is_ascending), cursor.limit)


def _created_at(run: Run) -> datetime | None:
    return run.created_at


def _within(
    items: list[Item],
    cursor: Cursor,
    key: Callable[[Item], datetime | None],
    known: Mapping[str, Item],
    *,
    after_is_up: bool,
) -> list[Item]:
    for mark_id, up in ((cursor.after, after_is_up), (cursor.before, not after_is_up)):
        if mark_id is not None and mark_id in known:
            value = key(known[mark_id])
            items = [item for item in items if _is_past(item.id, key(item), mark_id, value, up=up)]
    return items


def _is_past(item_id: str, value: datetime | None, mark_id: str, mark: datetime | None, *, up: bool) -> bool:
    """Whether an item lies beyond a mark, the way Letta's query puts it."""
    if mark is None:
        if value is None:
            return item_id > mark_id if up else item_id < mark_id
        return up
    if value is None:
        return not up
    return (value, item_id) > (mark, mark_id) if up else (value, item_id) < (mark, mark_id)


def _sorted(items: list[Item], key: Callable[[Item], datetime | None], *, ascending: bool) -> list[Item]:
    def rank(item: Item) -> tuple[Any, str]:
        return (key(item), item.id)

    valued = sorted((item for item in items if key(item) is not None), key=rank, reverse=not ascending)
    without = sorted((item for item in items if key(item) is None), key=lambda item: item.id, reverse=not ascending)
    return valued + without


_T = TypeVar("_T")


def _limited(items: list[_T], limit: int | None) -> list[_T]:
    if limit is not None and limit < 0:
        raise NegativeLimit
    return items if limit is None else items[:limit]
