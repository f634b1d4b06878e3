"""Asking a person in a terminal."""

import getpass
import sys
from collections.abc import Sequence


class SetupFailed(Exception):
    """It can't go on; the text says why and what to do."""


def chosen(question: str, choices: Sequence[str]) -> str:
    """One of some choices, by its number or in its own words."""
    _need_terminal()
    for number, choice in enumerate(choices, 1):
        print(f"  {number:3}  {choice}")
    while True:
        answer = asked(question, "1")
        if answer in choices:
            return answer
        if answer.isdecimal() and 0 < int(answer) <= len(choices):
            return choices[int(answer) - 1]
        print(f"A number from 1 to {len(choices)}, please.")


def asked(question: str, default: str | None) -> str:
    """The person's words, or the default where there are none."""
    _need_terminal()
    shown = f" [{default}]" if default else ""
    return input(f"{question}{shown}: ").strip() or default or ""


def secret(question: str) -> str:
    """The person's words, which the terminal doesn't show."""
    _need_terminal()
    return getpass.getpass(f"{question}: ").strip()


def _need_terminal() -> None:
    if not is_terminal():
        raise SetupFailed(
            "This is no terminal, so nobody can be asked: give --provider, --model, and --address or --key-stdin."
        )


def is_terminal() -> bool:
    """Whether there is somebody to ask."""
    # Some start a program without any stdin.
    return sys.stdin is not None and sys.stdin.isatty()  # pyright: ignore[reportUnnecessaryComparison]
