"""Words for a terminal: pieces with a style, and texts of others made harmless. Pure."""

import re
from typing import TypeAlias

Piece: TypeAlias = tuple[str, str]
"""A style and a text. Without colours, the texts alone say everything."""

STYLES = {
    "agent": "bold ansicyan",
    "conversation": "ansigreen",
    "dim": "ansibrightblack",
    "thought": "italic ansibrightblack",
    "tool": "ansimagenta",
    "asks": "bold ansiyellow",
    "wrong": "ansired",
}

_COMMANDS = {
    "list_agents": "/agents",
    "list_conversations": "/list",
    "create_conversation": "/new",
    "retrieve_conversation": "/info",
    "wait_for_reply": "/wait",
    "get_history": "/history",
    "answer_approval": "/decide",
}
_TOOL = re.compile("|".join(rf"\b{tool}\b" for tool in _COMMANDS))
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?)?")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def harmless(text: str) -> str:
    """A text without what a terminal would obey: an agent's words may move no cursor and change no title."""
    return _CONTROL.sub("", _ESCAPE.sub("", text))


def one_line(text: str, chars: int) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(harmless(text).split())
    return line if len(line) <= chars else f"{line[: chars - 1]}…"


def for_people(sentence: str) -> str:
    """A sentence that was written for a model, with the chat's commands in place of the tools that it names."""
    return harmless(_TOOL.sub(lambda found: _COMMANDS[found[0]], sentence))
