"""A Letta in memory that keeps one conversation's messages, for the tests of paging and of history.

Its cursors are those of `tests.fake.pages`, which a contract test holds to the real Letta.
"""

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
    requests: int = 0
    known: set[str] = field(default_factory=lambda: {CONV})

    async def messages(
        self, conversation_id: str, *, order: str, before: str | None = None, after: str | None = None, limit: int
    ) -> list[dict[str, Any]]:
        self.requests += 1
        # Letta answers for an unknown conversation as for an empty one.
        thread = self.thread if conversation_id in self.known else Thread()
        cursor = Cursor(order, limit, after, before)
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
        sign = 1 if cursor.is_ascending else -1
        return sorted(found, key=lambda message: sign * self.positions[message.id])[: cursor.limit]


def stored(number: int, second: int, types: Sequence[str]) -> StoredMessage:
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


def compacted(*, kept: int) -> ThreadLetta:
    """A conversation of ten messages that was compacted, and then talked in once more.

    What stays in context is numbered anew from 0: the system message, the summary, the messages kept. What was put
    out of context keeps its old place.
    """
    messages = [stored(number, number, ["user_message"]) for number in range(10)]
    positions = {message.id: place for place, message in enumerate(messages)}
    summary, said, answered = (stored(number, number * 10, ["user_message"]) for number in (10, 11, 12))
    in_context = [messages[0], summary, *messages[len(messages) - kept :]]
    positions.update({message.id: place for place, message in enumerate([*in_context, said, answered])})
    return ThreadLetta(thread_of([*messages, summary, said, answered]), positions)


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
