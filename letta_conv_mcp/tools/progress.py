"""Telling a host what the agent does while it waits.

A host shows the message of a progress notification in one line, and some restart their time-out with each. What
counts as often enough and as too often is ours: at once when something happens, at most four a second, and a sign
of life in every silence.
"""

from collections.abc import Awaitable, Callable

import anyio

from letta_conv_mcp.letta.events import AskedApproval, CalledTool, Spoke, Thought, ToolReturned
from letta_conv_mcp.turns.turn import Turn

PAUSE_SECONDS = 0.25
HEARTBEAT_SECONDS = 10.0
LINE_CHARS = 200
"""Claude Code cuts a progress message here."""


async def relay_progress(turn: Turn, report: Callable[[float, float | None, str | None], Awaitable[None]]) -> None:
    """Report a turn's progress until cancelled. There is no total: nobody knows how long an agent takes.

    Args:
        turn: the turn to watch.
        report: sends one notification: progress, total, message. Progress counts notifications, so it rises.
    """
    count = 0
    while not turn.over.is_set():
        with anyio.move_on_after(HEARTBEAT_SECONDS):
            await turn.news()
        count += 1
        await report(count, None, progress_line(turn))
        await anyio.sleep(PAUSE_SECONDS)


def progress_line(turn: Turn) -> str:
    """What the agent says or does now, in one line."""
    if not turn.is_sending and turn.message is not None:
        return "waiting for the message before this one"
    draft = turn.draft
    match draft.last:
        case Spoke():
            return _tail(draft.text)
        case Thought():
            return _tail(f"thinking … {draft.reasoning}", head="thinking … ")
        case CalledTool(tool_call_id=key):
            return f"calling {draft.calls[key].name}"
        case AskedApproval(tool_call_id=key):
            return f"asking to run {draft.calls[key].name}"
        case ToolReturned(tool_call_id=key):
            return f"{draft.calls[key].name or 'a tool'} returned"
        case _:
            return "the agent has the message" if draft.run_id else "sending the message"


def _tail(text: str, *, head: str = "") -> str:
    line = " ".join(text.split())
    if len(line) <= LINE_CHARS:
        return line
    return head + "…" + line[-(LINE_CHARS - len(head) - 1) :]
