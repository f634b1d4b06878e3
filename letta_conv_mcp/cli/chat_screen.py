"""What the chat needs of the place where it is held."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from letta_conv_mcp.cli.chat_text import Piece


class Screen(Protocol):
    """A terminal, or a pipe that brings lines and takes words."""

    @property
    def can_ask(self) -> bool:
        """Whether there is a person who can be asked in between."""
        ...

    @property
    def has_failed(self) -> bool:
        """Whether anything went wrong so far."""
        ...

    def show(self, pieces: Sequence[Piece]) -> None:
        """Show pieces as they are; the last may leave its line open."""
        ...

    def status(self, line: str | None) -> None:
        """Show what goes on until something else is shown; None for nothing."""
        ...

    def wrong(self, sentence: str) -> None:
        """Show that something went wrong."""
        ...

    async def line(self, prompt: Sequence[Piece]) -> str:
        """What the person types next.

        Raises:
            EOFError: there is no more.
            KeyboardInterrupt: Ctrl-C was pressed instead.
        """
        ...

    async def ask(self, question: str) -> str:
        """The answer to a question in between. Raises as `line` does."""
        ...

    def quiet(self) -> AbstractContextManager[None]:
        """Within it nobody is asked, and Ctrl-C is a signal."""
        ...

    def leave(self) -> bool:
        """End a `line` or `ask` that waits as at the end of the input, and all to come. Returns whether one did."""
        ...
