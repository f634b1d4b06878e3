"""`letta-conv-mcp chat`: conversations in a terminal, through a real MCP client and our own server process."""

import signal
import sys
from dataclasses import replace
from importlib import import_module
from threading import Thread

import anyio
from mcp.shared.exceptions import MCPError

from letta_conv_mcp.cli.chat_commands import completions
from letta_conv_mcp.cli.chat_pipe import PipeScreen
from letta_conv_mcp.cli.chat_room import Room
from letta_conv_mcp.cli.chat_screen import Screen
from letta_conv_mcp.cli.chat_signals import signals
from letta_conv_mcp.cli.chat_talk import Talk
from letta_conv_mcp.cli.chat_text import for_people
from letta_conv_mcp.cli.own_server import CallFailed, first_model, own_server
from letta_conv_mcp.errors import NotConfigured
from letta_conv_mcp.settings import Settings

SIGNALLED = 128
GONE = "The server process has ended. What was sent goes on in Letta; start the chat again to see it."


def run_chat(settings: Settings) -> int:
    """Chat until the person leaves.

    Returns the exit status: 0; 1 where it could not go on or, without a terminal, anything went wrong; 2 where no Letta
    is configured; 128 and the signal's number where a signal ended it.
    """
    if settings.base_url is None:
        print(NotConfigured(), file=sys.stderr)
        return 2
    return anyio.run(_chat, settings)


async def _chat(settings: Settings) -> int:
    is_terminal = _is_terminal()
    if is_terminal:
        # While the server starts.
        Thread(target=import_module, args=("letta_conv_mcp.cli.chat_terminal",)).start()
    # A call that is left behind leaves its run alone: the chat stops runs by a call of their own.
    async with own_server(replace(settings, on_cancel="leave")) as client:
        screen = _terminal() if is_terminal else PipeScreen()
        room = Room(client, screen, Talk(client, screen), model=first_model(settings))
        scope = anyio.CancelScope()
        ended_by: list[int] = []

        def end(number: int) -> None:
            ended_by.append(number)
            if not screen.leave():
                scope.cancel()

        def interrupt() -> None:
            if not room.interrupt():
                end(signal.SIGINT)

        with signals(interrupt=interrupt, end=end), scope:
            is_well = await _chat_in(room, screen, settings.agent_id)
            return SIGNALLED + ended_by[0] if ended_by else 0 if is_well else 1
    # Only a signal ends it before.
    return SIGNALLED + ended_by[0]


async def _chat_in(room: Room, screen: Screen, agent: str | None) -> bool:
    """Chat there, and return whether all went well. In a terminal what went wrong was dealt with by the person."""
    # Caught inside: the client's task groups would wrap it.
    try:
        if not await room.enter(agent):
            return False
        await room.stay()
    except CallFailed as failure:
        screen.wrong(for_people(str(failure)))
        return False
    except MCPError:
        screen.wrong(GONE)
        return False
    return not screen.has_failed


def _is_terminal() -> bool:
    # Some start a program without any stdin.
    return sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()  # pyright: ignore[reportUnnecessaryComparison]


def _terminal() -> Screen:
    from letta_conv_mcp.cli.chat_terminal import TerminalScreen

    return TerminalScreen(completions)
