"""The turns alive in this process: start, queue, join, find again, stop, let go.

One hub serves one Letta identity. Turns of one conversation go one after another; turns of different ones side
by side.
"""

import logging
import math
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress

import anyio
from anyio.abc import TaskGroup

from letta_conv_mcp.errors import LettaFailure, NothingToCancel, NotOurRun, RunNotFound
from letta_conv_mcp.letta.port import Letta, NewConversation, Run
from letta_conv_mcp.turns.memories import Memories
from letta_conv_mcp.turns.queues import Queues
from letta_conv_mcp.turns.reader import follow
from letta_conv_mcp.turns.sender import send
from letta_conv_mcp.turns.turn import Input, Turn
from letta_conv_mcp.views import Conversation

_logger = logging.getLogger(__name__)

KEPT_TURNS = 200
KEPT_CHARS = 4_000_000
"""Settled turns are remembered up to this number and size; after that Letta is asked."""
STOP_SECONDS = 30.0
"""How long a caller waits for a run that is to be stopped to show its id."""

PARTING_SECONDS = 0.5
"""How long a run that is to be stopped keeps the server from ending."""


class Hub:
    """The turns of one Letta identity.

    Args:
        letta: where messages go.
        group: the task group that owns the readers; it outlives every request.
        memories: what sees to it that prompts are as new as the agents' memory; None to leave them.
        on_settled: called with the conversation's id when a turn that reached Letta is settled; must not raise.
    """

    def __init__(
        self,
        letta: Letta,
        group: TaskGroup,
        memories: Memories | None = None,
        *,
        on_settled: Callable[[str], None] | None = None,
    ) -> None:
        self._letta = letta
        self._memories = memories
        self._group = group
        self._on_settled = on_settled
        self._turns: list[Turn] = []
        self._queues = Queues()

    def start(self, conversation_id: str, input: Input, *, tokens: bool) -> Turn:  # noqa: A002
        """Begin a turn: what it says is sent when the turns before it in the conversation are over.

        Args:
            conversation_id: where to say it.
            input: the person's words, or verdict on what is pending.
            tokens: whether somebody watches, so that pieces of words are wanted.
        """
        turn = self._remember(Turn(conversation_id, input, tokens=tokens))
        self._queues.join(turn)
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

    def withdraw(self, turn: Turn) -> bool:
        """Give a message back that was not sent yet. False where it is too late for that."""
        # Letta may yet refuse what is on its way to it.
        turn.is_given_up = True
        if turn.is_settled or turn.is_sent:
            return False
        turn.give_back("blocked" if turn.stage == "held" else "withdrawn")
        turn.scope.cancel()
        return True

    async def create_conversation(self, new: NewConversation) -> Conversation:
        """A new conversation. Raises as the port does."""
        return await (self._memories or self._letta).create_conversation(new)

    def memory_changed(self, agent_id: str) -> None:
        """An agent's memory was changed from here: its conversations are to learn of it with the next message."""
        if self._memories is not None:
            self._memories.forget(agent_id=agent_id)

    def stop_soon(self, turn: Turn) -> None:
        """Withdraw a turn's message, or else stop its run, after the caller has gone."""
        if not self.withdraw(turn) and not turn.is_settled:
            turn.is_unwanted = True
            self._group.start_soon(self._stop_quietly, turn)

    async def cancel(self, conversation_id: str, run_id: str | None = None) -> Turn:
        """Stop the run of ours that goes on in a conversation, or withdraw the message that waits there.

        Letta answers a cancel before it has taken effect: the turn that is returned ends soon after.

        Raises:
            NothingToCancel: nothing goes on, or that run has ended.
            NotOurRun: what goes on was not started here.
            LettaFailure: Letta can't or won't do it.
        """
        turns = [turn for turn in self._turns_of(conversation_id) if turn.is_ours and turn.may_go_on]
        sent = [turn for turn in turns if turn.is_sent and run_id in (None, turn.draft.run_id)]
        for turn in sent:
            turn.is_unwanted = True
            if await self._stop(turn, within=STOP_SECONDS):
                return turn
        if turns and run_id is None and self.withdraw(turns[0]):
            return turns[0]
        run = await self._letta.run(run_id, conversation_id) if run_id else await self._active_run(conversation_id)
        if run is None or not run.is_active:
            raise NothingToCancel(conversation_id, run_id)
        if not any(turn.is_ours and turn.draft.run_id == run.id for turn in self._turns_of(conversation_id)):
            raise NotOurRun(conversation_id, run.id)
        # A turn of ours that was settled long ago; after a crash of the server its run is active for ever.
        await self._letta.cancel_run(run)
        return self._adopt(conversation_id, run)

    async def _stop(self, turn: Turn, *, within: float) -> bool:
        """Whether there was a run to be stopped that showed its id in this time, and it was."""
        seen = 0
        with anyio.move_on_after(within):
            while turn.draft.run_id is None and not turn.over.is_set():
                seen = await turn.news(seen)
        if turn.draft.run_id is None:
            return False
        run = await self._letta.run(turn.draft.run_id, turn.conversation_id)
        # A run that has ended would be filed as cancelled, and an approval that it asks for with it.
        if not run.is_active:
            return False
        turn.journal.note("cancelling", run_id=run.id)
        await self._letta.cancel_run(run)
        if not turn.is_settled:
            turn.move("stopping")
        return True

    async def _stop_quietly(self, turn: Turn) -> None:
        try:
            # As long as it takes: a turn whose run is never found ends by itself.
            await self._stop(turn, within=math.inf)
        except LettaFailure as failure:
            turn.journal.note("not cancelled", level=logging.WARNING, problem=type(failure).__name__)
        except Exception:
            # Raised here it would end the server, as in `_lead`.
            _logger.exception("A turn in %s could not be stopped.", turn.conversation_id)
        except anyio.get_cancelled_exc_class():
            # Hosts take their calls back and quit: the person's wish still counts, within the second that we have.
            with anyio.move_on_after(PARTING_SECONDS, shield=True), suppress(LettaFailure):
                await self._stop(turn, within=PARTING_SECONDS)
            raise

    def _open_turn(self, conversation_id: str) -> Turn | None:
        """The newest turn of ours that goes on, or that somebody still has to be told of."""
        turns = (turn for turn in self._turns_of(conversation_id) if turn.is_ours)
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

    async def _active_run(self, conversation_id: str) -> Run | None:
        runs = await self._letta.runs(conversation_id, active=True)
        return runs[0] if runs else None

    def _remember(self, turn: Turn) -> Turn:
        self._turns.append(turn)
        settled = [turn for turn in self._turns if turn.is_settled]
        chars = sum(turn.kept_chars for turn in settled)
        while settled and (len(self._turns) > KEPT_TURNS or chars > KEPT_CHARS):
            oldest = settled.pop(0)
            chars -= oldest.kept_chars
            self._turns.remove(oldest)
        return turn

    async def _send(self, turn: Turn) -> None:
        async with self._queues.place(turn):
            await send(turn, self._letta, self._memories)

    async def _lead(self, turn: Turn, work: Callable[[Turn], Awaitable[None]]) -> None:
        with turn.journal.kept(is_ours=turn.is_ours), turn.scope:
            try:
                await work(turn)
            except LettaFailure as failure:
                turn.fail(failure)
            except Exception:
                # A fault of ours must cost one turn: raised here it would end the server, with every other turn.
                _logger.exception("A turn in %s broke.", turn.conversation_id)
                turn.settle("interrupted")
            finally:
                # Without an end where the server closes: the run goes on in Letta, and waiters get what there is.
                turn.close()
                turn.end()
                if self._on_settled and turn.is_settled and turn.is_sent:
                    self._on_settled(turn.conversation_id)
