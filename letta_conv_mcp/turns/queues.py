"""Turns of one conversation one after another, in the order in which they came.

Letta's own lock ends after 300 seconds, and without Redis there is none.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from letta_conv_mcp.turns.turn import Turn


class Queues:
    """The turns that wait or go on, by conversation."""

    def __init__(self) -> None:
        self._queues: dict[str, list[Turn]] = {}

    def join(self, turn: Turn) -> None:
        """Take a turn in, behind those of its conversation."""
        queue = self._queues.setdefault(turn.conversation_id, [])
        queue.append(turn)
        self._tell(queue)

    @asynccontextmanager
    async def place(self, turn: Turn) -> AsyncGenerator[None]:
        """Wait until a turn that has joined is the first; it leaves at the end of the block."""
        seen = 0
        try:
            while turn.ahead:
                seen = await turn.news(seen)
            yield
        finally:
            self._leave(turn)

    def _leave(self, turn: Turn) -> None:
        queue = self._queues[turn.conversation_id]
        queue.remove(turn)
        self._tell(queue)
        if not queue:
            del self._queues[turn.conversation_id]

    @staticmethod
    def _tell(queue: list[Turn]) -> None:
        for ahead, turn in enumerate(queue):
            if turn.ahead != ahead:
                turn.ahead = ahead
                turn.wake()
