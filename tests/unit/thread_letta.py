"""A Letta in memory that keeps one conversation's messages, for the tests of paging and of history.

Its cursors are those of `tests.fake.pages`, which a contract test holds to the real Letta.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from hypothesis import strategies as st

from letta_conv_mcp.errors import ConversationNotFound
from letta_conv_mcp.letta.port import Letta
from letta_conv_mcp.views import Conversation
from tests.fake.pages import Cursor, entries_of, page_of_messages
from tests.fake.state import StoredMessage, Thread

CONV = "conv-1"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
TYPES = ("user_message", "assistant_message", "system_message", "message_of_next_year")
"""Those that keep their words in `content`."""


@dataclass
class ThreadLetta:
    """Answers for `CONV` as Letta does, and counts how often it was asked."""

    thread: Thread
    positions: dict[str, int] = field(default_factory=dict[str, int])
    """Where each message stands, in a compacted conversation: Letta numbers them anew there, and two share a place."""
    is_turned: bool = False
    """Whether of two that share a place the newer one is listed first: the database promises no order."""
    most: int | None = None
    """How many stored messages are listed at once, whatever the limit."""
    requests: int = 0
    known: set[str] = field(default_factory=lambda: {CONV})

    async def messages(
        self, conversation_id: str, *, order: str, before: str | None = None, after: str | None = None, limit: int
    ) -> list[dict[str, Any]]:
        self.requests += 1
        # Letta answers for an unknown conversation as for an empty one.
        thread = self.thread if conversation_id in self.known else Thread()
        cursor = Cursor(order, min(limit, self.most or limit), after, before)
        return entries_of(self._page_by_position(cursor) if self.positions else page_of_messages(thread, cursor))

    async def conversation(self, conversation_id: str) -> Conversation:
        if conversation_id not in self.known:
            raise ConversationNotFound(conversation_id)
        return Conversation(id=conversation_id, agent_id="agent-1")

    @property
    def letta(self) -> Letta:
        """Itself, as the port: the rest of the port is not asked for here."""
        return cast("Letta", self)

    def _page_by_position(self, cursor: Cursor) -> list[StoredMessage]:
        # Measured on 0.16.8: ordered by position alone, and a cursor leaves out all that share its message's place.
        found = self.thread.messages
        if cursor.after in self.positions:
            found = [message for message in found if self.positions[message.id] > self.positions[cursor.after]]
        if cursor.before in self.positions:
            found = [message for message in found if self.positions[message.id] < self.positions[cursor.before]]
        if self.is_turned:
            found = found[::-1]
        sign = 1 if cursor.is_ascending else -1
        return sorted(found, key=lambda message: sign * self.positions[message.id])[: cursor.limit]


def stored(number: int, second: int, types: Sequence[str], run_id: str | None = None) -> StoredMessage:
    """A stored message that shows one entry for each of some types."""
    message_id = f"message-{number}"
    date = (NOON + timedelta(seconds=second)).isoformat()
    entries = [
        {
            "id": message_id,
            "date": date,
            "message_type": kind,
            "otid": f"{number}-{part}",
            "content": f"{number}.{part}",
            "run_id": run_id,
        }
        for part, kind in enumerate(types)
    ]
    return StoredMessage(message_id, "assistant", entries)


def thread_of(messages: Iterable[StoredMessage]) -> Thread:
    thread = Thread()
    for message in messages:
        thread.append(message)
    return thread


def plain_thread(count: int, *, per_second: int = 1) -> Thread:
    """Stored messages of one entry each, some of them within each second."""
    return thread_of(stored(number, number // per_second, [TYPES[number % 2]]) for number in range(count))


@dataclass(frozen=True)
class Compaction:
    """All but the system message and some of the newest is put out of context, and a summary takes its place."""

    summary: StoredMessage
    kept: int


def summary(number: int, second: int) -> StoredMessage:
    """What Letta server 0.16.8 files of a compaction: as if the person had said it."""
    message = stored(number, second, ["user_message"])
    message.entries[0]["content"] = json.dumps({"type": "system_alert", "message": f"{number}.0", "time": "10:02 PM"})
    return message


def letta_after(happened: Iterable[StoredMessage | Compaction], *, is_turned: bool = False) -> ThreadLetta:
    """A conversation in which messages were said and compactions made, in this order.

    A compaction numbers anew from 0 what stays in context: the system message, the summary, the messages kept. What
    is said next goes on from there. What was put out of context keeps its old place.
    """
    said: list[StoredMessage] = []
    in_context: list[StoredMessage] = []
    positions: dict[str, int] = {}
    for event in happened:
        if isinstance(event, Compaction):
            in_context = [*in_context[:1], event.summary, *in_context[max(1, len(in_context) - event.kept) :]]
            said.append(event.summary)
        else:
            in_context.append(event)
            said.append(event)
        positions.update({message.id: place for place, message in enumerate(in_context)})
    return ThreadLetta(thread_of(said), positions, is_turned)


def compacted(*, kept: int, times: int = 1) -> ThreadLetta:
    """A conversation of ten messages that was compacted, and then talked in once more; all of it some times."""
    happened: list[StoredMessage | Compaction] = []
    for number in range(0, 13 * times, 13):
        happened += [stored(number + said, number + said, ["user_message"]) for said in range(10)]
        happened.append(Compaction(summary(number + 10, number + 10), kept))
        happened += [stored(number + said, number + said, ["user_message"]) for said in (11, 12)]
    return letta_after(happened)


@st.composite
def threads(draw: st.DrawFn, *, max_size: int = 25, distinct_seconds: bool = False) -> Thread:
    """Any number of stored messages, each of one or several entries, many within the same second."""
    shapes = draw(st.lists(st.lists(st.sampled_from(TYPES), min_size=1, max_size=3), max_size=max_size))
    second = 0
    messages: list[StoredMessage] = []
    for number, types in enumerate(shapes):
        second += 1 if distinct_seconds else draw(st.sampled_from([0, 0, 0, 1, 60]))
        messages.append(stored(number, second, types))
    return thread_of(messages)


@st.composite
def compacted_lettas(draw: st.DrawFn, *, distinct_seconds: bool = False) -> ThreadLetta:
    """Any conversation that was compacted once or several times, whatever was kept and said in between."""
    happened: list[StoredMessage | Compaction] = [stored(0, 0, ["system_message"])]
    second = 0
    shapes = st.lists(st.lists(st.sampled_from(TYPES), min_size=1, max_size=3), max_size=8)
    for _ in range(draw(st.integers(1, 3))):
        for types in (*draw(shapes), None, *draw(shapes)):
            second += 1 if distinct_seconds else draw(st.sampled_from([0, 0, 0, 1, 60]))
            number = len(happened)
            if types is None:
                happened.append(Compaction(summary(number, second), draw(st.integers(0, 8))))
            else:
                happened.append(stored(number, second, types, draw(st.sampled_from([None, "run-1", "run-2"]))))
    return letta_after(happened, is_turned=draw(st.booleans()))
