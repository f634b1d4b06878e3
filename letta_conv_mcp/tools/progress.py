"""Telling a host what the agent does while it waits.

A host shows the message of a progress notification in one line, and some restart their time-out with each. What
counts as often enough and as too often is ours: at once when something happens, at most four a second, and a sign
of life in every silence.
"""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeAlias

import anyio

from letta_conv_mcp.letta.content import shortened
from letta_conv_mcp.letta.events import AskedApproval, CalledTool, Spoke, Thought, ToolReturned
from letta_conv_mcp.turns.turn import Turn
from letta_conv_mcp.views import Live, ToolUse

Report: TypeAlias = Callable[[float, float | None, str | None], Awaitable[None]]
"""Sends one notification: progress, total, message. Progress counts notifications, so it rises."""
Relay: TypeAlias = Callable[[Report], Coroutine[Any, Any, None]]

PAUSE_SECONDS = 0.25
HEARTBEAT_SECONDS = 10.0
LINE_CHARS = 200
"""Claude Code cuts a progress message here."""

LIVE_PAUSE_SECONDS = 0.05
LIVE_TOOL_CHARS = 500
NAME_CHARS = 40

STARTING = "starting Letta on this machine"
WAITING = "waiting for"
SENDING = "sending the message"
LOOKING = "finding out whether Letta has the message"
ARRIVED = "the agent has the message"
THINKING = "thinking …"
CALLING = "calling"
CALLED = "called"
ASKING = "asking to run"


async def relay_progress(turn: Turn, report: Report, *, live: bool = False) -> None:
    """Report a turn's progress until cancelled. There is no total: nobody knows how long an agent takes.

    Args:
        turn: the turn to watch.
        report: tells the host.
        live: whether the caller asked for the reply itself, as it grows.
    """
    line_of, pause = (live_line, LIVE_PAUSE_SECONDS) if live else (progress_line, PAUSE_SECONDS)
    count = seen = 0
    while not turn.over.is_set():
        with anyio.move_on_after(HEARTBEAT_SECONDS - pause):
            seen = await turn.news(seen)
        count += 1
        await report(count, None, line_of(turn))
        await anyio.sleep(pause)


async def relay_branches(branches: Sequence[tuple[str, Turn]], report: Report) -> None:
    """Report the progress of several turns as one, until cancelled: each in its turn, as often as one alone.

    Args:
        branches: the turns to watch, by name.
        report: tells the host.
    """
    # Those with news, the longest waiting first.
    waiting: dict[int, None] = {}
    bell = anyio.Event()

    async def watch(place: int, turn: Turn) -> None:
        seen = 0
        while not turn.over.is_set():
            seen = await turn.news(seen)
            waiting.setdefault(place)
            bell.set()

    async with anyio.create_task_group() as group:
        for place, (_, turn) in enumerate(branches):
            group.start_soon(watch, place, turn)
        count = 0
        while waiting or not all(turn.over.is_set() for _, turn in branches):
            with anyio.move_on_after(HEARTBEAT_SECONDS - PAUSE_SECONDS):
                await bell.wait()
            open_ones = (place for place, (_, turn) in enumerate(branches) if not turn.over.is_set())
            place = next(iter(waiting), next(open_ones, 0))
            waiting.pop(place, None)
            if not waiting:
                bell = anyio.Event()
            count += 1
            await report(count, None, branch_line(*branches[place]))
            await anyio.sleep(PAUSE_SECONDS)


def branch_line(name: str, turn: Turn) -> str:
    """What one of several agents says or does now, or how it ended, in one line."""
    start = f"{name if len(name) <= NAME_CHARS else name[: NAME_CHARS - 1] + '…'}: "
    line = turn.status.replace("_", " ") if turn.is_settled else progress_line(turn)
    room = LINE_CHARS - len(start)
    return start + (line if len(line) <= room else "…" + line[-(room - 1) :])


def progress_line(turn: Turn) -> str:
    """What the agent says or does now, in one line."""
    draft = turn.draft
    match draft.last:
        case Spoke() if draft.text.strip():
            return _tail(draft.text)
        case Thought():
            return THINKING
        case CalledTool(tool_call_id=key):
            return f"{CALLING} {draft.calls[key].name}"
        case AskedApproval(tool_call_id=key):
            return f"{ASKING} {draft.calls[key].name}"
        case ToolReturned(tool_call_id=key):
            return f"{CALLED} {draft.calls[key].name or 'a tool'}"
        case _ if not turn.is_sent:
            return _waiting_line(turn)
        case _:
            return LOOKING if turn.stage == "unclear" else ARRIVED if draft.run_id else SENDING


def live_line(turn: Turn) -> str:
    """The reply so far, as JSON; what `progress_line` says where there is nothing of it yet."""
    draft = turn.draft
    if draft.last is None:
        return progress_line(turn)
    uses = [
        ToolUse(
            tool=call.name,
            arguments=shortened(call.arguments, LIVE_TOOL_CHARS),
            status=call.status,
            result=shortened(call.result, LIVE_TOOL_CHARS) if call.result is not None else None,
        )
        for call in draft.calls.values()
    ]
    doing = None if isinstance(draft.last, Spoke) else progress_line(turn)
    return Live(text=draft.text, reasoning=draft.reasoning, tool_uses=uses, doing=doing).model_dump_json()


def _waiting_line(turn: Turn) -> str:
    if turn.stage == "held":
        return f"{WAITING} another client's run to end"
    if not turn.ahead:
        return f"{WAITING} Letta to take the message"
    return f"{WAITING} {turn.ahead} earlier message{'s' if turn.ahead > 1 else ''} in this conversation"


def is_deed(line: str) -> bool:
    """Whether a progress line tells what the agent does rather than what it says."""
    return line.startswith((STARTING, WAITING, SENDING, LOOKING, ARRIVED, THINKING, CALLING, CALLED, ASKING))


def _tail(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LINE_CHARS else "…" + line[-(LINE_CHARS - 1) :]
