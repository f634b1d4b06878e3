"""The turns alive in this process: start, queue, join, find again, let go.

One hub serves one Letta identity. Turns of one conversation go one after another; turns of different ones side
by side.
"""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import TaskGroup

from letta_conv_mcp.errors import LettaFailure, RunNotFound
from letta_conv_mcp.letta.port import Letta, Run
from letta_conv_mcp.turns.reader import follow, send
from letta_conv_mcp.turns.turn import Turn

_logger = logging.getLogger(__name__)

KEPT_TURNS = 200
"""Settled turns that are remembered; after that Letta is asked."""


class Hub:
    """The turns of one Letta identity.

    Args:
        letta: where messages go.
        group: the task group that owns the readers; it outlives every request.
    """

    def __init__(self, letta: Letta, group: TaskGroup) -> None:
        self._letta = letta
        self._group = group
        self._turns: list[Turn] = []
        self._queues: dict[str, anyio.Lock] = {}

    def start(self, conversation_id: str, message: str, *, tokens: bool) -> Turn:
        """Begin a turn: its message is sent when the turns before it in the conversation are over.

        Args:
            conversation_id: where to say it.
            message: the person's words.
            tokens: whether somebody watches, so that pieces of words are wanted.
        """
        turn = self._remember(Turn(conversation_id, message, tokens=tokens))
        self._group.start_soon(self._lead, turn, self._send)
        return turn

    async def find(self, conversation_id: str, run_id: str | None = None) -> Turn:
        """The turn of a run, or a conversation's latest: one of ours, or one found again in Letta.

        Raises:
            RunNotFound: Letta has no such run, or none at all in this conversation.
            LettaFailure: Letta can't be asked.
        """
        if run_id is None and (turn := self._open_turn(conversation_id)):
            return turn
        if run_id is not None and (turn := self._turn_of_run(conversation_id, run_id)):
            return turn
        run = await (self._letta.run(run_id, conversation_id) if run_id else self._latest_run(conversation_id))
        # Another waiter may have found the same run while this one asked.
        return self._turn_of_run(conversation_id, run.id) or self._adopt(conversation_id, run)

    def _open_turn(self, conversation_id: str) -> Turn | None:
        """The newest turn that goes on, or that somebody still has to be told of."""
        turns = self._turns_of(conversation_id)
        return next((turn for turn in turns if not turn.is_settled or turn.has_untold_trouble), None)

    def _turn_of_run(self, conversation_id: str, run_id: str) -> Turn | None:
        turns = (turn for turn in self._turns_of(conversation_id) if not turn.may_have_changed)
        return next((turn for turn in turns if turn.draft.run_id == run_id), None)

    def _turns_of(self, conversation_id: str) -> Iterator[Turn]:
        return (turn for turn in reversed(self._turns) if turn.conversation_id == conversation_id)

    def _adopt(self, conversation_id: str, run: Run) -> Turn:
        turn = Turn(conversation_id)
        turn.draft.run_id = run.id

        async def follow_run(turn: Turn) -> None:
            await follow(turn, self._letta, run)

        self._group.start_soon(self._lead, self._remember(turn), follow_run)
        return turn

    async def _latest_run(self, conversation_id: str) -> Run:
        runs = await self._letta.runs(conversation_id)
        if not runs:
            # An unknown conversation has no runs either, and that is the better sentence.
            await self._letta.conversation(conversation_id)
            raise RunNotFound(conversation_id)
        return runs[0]

    def _remember(self, turn: Turn) -> Turn:
        self._turns.append(turn)
        if len(self._turns) > KEPT_TURNS:
            settled = next((turn for turn in self._turns if turn.is_settled), None)
            if settled is not None:
                self._turns.remove(settled)
        return turn

    async def _send(self, turn: Turn) -> None:
        async with self._place(turn.conversation_id):
            turn.begin()
            await send(turn, self._letta)

    @asynccontextmanager
    async def _place(self, conversation_id: str) -> AsyncGenerator[None]:
        # Letta's own lock ends after 300 s, and without Redis there is none.
        queue = self._queues.setdefault(conversation_id, anyio.Lock())
        try:
            async with queue:
                yield
        finally:
            if not queue.statistics().locked:
                self._queues.pop(conversation_id, None)

    async def _lead(self, turn: Turn, work: Callable[[Turn], Awaitable[None]]) -> None:
        try:
            await work(turn)
        except LettaFailure as failure:
            turn.fail(failure)
        except Exception:
            # A fault of ours must cost one turn: raised here it would end the server, with every other turn.
            _logger.exception("A turn in %s broke.", turn.conversation_id)
            turn.settle("interrupted")
        finally:
            if turn.is_queued and not turn.is_settled:
                _logger.warning("A message in %s was not sent, because the server closes.", turn.conversation_id)
            # Cancelled, because the server closes: the run goes on in Letta, and waiters get what there is.
            turn.close()
