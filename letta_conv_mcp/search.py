"""Finding what was said where Letta has no search of its own: a bounded walk that says how far it looked.

Letta Cloud searches; 0.16.8 answers that it lacks a database for it, and an App Server has no such request.
"""

from collections import deque
from dataclasses import dataclass, field

import anyio

from letta_conv_mcp.errors import ConversationNotFound, HistoryTooLong
from letta_conv_mcp.history import read_history
from letta_conv_mcp.letta.port import ConversationQuery, Letta, MessageQuery
from letta_conv_mcp.letta.records import DEFAULT_PREFIX
from letta_conv_mcp.views import Message, SearchHit, SearchResult

PAGE = 100
CONVERSATIONS = 100
"""The most recently active ones are looked through."""
MESSAGES = 3_000
SECONDS = 25.0
"""Hosts give up at 60 s."""
SNIPPET_CHARS = 400
SEARCHED_TYPES = ("user_message", "assistant_message", "reasoning_message", "summary_message", "tool_return_message")


async def search_messages(letta: Letta, query: MessageQuery, *, limit: int) -> SearchResult:
    """What was said that holds all the words of a query, newest first.

    Args:
        letta: where it was said.
        query: what to look for, in one conversation or in all of an agent's.
        limit: the most hits to return.

    Raises:
        ConversationNotFound: there is no such conversation.
    """
    found = await letta.search_messages(query, limit=limit)
    if found is not None:
        return SearchResult(hits=[_shortened(hit, query) for hit in found], searched="Letta's own index")
    walk = _Walk(query, limit)
    with anyio.move_on_after(SECONDS):
        await walk.through(letta)
    return walk.result()


@dataclass
class _Walk:
    """A walk through conversations, a page of each in turn, so that none hides the others."""

    query: MessageQuery
    limit: int
    hits: list[SearchHit] = field(default_factory=list[SearchHit])
    looked_at: int = 0
    conversations: set[str] = field(default_factory=set[str])
    oldest: str | None = None
    is_complete: bool = False

    async def through(self, letta: Letta) -> None:
        ids, are_all = await self._conversation_ids(letta)
        ahead = deque[tuple[str, str | None]]((conversation_id, None) for conversation_id in ids)
        while ahead and self.looked_at < MESSAGES:
            conversation_id, cursor = ahead.popleft()
            if cursor is not None and len(self.hits) >= self.limit:
                # The newest page of each was looked at.
                ahead.appendleft((conversation_id, cursor))
                break
            try:
                page = await read_history(letta, conversation_id, limit=PAGE, before=cursor, whole=True)
            except ConversationNotFound:
                if self.query.conversation_id:
                    raise
                # It was deleted meanwhile.
                continue
            except HistoryTooLong:
                are_all = False
                continue
            self._look_at(conversation_id, page.messages)
            if page.older_cursor is not None:
                ahead.append((conversation_id, page.older_cursor))
        self.is_complete = are_all and not ahead

    async def _conversation_ids(self, letta: Letta) -> tuple[list[str], bool]:
        """Where to look, and whether that is everywhere."""
        if self.query.conversation_id is not None:
            return [self.query.conversation_id], True
        query = ConversationQuery(agent_id=self.query.agent_id)
        listed = await letta.conversations(query, limit=CONVERSATIONS)
        ids = [conversation.id for conversation in listed]
        return [*ids, f"{DEFAULT_PREFIX}{self.query.agent_id}"], len(listed) < CONVERSATIONS

    def _look_at(self, conversation_id: str, messages: list[Message]) -> None:
        self.conversations.add(conversation_id)
        self.looked_at += len({message.id for message in messages})
        self.oldest = min(
            (date for date in (self.oldest, *(message.date for message in messages)) if date), default=None
        )
        words = words_of(self.query.text)
        self.hits += [
            SearchHit(
                conversation_id=conversation_id,
                message_id=message.id,
                type=message.type,
                text=snippet(message.text, words),
                date=message.date,
            )
            for message in messages
            if message.type in SEARCHED_TYPES and holds(message.text, words)
        ]

    def result(self) -> SearchResult:
        newest_first = sorted(self.hits, key=lambda hit: hit.date or "", reverse=True)
        where = f"{len(self.conversations)} conversation{'s' if len(self.conversations) != 1 else ''}"
        back = f", back to {self.oldest}" if self.oldest else ""
        more = len(self.hits) - self.limit
        left_out = f"; {more} more of them fit, so narrow the query" if more > 0 else ""
        rest = "; there is nothing further" if self.is_complete else "; further ones were not looked at"
        return SearchResult(
            hits=newest_first[: self.limit], searched=f"{self.looked_at} messages of {where}{back}{left_out}{rest}"
        )


def words_of(text: str) -> list[str]:
    """The words of a query, in no particular case."""
    return text.casefold().split()


def holds(text: str, words: list[str]) -> bool:
    """Whether a text holds all words, in any case and order."""
    folded = text.casefold()
    return all(word in folded for word in words)


def snippet(text: str, words: list[str]) -> str:
    """The part of a text round the first of the words that it holds."""
    if len(text) <= SNIPPET_CHARS:
        return text
    folded = text.casefold()
    first = min((at for word in words if (at := folded.find(word)) >= 0), default=0)
    start = max(0, min(first - SNIPPET_CHARS // 4, len(text) - SNIPPET_CHARS))
    part = text[start : start + SNIPPET_CHARS]
    return f"{'…' if start else ''}{part}{'…' if start + SNIPPET_CHARS < len(text) else ''}"


def _shortened(hit: SearchHit, query: MessageQuery) -> SearchHit:
    return hit.model_copy(update={"text": snippet(hit.text, words_of(query.text))})
