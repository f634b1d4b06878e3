"""Waiting for a turn on a host's behalf: for how long, what the host sees meanwhile, and what its leaving means."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import cast

import anyio
from mcp.server.mcpserver import Context
from mcp_types import InputRequiredResult

from letta_conv_mcp.app import App, app_of
from letta_conv_mcp.cancels import is_time_out
from letta_conv_mcp.errors import ApprovalsMismatch
from letta_conv_mcp.tools.consent import Asked, Consent, answer_of_round, ask, can_ask, is_modern, question_result
from letta_conv_mcp.tools.progress import Relay, relay_progress
from letta_conv_mcp.turns.decisions import Verdict
from letta_conv_mcp.turns.turn import Input, Turn
from letta_conv_mcp.views import LIVE, Detail, Reply

DENIED = "The person denied it."


@dataclass(frozen=True)
class Wait:
    """One call's wait.

    Attributes:
        ctx: the call.
        until: the event loop's time, in seconds, when it ends.
        detail: how much the reply shows.
        spoken: the turns that the call began.
    """

    ctx: Context[App]
    until: float
    detail: Detail
    spoken: list[Turn] = field(default_factory=list[Turn])

    def start(self, conversation_id: str, input: Input) -> Turn:  # noqa: A002
        """Begin a turn, with pieces of words where the host asked for progress."""
        is_watched = _meta_of(self.ctx).get("progress_token") is not None
        turn = app_of(self.ctx).hub.start(conversation_id, input, tokens=is_watched)
        self.spoken.append(turn)
        return turn

    async def reply_of(self, turn: Turn) -> Reply | InputRequiredResult:
        """What a turn has said when it is over or the time has run out; or a question for the person."""
        await self._for_turn(turn)
        reply = turn.reply(self.detail)
        if turn.stage == "refused" or not can_ask(self.ctx, reply):
            return reply
        if is_modern(self.ctx):
            return question_result(reply)
        consent = None
        # In these eras the person's thinking counts against the host's time-out.
        with anyio.CancelScope(deadline=self.until):
            consent = await ask(self.ctx, reply.approvals)
        if consent is None:
            return reply
        call_ids = [approval.tool_call_id for approval in reply.approvals]
        return await self.decided(Asked(reply.conversation_id, reply.run_id, call_ids), consent)

    async def decided(self, asked: Asked, consent: Consent | None) -> Reply | InputRequiredResult:
        """What becomes of a question: the reply after the person's decision, or as things stand without one."""
        hub = app_of(self.ctx).hub
        if consent is None:
            turn = await hub.find(asked.conversation_id, asked.run_id)
            await self._for_turn(turn)
            return turn.reply(self.detail)
        call_ids = tuple(asked.tool_call_ids)
        verdict = Verdict(approve=call_ids) if consent == "approve" else Verdict(deny=call_ids, reason=DENIED)
        try:
            return await self.reply_of(self.start(asked.conversation_id, verdict))
        except ApprovalsMismatch:
            # Somebody else has answered meanwhile: what came of that is the reply.
            return await self.reply_of(await hub.find(asked.conversation_id))

    async def _for_turn(self, turn: Turn) -> None:
        is_live = _meta_of(self.ctx).get(LIVE) is True
        await self.over([turn], partial(relay_progress, turn, live=is_live))

    async def over(self, turns: Sequence[Turn], relay: Relay) -> None:
        """Wait until turns are over or the time has run out. What is cancelled meanwhile is each turn's own business.

        Args:
            turns: the turns.
            relay: tells the host about them until it is cancelled.
        """
        app = app_of(self.ctx)
        try:
            with ExitStack() as attention:
                for turn in turns:
                    attention.enter_context(turn.attended())
                async with anyio.create_task_group() as group:
                    group.start_soon(relay, self.ctx.report_progress)
                    with anyio.CancelScope(deadline=self.until):
                        for turn in turns:
                            await turn.over.wait()
                    group.cancel_scope.cancel()
        except anyio.get_cancelled_exc_class():
            if (reason := app.cancels.take(self.ctx.request_id)) is not None:
                for turn in turns:
                    self._leave(turn, reason)
            raise
        for turn in turns:
            if turn.stage == "held" and not turn.is_attended:
                # Nobody would be there when it is sent at last.
                app.hub.withdraw(turn)

    def _leave(self, turn: Turn, reason: str) -> None:
        """The host cancelled the call; had its connection ended, the turn would just go on."""
        if not turn.is_ours:
            return
        app = app_of(self.ctx)
        wants_stop = {"stop": True, "leave": False, "auto": not is_time_out(reason)}[app.settings.on_cancel]
        turn.journal.note("call cancelled", stops=wants_stop)
        # What was not sent never is: its caller won't know of it.
        is_taken_back = turn in self.spoken and app.hub.withdraw(turn)
        if not is_taken_back and wants_stop and not turn.is_attended:
            app.hub.stop_soon(turn)


def wait_of(ctx: Context[App], wait_seconds: float | None, detail: Detail) -> Wait:
    """The wait that a call asks for."""
    seconds = app_of(ctx).settings.wait_seconds if wait_seconds is None else wait_seconds
    return Wait(ctx, anyio.current_time() + seconds, detail)


async def answered(ctx: Context[App], wait: Wait) -> Reply | InputRequiredResult | None:
    """The rest of a call that was answered with a question; None in its first round. It never sends anew."""
    answer = answer_of_round(ctx)
    return await wait.decided(*answer) if answer else None


def _meta_of(ctx: Context[App]) -> Mapping[str, object]:
    return cast("Mapping[str, object]", ctx.request_context.meta or {})
