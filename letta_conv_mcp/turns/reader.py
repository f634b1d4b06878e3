"""Following a turn to its end: read the stream, pick it up where it broke, settle.

A stream that ended says nothing by itself. Only a stop reason settles a turn as completed, and the stream is read
past it, since errors and usage follow it.
"""

import logging
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from uuid import uuid4

import anyio

from letta_conv_mcp.errors import (
    ConversationBusy,
    ConversationNotFound,
    LettaFailure,
    NotAllowed,
    OutcomeUnknown,
    RunNotFound,
)
from letta_conv_mcp.letta.events import Frame, frame_from_json
from letta_conv_mcp.letta.port import Letta, Run
from letta_conv_mcp.turns.draft import draft_from_frames
from letta_conv_mcp.turns.recover import standing_of
from letta_conv_mcp.turns.reply import status_of
from letta_conv_mcp.turns.turn import Turn

_logger = logging.getLogger(__name__)

BUSY_PAUSES = (0.1, 0.2, 0.4, 0.8, 1.6)
GRACE_SECONDS = 2.0
"""How long a stream may stay open without a frame after its stop reason."""
SILENT_SECONDS = 600.0
"""A run that says nothing but pings for so long is given up: after a crash of the server it is active for ever."""
LONGEST_PAUSE = 5.0
STORED_LOOKS = 5
"""How often to look for what a run stored that has ended."""


async def send(turn: Turn, letta: Letta) -> None:
    """Send a turn's message, once, and follow it to its end.

    Raises:
        LettaFailure: the message was certainly not sent.
    """
    try:
        await _post(turn, letta, str(uuid4()))
    except OutcomeUnknown:
        # Repeating it could put the message in twice.
        turn.settle("interrupted")
        return
    if turn.draft.run_id is not None:
        await _pick_up(turn, letta, turn.draft.run_id)
    await _settle(turn, letta)


async def _post(turn: Turn, letta: Letta, otid: str) -> None:
    for pause in (*BUSY_PAUSES, None):
        try:
            async with letta.open_turn(turn.conversation_id, turn.message or "", otid, tokens=turn.tokens) as frames:
                await _read(turn, frames)
                return
        except ConversationBusy:
            # The message was not taken. Letta frees a conversation a moment after its last run has ended.
            if pause is None:
                raise
            await anyio.sleep(pause)


async def follow(turn: Turn, letta: Letta, run: Run) -> None:
    """Follow a run that somebody else started, or that an earlier process of ours did, to its end."""
    turn.draft.run_id = run.id
    if run.is_active:
        # A stream leaves the message out, and it is stored with the first finished step.
        await _learn_message(turn, letta, run)
    await _pick_up(turn, letta, run.id)
    await _learn_message(turn, letta, run)
    if status_of(turn.draft) == "awaiting_approval":
        await _learn_decision(turn, letta)
    await _settle(turn, letta)


async def _learn_message(turn: Turn, letta: Letta, run: Run) -> None:
    if turn.draft.heard is None:
        with suppress(LettaFailure):
            turn.draft.heard = draft_from_frames(map(frame_from_json, await letta.run_messages(run))).heard


async def _learn_decision(turn: Turn, letta: Letta) -> None:
    """Whether what a run asked for is still pending: another client may have answered since."""
    with suppress(LettaFailure):
        standing = await standing_of(letta, turn.conversation_id)
        pending = {approval.tool_call_id for approval in standing.approvals}
        turn.draft.is_decided = not pending.intersection(turn.draft.pending)


async def _read(turn: Turn, frames: AsyncIterator[Frame]) -> None:
    """Read a stream until it ends, stays open after its end, or says nothing for too long."""
    while not _is_given_up(turn):
        with anyio.move_on_after(GRACE_SECONDS if turn.draft.is_over else None) as grace:
            frame = await anext(frames, None)
            if frame is None:
                return
            turn.add(frame)
        if grace.cancelled_caught:
            return


async def _pick_up(turn: Turn, letta: Letta, run_id: str) -> None:
    """Go on with a run: from its stream where that can be resumed, else from its state and what it stored."""
    pause, looks = 0.25, 0
    while not turn.draft.is_over and not _is_given_up(turn) and looks < STORED_LOOKS:
        try:
            run = await letta.run(run_id, turn.conversation_id)
            if not run.is_active:
                looks += 1
                await _read_stored(turn, letta, run)
            elif run.background:
                async with letta.resume(run, turn.draft.last_seq) as frames:
                    await _read(turn, frames)
        except (RunNotFound, ConversationNotFound, NotAllowed) as failure:
            # Not an error of the call: the message was received, only its end stays unknown.
            _logger.warning("The end of %s can't be found: %s", run_id, failure)
            return
        except LettaFailure as failure:
            # It may be restarting, or busy. A read changes nothing, so it is tried again.
            _logger.info("Letta can't be asked about %s now: %s", run_id, failure)
        if not turn.draft.is_over:
            await anyio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not a secret
            pause = min(pause * 2, LONGEST_PAUSE)


async def _read_stored(turn: Turn, letta: Letta, run: Run) -> None:
    """Settle from what a run that has ended left behind; nothing, where it left too little to tell."""
    stored = draft_from_frames(map(frame_from_json, await letta.run_messages(run)))
    stored.stop_reason = run.stop_reason or {"cancelled": "cancelled", "failed": "error"}.get(run.status)
    stored.error_type = run.error_type
    is_whole = status_of(stored) in ("completed", "awaiting_approval")
    if is_whole and stored.heard is None and not stored.text and not stored.calls:
        # It says that all went well, and shows nothing of it: perhaps not yet.
        return
    if is_whole or stored.text or not turn.draft.text:
        stored.run_id, stored.usage, stored.heard = run.id, turn.draft.usage, stored.heard or turn.draft.heard
        turn.draft = stored
    else:
        # A cancelled or failed run stores nothing; what was streamed is all there is.
        turn.draft.stop_reason, turn.draft.error_type = stored.stop_reason, stored.error_type


async def _settle(turn: Turn, letta: Letta) -> None:
    status, draft = status_of(turn.draft), turn.draft
    if status == "failed" and not draft.text and not draft.calls:
        # Letta refuses a message while an approval is pending, with an error that doesn't say so.
        with suppress(LettaFailure):
            approvals = await letta.pending_approvals(turn.conversation_id)
            if approvals:
                turn.settle("awaiting_approval", approvals=approvals)
                return
    turn.settle(status)


def _is_given_up(turn: Turn) -> bool:
    return anyio.current_time() - turn.last_news > SILENT_SECONDS
