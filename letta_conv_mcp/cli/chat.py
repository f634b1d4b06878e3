"""`letta-conv-mcp chat`: conversations in a terminal, through a real MCP client and our own server process."""

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
        talk = Talk(client, screen)
        ended_by: list[int] = []

        def end(number: int) -> None:
            ended_by.append(number)
            screen.leave()
            talk.leave()

        def interrupt() -> None:
            if not talk.interrupt() and not screen.can_ask:
                end(2)

        room = Room(client, screen, talk, model=first_model(settings))
        with signals(interrupt=interrupt, end=end):
            # Caught inside: the client's task groups would wrap it.
            try:
                is_there = await room.enter(settings.agent_id)
                if is_there:
                    await room.stay()
            except CallFailed as failure:
                screen.wrong(for_people(str(failure)))
                is_there = False
            except MCPError:
                screen.wrong(GONE)
                is_there = False
        if ended_by:
            return SIGNALLED + ended_by[0]
    return 0 if is_there and not screen.has_failed else 1


def _is_terminal() -> bool:
    # Some start a program without any stdin.
    return sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()  # pyright: ignore[reportUnnecessaryComparison]


def _terminal() -> Screen:
    from letta_conv_mcp.cli.chat_terminal import TerminalScreen

    return TerminalScreen(completions)
