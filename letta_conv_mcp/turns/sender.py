"""Getting a message into a conversation once, whatever happens on the way.

What an unclear attempt calls for depends on Letta. One that knows an otid again is sent the same until it answers;
one that doesn't is looked through for the message. Before any repeat the conversation's runs are looked at too: Letta
keeps its otids in Redis, and a Redis that was restarted has forgotten them.
"""

import anyio

from letta_conv_mcp.errors import (
    ApprovalPending,
    ConversationBusy,
    LettaFailure,
    LettaUnavailable,
    OutcomeUnknown,
    RateLimited,
    RunNotFound,
)
from letta_conv_mcp.letta.outgoing import Outgoing
from letta_conv_mcp.letta.port import Letta
from letta_conv_mcp.turns.decisions import Verdict, decisions_from_verdict, otid_of_decisions
from letta_conv_mcp.turns.memories import REFRESH_SECONDS, Memories
from letta_conv_mcp.turns.reader import pauses, pick_up, read, settle
from letta_conv_mcp.turns.recover import standing_of
from letta_conv_mcp.turns.turn import Turn

REFUSED_PAUSES = (0.5, 1.0, 2.0)
"""Between tries of what Letta surely did not take."""
LONGEST_RETRY_AFTER = 60.0
"""A longer pause that Letta asks for is passed on to the caller."""
UNCLEAR_SECONDS = 120.0
"""How long the fate of a message is looked into. A busy Letta was seen to take 38 s to begin."""
KNOCK_SECONDS = 10.0
"""How often a message is tried that a run keeps out which doesn't end: after a crash its lock goes, and it stays."""
BUSY_SECONDS = 60.0
"""How long another client's run is waited for when nobody waits with us."""


async def send(turn: Turn, letta: Letta, memories: Memories | None = None) -> None:
    """Send what a turn says, once, and follow it to its end.

    Args:
        turn: what is said.
        letta: to whom.
        memories: what sees to it that the prompt is as new as the agent's memory; None to leave it.

    Raises:
        LettaFailure: it was certainly not sent.
    """
    if await _Delivery(turn, letta, memories).is_made():
        if turn.draft.run_id is not None:
            await pick_up(turn, letta, turn.draft.run_id)
        await settle(turn, letta)
    if memories is not None and (turn.draft.calls or turn.status != "completed"):
        # A tool may have changed it.
        memories.forget(conversation_id=turn.conversation_id)


class _Delivery:
    """One message on its way."""

    def __init__(self, turn: Turn, letta: Letta, memories: Memories | None) -> None:
        self._turn = turn
        self._letta = letta
        self._memories = memories
        self._outgoing: Outgoing = ()
        self._otid = turn.otid
        self._refusals = 0
        self._retry_after = 0.0
        self._unclear_since: float | None = None
        self._can_repeat = True
        self._busy_since: float | None = None
        self._busy_pauses = pauses(0.1, longest=2.0)
        self._unclear_pauses = pauses(0.5)
        self._pause = 0.0

    @property
    def _is_unclear(self) -> bool:
        return self._unclear_since is not None

    async def is_made(self) -> bool:
        """Bring the message in, and read what becomes of it. False where the turn ended without that."""
        turn = self._turn
        while not turn.is_settled:
            try:
                if not self._is_unclear:
                    await self._prepare()
                turn.move("unclear" if self._is_unclear else "posted")
                async with self._letta.open_turn(
                    turn.conversation_id, self._outgoing, self._otid, tokens=turn.tokens, repeats=self._is_unclear
                ) as frames:
                    turn.move("posted")
                    await read(turn, self._letta, frames)
            except LettaFailure as failure:
                await self._consider(failure)
            else:
                return True
            if self._unclear_since is not None and await self._is_found(self._unclear_since + UNCLEAR_SECONDS):
                return True
        return False

    async def _prepare(self) -> None:
        verdict, conversation_id = self._turn.input, self._turn.conversation_id
        if not isinstance(verdict, Verdict):
            self._outgoing = verdict or ()
            await self._refresh_memory()
            return
        # An answer that was given already would make the agent think anew, so it is held against Letta every time.
        standing = await standing_of(self._letta, conversation_id)
        if standing.running_run_id is not None and not standing.approvals:
            raise ConversationBusy(conversation_id, standing.running_run_id)
        self._outgoing = decisions_from_verdict(verdict, standing.approvals, conversation_id)
        newest = next((run.id for run in await self._letta.runs(conversation_id)), None)
        self._otid = otid_of_decisions(conversation_id, newest, standing.approvals, self._outgoing)

    async def _refresh_memory(self) -> None:
        if self._memories is None:
            return
        with anyio.move_on_after(REFRESH_SECONDS) as looking:
            try:
                if await self._memories.refresh(self._turn.conversation_id):
                    self._turn.journal.note("memory refreshed")
                    self._turn.is_memory_refreshed = True
            except LettaFailure as failure:
                # The message matters more, and will tell what is wrong.
                self._turn.journal.note("memory unchecked", problem=type(failure).__name__)
        if looking.cancelled_caught:
            self._turn.journal.note("memory unchecked", problem="took too long")

    async def _consider(self, failure: LettaFailure) -> None:
        """What an attempt that was not answered by a stream means. Raises what ends the turn."""
        self._retry_after = failure.retry_after or 0.0
        match failure:
            case OutcomeUnknown():
                self._turn.journal.note("unclear", otid=self._otid, can_repeat=failure.is_repeatable)
                self._turn.move("unclear")
                self._unclear_since = self._unclear_since or anyio.current_time()
                self._can_repeat = self._can_repeat and failure.is_repeatable
            case _ if self._is_unclear:
                # Whatever a repeat is refused with, the first attempt may have been taken.
                self._turn.journal.note("unclear", otid=self._otid, problem=type(failure).__name__)
            case ApprovalPending():
                approvals = await self._letta.pending_approvals(self._turn.conversation_id)
                self._turn.give_back("refused", approvals=approvals)
            case ConversationBusy() if self._turn.is_given_up:
                self._turn.move("held", holder=failure.run_id)
                self._turn.give_back("blocked")
            case ConversationBusy():
                await self._wait_for(failure.run_id)
            case RateLimited() | LettaUnavailable() if self._may_knock_again():
                await self._pause_after_refusal(failure)
            case _:
                raise failure

    def _may_knock_again(self) -> bool:
        is_patient = self._refusals < len(REFUSED_PAUSES) and self._retry_after <= LONGEST_RETRY_AFTER
        return is_patient and not self._turn.is_given_up

    async def _pause_after_refusal(self, failure: LettaFailure) -> None:
        pause = self._retry_after or REFUSED_PAUSES[self._refusals]
        self._turn.journal.note("refused", problem=type(failure).__name__, pause=pause)
        self._refusals += 1
        self._turn.move("queued")
        await anyio.sleep(pause)

    async def _wait_for(self, run_id: str | None) -> None:
        """Wait while another client's run goes on. Letta frees a conversation a moment after its last run's end."""
        self._turn.move("held", holder=run_id)
        if self._busy_since is None:
            self._busy_since = anyio.current_time()
            self._turn.journal.note("held", by_run_id=run_id)
        knock_at = anyio.current_time() + KNOCK_SECONDS
        while True:
            await anyio.sleep(next(self._busy_pauses))
            if not self._turn.is_attended and anyio.current_time() - self._busy_since > BUSY_SECONDS:
                self._turn.give_back("blocked")
                return
            if run_id is None or anyio.current_time() >= knock_at or not await self._goes_on(run_id):
                return

    async def _goes_on(self, run_id: str) -> bool:
        try:
            return (await self._letta.run(run_id, self._turn.conversation_id)).is_active
        except RunNotFound:
            return False
        except LettaFailure:
            return True

    async def _is_found(self, deadline: float) -> bool:
        """Look for a message of unknown fate. False where it may be sent again, or was given up."""
        is_last = False
        while not is_last:
            await anyio.sleep(min(self._retry_after, LONGEST_RETRY_AFTER) or self._pause)
            self._pause = next(self._unclear_pauses)
            is_last = anyio.current_time() >= deadline
            try:
                run = await self._letta.find_run(self._turn.conversation_id, self._outgoing, self._otid)
            except LettaFailure as failure:
                # Letta can't be asked, or a run goes on that may be the message's: its end will tell.
                self._turn.journal.note("looked for", otid=self._otid, problem=type(failure).__name__)
            else:
                if run is not None:
                    self._turn.journal.note("found", run_id=run.id)
                    self._turn.draft.run_id = run.id
                    self._turn.move("posted")
                    return True
                if self._can_repeat and not is_last and not self._turn.is_unwanted:
                    return False
        self._turn.settle("interrupted")
        return False
