"""Following a run to its end: read the stream, pick it up where it broke, settle.

A stream that ended says nothing by itself. Only a stop reason settles a turn as completed, and the stream is read
past it, since errors and usage follow it.
"""

import random
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from itertools import islice

import anyio

from letta_conv_mcp.errors import ConversationNotFound, LettaFailure, NotAllowed, RunNotFound
from letta_conv_mcp.letta.events import Frame, frame_from_json
from letta_conv_mcp.letta.port import Letta, Run
from letta_conv_mcp.turns.decisions import Verdict
from letta_conv_mcp.turns.draft import draft_from_frames
from letta_conv_mcp.turns.reply import status_of
from letta_conv_mcp.turns.turn import Turn
from letta_conv_mcp.views import Approval

GRACE_SECONDS = 2.0
"""How long a stream may stay open without a frame after its stop reason."""
ASK_SECONDS = 60.0
"""After so long without a frame that says something, the run is asked after."""
SILENT_SECONDS = 600.0
"""A run that says nothing but pings for so long is given up: after a crash of the server it is active for ever."""
UNCONFIRMED_SECONDS = 30.0
"""The same for a run whose stop reason has come and whose end has not."""
LONGEST_PAUSE = 5.0
STORED_LOOKS = 5
"""How often to look for what a run stored that has ended."""


async def follow(turn: Turn, letta: Letta, run: Run) -> None:
    """Follow a run that somebody else started, or that an earlier process of ours did, to its end."""
    turn.draft.run_id = run.id
    if run.is_active:
        # A stream leaves the message out, and it is stored with the first finished step.
        await _learn_message(turn, letta, run)
    await pick_up(turn, letta, run.id)
    await _learn_message(turn, letta, run)
    await settle(turn, letta)


async def read(turn: Turn, letta: Letta, frames: AsyncIterator[Frame]) -> None:
    """Read a stream until it ends, stays open after its end, or shows no life."""
    async with anyio.create_task_group() as group:
        group.start_soon(_watch, turn, letta, group.cancel_scope)
        async for frame in frames:
            turn.add(frame)
        group.cancel_scope.cancel()


async def _watch(turn: Turn, letta: Letta, reading: anyio.CancelScope) -> None:
    """Look after a stream while it is read: a ping says only that the server lives, not that the run does."""
    seen, asked = 0, turn.last_news
    while not turn.draft.is_over:
        quiet_until = max(turn.last_news, asked) + ASK_SECONDS
        with anyio.CancelScope(deadline=min(quiet_until, given_up_at(turn))) as quiet:
            seen = await turn.news(seen)
        if quiet.cancelled_caught:
            if anyio.current_time() >= given_up_at(turn) or not await _is_active(turn, letta):
                reading.cancel()
            asked = anyio.current_time()
    while not reading.cancel_called:
        with anyio.move_on_after(GRACE_SECONDS) as grace:
            seen = await turn.news(seen)
        if grace.cancelled_caught:
            reading.cancel()


async def _is_active(turn: Turn, letta: Letta) -> bool:
    if turn.draft.run_id is None:
        return True
    turn.journal.note("silent", run_id=turn.draft.run_id)
    try:
        run = await letta.run(turn.draft.run_id, turn.conversation_id)
    except RunNotFound:
        return False
    except LettaFailure:
        # It pings, and can't be asked now: silence has its own limit.
        return True
    # A cancelled run is filed as ended at once; its present step goes on, and is stored, until the stream ends.
    return run.is_active or run.status == "cancelled"


async def pick_up(turn: Turn, letta: Letta, run_id: str) -> None:
    """Go on with a run: from its stream where that can be resumed, else from its state and what it stored."""
    looks = 0
    for pause in pauses(0.25):
        if turn.draft.is_confirmed or looks >= STORED_LOOKS or anyio.current_time() >= given_up_at(turn):
            return
        try:
            run = await letta.run(run_id, turn.conversation_id)
            if not run.is_active:
                looks += 1
                await _read_stored(turn, letta, run)
            elif run.background:
                if turn.draft.stop_reason is None:
                    # An error that came without one was the stream's and not the run's.
                    turn.draft.error_type = None
                turn.journal.note("resumed", run_id=run_id, after=turn.draft.last_seq)
                async with letta.resume(run, turn.draft.last_seq) as frames:
                    await read(turn, letta, frames)
        except (RunNotFound, ConversationNotFound, NotAllowed) as failure:
            # Not an error of the call: the message was received, only its end stays unknown.
            turn.journal.note("lost", run_id=run_id, problem=type(failure).__name__)
            return
        except LettaFailure as failure:
            # It may be restarting, or busy. A read changes nothing, so it is tried again.
            turn.journal.note("asked again", run_id=run_id, problem=type(failure).__name__)
        if not turn.draft.is_confirmed:
            await anyio.sleep(pause)


def pauses(first: float, *, longest: float = LONGEST_PAUSE) -> Iterator[float]:
    """Seconds to pause between tries, longer each time, with jitter, for ever."""
    pause = first
    while True:
        yield pause * random.uniform(0.5, 1.5)  # noqa: S311 - jitter, not a secret
        pause = min(pause * 2, longest)


def given_up_at(turn: Turn) -> float:
    """When a turn that says nothing more isn't waited for any longer, by the event loop's clock."""
    return turn.last_news + (UNCONFIRMED_SECONDS if turn.draft.is_over else SILENT_SECONDS)


async def settle(turn: Turn, letta: Letta) -> None:
    """End a turn by what its draft says; Letta is asked where that leaves something open."""
    for pause in islice(pauses(0.25), STORED_LOOKS):
        with suppress(LettaFailure):
            await _fill_in(turn, letta)
        if not turn.draft.has_gap:
            break
        await anyio.sleep(pause)
    status, approvals = status_of(turn.draft), None
    if not turn.draft.is_confirmed or (status == "completed" and turn.draft.has_gap):
        turn.settle("interrupted")
        return
    with suppress(LettaFailure):
        if status == "failed":
            approvals = await _pending_after(turn, letta)
            if approvals and _is_refusal(turn):
                turn.give_back("refused", approvals=approvals)
                return
        elif status == "awaiting_approval":
            pending = await letta.pending_approvals(turn.conversation_id)
            # Token streams announce every parallel call, also those that Letta then forgets.
            approvals = [approval for approval in pending if approval.tool_call_id in turn.draft.pending] or None
            # A run of ours has asked only now; of another one somebody may have decided since.
            turn.draft.is_decided = approvals is None and not turn.is_ours
    turn.settle(status_of(turn.draft), approvals=approvals)


async def _fill_in(turn: Turn, letta: Letta) -> None:
    """What a stream left out that broke off near its end, that was replayed in part, or that never ended."""
    draft = turn.draft
    has_no_reason = draft.stop_reason in ("error", "llm_api_error") and draft.error_type is None
    # A step that is not streamed is finished and stored when its run is stopped, and never shown.
    was_silenced = draft.stop_reason == "cancelled" and not turn.tokens
    is_whole = draft.is_confirmed and not draft.has_gap and not has_no_reason and not was_silenced
    if draft.run_id is None or is_whole:
        return
    run = await letta.run(draft.run_id, turn.conversation_id)
    if has_no_reason:
        draft.error_type = run.error_type
    else:
        # Also of a run that stays active for ever, because Letta lost its Redis or died: the reply may be there.
        await _read_stored(turn, letta, run)


def _is_refusal(turn: Turn) -> bool:
    """Whether a failed run beside a question is a message that Letta refused for it: its error doesn't say so."""
    # A model that failed has another reason, and what was never begun has none.
    is_error = turn.draft.stop_reason == "error" and not turn.draft.is_unexplained
    return is_error and not isinstance(turn.input, Verdict)


async def _pending_after(turn: Turn, letta: Letta) -> list[Approval] | None:
    """What is pending after a failed run; None where that has nothing to do with it.

    It may have failed for that, or beside it; one that was to act on a decision may have died before it did.
    """
    if isinstance(turn.input, Verdict):
        return await letta.pending_approvals(turn.conversation_id)
    if turn.draft.text or turn.draft.calls:
        return None
    if not turn.is_ours:
        latest = await letta.runs(turn.conversation_id)
        if not latest or latest[0].id != turn.draft.run_id:
            return None
    return await letta.pending_approvals(turn.conversation_id)


async def _learn_message(turn: Turn, letta: Letta, run: Run) -> None:
    if turn.draft.heard is None:
        with suppress(LettaFailure):
            turn.draft.heard = draft_from_frames(map(frame_from_json, await letta.run_messages(run))).heard


async def _read_stored(turn: Turn, letta: Letta, run: Run) -> None:
    """Take a run for what it has stored; nothing, where that is too little to tell."""
    stored = draft_from_frames(map(frame_from_json, await letta.run_messages(run)))
    stored.run_id, stored.usage, stored.heard = run.id, turn.draft.usage, stored.heard or turn.draft.heard
    if run.is_active:
        # Its end is not on record; what is there may still be more than what was streamed.
        if len(stored.text) > len(turn.draft.text):
            stored.stop_reason, stored.error_type = turn.draft.stop_reason, turn.draft.error_type
            turn.draft = stored
        return
    stored.stop_reason = run.stop_reason or {"cancelled": "cancelled", "failed": "error"}.get(run.status)
    stored.error_type, stored.is_recorded, stored.is_unexplained = run.error_type, True, run.stop_reason is None
    is_whole = status_of(stored) in ("completed", "awaiting_approval")
    if is_whole and stored.heard is None and not stored.text and not stored.calls:
        # It says that all went well, and shows nothing of it: perhaps not yet.
        return
    stored.is_repeated = stored.is_repeated or turn.draft.is_repeated
    if is_whole or len(stored.text) >= len(turn.draft.text):
        turn.draft = stored
    else:
        # A cancelled or failed run stores nothing, or a part; what was streamed is more.
        turn.draft.stop_reason, turn.draft.error_type = stored.stop_reason, stored.error_type
        turn.draft.is_recorded = True
