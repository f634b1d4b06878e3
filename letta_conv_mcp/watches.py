"""Conversations that somebody wants to hear of, whoever writes in them: one light poll for each.

Letta tells nobody of what happens in it. What happens through this process is told at once, by `touch`.
"""

import logging
from collections.abc import Callable
from typing import TypeAlias

import anyio
from anyio.abc import TaskGroup

from letta_conv_mcp.errors import ConversationNotFound, LettaFailure, TooManyWatched
from letta_conv_mcp.letta.port import Letta
from letta_conv_mcp.views import Conversation

_logger = logging.getLogger(__name__)

Listener: TypeAlias = Callable[[str], None]
"""Told a conversation's id when something in it changed; must not raise."""

WATCHED = 50
"""Conversations at a time."""
SHORTEST_PAUSE = 2.0
LONGEST_PAUSE = 30.0
SLOWING = 1.5
"""Seconds between two looks at a conversation, and by what they grow while nothing happens."""


class Watches:
    """The watched conversations of one Letta identity.

    Args:
        letta: where they are kept.
        group: the task group that owns the polls; it outlives every listener.
    """

    def __init__(self, letta: Letta, group: TaskGroup) -> None:
        self._letta = letta
        self._group = group
        self._watches: dict[str, _Watch] = {}

    async def add(self, conversation_id: str, listener: Listener) -> None:
        """Tell a listener of what changes from now on.

        Raises:
            ConversationNotFound: there is no such conversation.
            TooManyWatched: no more can be watched.
            LettaFailure: Letta can't be asked.
        """
        seen = await self._letta.conversation(conversation_id)
        watch = self._watches.get(conversation_id)
        if watch is None:
            if len(self._watches) >= WATCHED:
                raise TooManyWatched(WATCHED, "conversations")
            watch = self._watches[conversation_id] = _Watch(conversation_id, seen)
            self._group.start_soon(self._poll, watch)
        watch.listeners[listener] = None
        # Somebody is there: it may well be about to be written in.
        watch.pause = SHORTEST_PAUSE

    def remove(self, conversation_id: str, listener: Listener) -> None:
        """Tell it no more; nobody left, nobody polls."""
        watch = self._watches.get(conversation_id)
        if watch is None:
            return
        watch.listeners.pop(listener, None)
        if not watch.listeners:
            del self._watches[conversation_id]
            watch.scope.cancel()

    def touch(self, conversation_id: str) -> None:
        """Something changed in a conversation through this process."""
        if watch := self._watches.get(conversation_id):
            watch.touched.set()

    async def _poll(self, watch: "_Watch") -> None:
        with watch.scope:
            try:
                while True:
                    await self._look(watch)
            except Exception:
                # Raised here it would end the server, with every turn that goes on.
                _logger.exception("%s is no longer watched.", watch.conversation_id)
                self._watches.pop(watch.conversation_id, None)

    async def _look(self, watch: "_Watch") -> None:
        with anyio.move_on_after(watch.pause):
            await watch.touched.wait()
        is_touched = watch.touched.is_set()
        watch.touched = anyio.Event()
        seen = await self._seen(watch)
        if not is_touched and seen == watch.seen:
            watch.pause = min(watch.pause * SLOWING, LONGEST_PAUSE)
            return
        watch.seen, watch.pause = seen, SHORTEST_PAUSE
        for listener in list(watch.listeners):
            listener(watch.conversation_id)

    async def _seen(self, watch: "_Watch") -> Conversation | None:
        """The conversation as it is; as it was, where that can't be told."""
        if not self._letta.is_there:
            # A Letta is not started to be looked at.
            return watch.seen
        try:
            return await self._letta.conversation(watch.conversation_id)
        except ConversationNotFound:
            return None
        except LettaFailure as failure:
            _logger.info("%s can't be looked at: %s", watch.conversation_id, type(failure).__name__)
            return watch.seen


class _Watch:
    """One conversation, as it was when it was last looked at; None when it was gone."""

    def __init__(self, conversation_id: str, seen: Conversation) -> None:
        self.conversation_id = conversation_id
        self.seen: Conversation | None = seen
        self.pause = SHORTEST_PAUSE
        self.touched = anyio.Event()
        self.listeners: dict[Listener, None] = {}
        self.scope = anyio.CancelScope()
