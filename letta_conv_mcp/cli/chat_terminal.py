"""A person at a terminal. Only this module knows prompt_toolkit, which takes a tenth of a second to import.

While somebody types, the terminal is prompt_toolkit's. While a reply comes it is as it was found, but doesn't show what
is typed ahead; that stands in the next line.
"""

import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager

from prompt_toolkit import PromptSession, print_formatted_text
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.styles import Style

from letta_conv_mcp.cli.chat_text import STYLES, Piece, one_line

CLEAR_LINE = "\r\x1b[K"


class TerminalScreen:
    """A person at a terminal.

    Args:
        completions: the commands that the beginning of a line can become.
    """

    can_ask = True
    has_failed = False

    def __init__(self, completions: Callable[[str], list[str]]) -> None:
        self._lines: PromptSession[str] = PromptSession(
            # What was said belongs into no file of ours.
            history=InMemoryHistory(),
            completer=_Commands(completions),
            complete_while_typing=False,
        )
        self._answers: PromptSession[str] = PromptSession(history=InMemoryHistory())
        self._output = self._lines.output
        self._style = Style.from_dict(STYLES)
        self._has_status = self._is_leaving = False

    def show(self, pieces: Sequence[Piece]) -> None:
        if pieces:
            self._clear()
            self._print(pieces)

    def status(self, line: str | None) -> None:
        self._clear()
        if line:
            self._print([("class:dim", one_line(line, self._output.get_size().columns - 1))])
            self._has_status = True

    def wrong(self, sentence: str) -> None:
        self.show([("class:wrong", f"{sentence}\n")])

    async def line(self, prompt: Sequence[Piece]) -> str:
        return await self._typed(self._lines, prompt)

    async def ask(self, question: str) -> str:
        return await self._typed(self._answers, [("class:asks", question)])

    @contextmanager
    def quiet(self) -> Generator[None]:
        with _unechoed():
            try:
                yield
            finally:
                self._clear()

    def leave(self) -> bool:
        self._is_leaving = True
        waiting = [session.app for session in (self._lines, self._answers) if session.app.is_running]
        for app in waiting:
            if not app.is_done:
                app.exit(exception=EOFError())
        return bool(waiting)

    async def _typed(self, session: PromptSession[str], prompt: Sequence[Piece]) -> str:
        self._clear()
        if self._is_leaving:
            raise EOFError
        # Its own handler for SIGINT would take ours away afterwards. While somebody types, Ctrl-C is a key.
        return await session.prompt_async(FormattedText(prompt), style=self._style, handle_sigint=False)

    def _clear(self) -> None:
        if self._has_status:
            self._output.write_raw(CLEAR_LINE)
            self._output.flush()
            self._has_status = False

    def _print(self, pieces: Sequence[Piece]) -> None:
        print_formatted_text(FormattedText(pieces), style=self._style, end="", output=self._output)


class _Commands(Completer):
    def __init__(self, completions: Callable[[str], list[str]]) -> None:
        self._completions = completions

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        del complete_event
        before = document.text_before_cursor
        for command in self._completions(before):
            yield Completion(command, start_position=-len(before))


@contextmanager
def _unechoed() -> Generator[None]:
    """The terminal shows nothing of what is typed."""
    if sys.platform == "win32":
        yield
        return
    import termios

    stdin = sys.stdin.fileno()
    was = termios.tcgetattr(stdin)
    *modes, special = termios.tcgetattr(stdin)
    modes[3] &= ~termios.ECHO
    termios.tcsetattr(stdin, termios.TCSADRAIN, [*modes, special])
    try:
        yield
    finally:
        termios.tcsetattr(stdin, termios.TCSADRAIN, was)
