"""What a person types in the chat, taken apart. Pure."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from letta_conv_mcp.cli.chat_text import Piece

HISTORY_COUNT = 10

PlainName: TypeAlias = Literal["info", "agents", "wait", "help", "quit"]
Verdict: TypeAlias = Literal["approve", "deny"]


@dataclass(frozen=True)
class CommandHelp:
    """One command as the help, the completion and the README show it."""

    name: str
    short: tuple[str, ...]
    arguments: str
    about: str


COMMANDS = (
    CommandHelp("new", ("n",), "[NAME]", "open a new conversation"),
    CommandHelp("list", ("l", "ls"), "[all]", "the agent's conversations, the latest twenty or all"),
    CommandHelp("switch", ("s",), "N|ID", "go on in another conversation, by its number in the list or its id"),
    CommandHelp("history", ("h",), "[N]", f"the last N messages, {HISTORY_COUNT} unless told otherwise"),
    CommandHelp("info", ("i",), "", "what this conversation is"),
    CommandHelp("agents", (), "", "the agents there are"),
    CommandHelp("agent", (), "N|NAME|ID", "talk to another agent, in its latest conversation"),
    CommandHelp("decide", (), "[approve|deny [WHY]]", "decide on what the agent asks to run"),
    CommandHelp("wait", (), "", "wait on for a reply that is still running"),
    CommandHelp("help", ("?",), "", "this list"),
    CommandHelp("quit", ("q", "exit"), "", "leave; so does Ctrl-D"),
)


@dataclass(frozen=True)
class Say:
    text: str


@dataclass(frozen=True)
class New:
    name: str | None = None


@dataclass(frozen=True)
class ListConversations:
    is_all: bool = False


@dataclass(frozen=True)
class Switch:
    wanted: str


@dataclass(frozen=True)
class ShowHistory:
    count: int = HISTORY_COUNT


@dataclass(frozen=True)
class Decide:
    verdict: Verdict | None = None
    reason: str | None = None


@dataclass(frozen=True)
class SwitchAgent:
    wanted: str


@dataclass(frozen=True)
class Plain:
    """A command without arguments, by its full name."""

    name: PlainName


@dataclass(frozen=True)
class Wrong:
    """What can't be done; the sentence says why."""

    sentence: str


Command: TypeAlias = Say | New | ListConversations | Switch | ShowHistory | Decide | SwitchAgent | Plain | Wrong

_FULL = {short: command.name for command in COMMANDS for short in (command.name, *command.short)}


def command_from_line(line: str) -> Command | None:
    """What a line asks for; None for one that is empty. Two slashes begin a message that begins with one."""
    text = line.strip()
    if not text:
        return None
    if not text.startswith("/"):
        return Say(text)
    if text.startswith("//"):
        return Say(text[1:])
    typed, _, rest = text[1:].partition(" ")
    rest = rest.strip()
    name = _FULL.get(typed.lower())
    match name:
        case "new":
            return New(rest or None)
        case "list":
            return _list(rest)
        case "switch":
            return Switch(rest) if rest else Wrong("/switch wants a number from /list, or a conversation's id.")
        case "history":
            return _history(rest)
        case "agent":
            return SwitchAgent(rest) if rest else Wrong("/agent wants a number from /agents, a name or an id.")
        case "decide":
            return _decide(rest)
        case "info" | "agents" | "wait" | "help" | "quit":
            return Plain(name)
        case _:
            return Wrong(f"There is no command /{typed}. /help shows them; // begins a message with a slash.")


def numbered(wanted: str, count: int) -> int | None:
    """The place, from zero, that a number from one names in a list; None for what isn't a number of it."""
    if not wanted.isdecimal() or not 1 <= int(wanted) <= count:
        return None
    return int(wanted) - 1


def verdict_from_answer(answer: str) -> Verdict | Literal["not now"] | None:
    """What an answer to a question for approval means; None for nothing that counts as one."""
    match answer.strip().lower():
        case "a" | "approve":
            return "approve"
        case "d" | "deny":
            return "deny"
        case "n" | "not now":
            return "not now"
        case _:
            return None


def help_lines() -> list[Piece]:
    """The commands, one a line."""
    shown = [_typed(command) for command in COMMANDS]
    width = max(len(typed) for typed in shown)
    lines = [("", f"  {typed:{width}}  {command.about}\n") for typed, command in zip(shown, COMMANDS, strict=True)]
    return [
        ("", "Whatever doesn't begin with / is said to the agent. Ctrl-C stops its reply.\n"),
        *lines,
    ]


def completions(before: str) -> list[str]:
    """The commands that the beginning of a line can become."""
    if not before.startswith("/") or " " in before:
        return []
    return [f"/{command.name}" for command in COMMANDS if command.name.startswith(before[1:].lower())]


def _typed(command: CommandHelp) -> str:
    names = ", ".join(f"/{name}" for name in (command.name, *command.short))
    return f"{names} {command.arguments}".rstrip()


def _list(rest: str) -> Command:
    if rest.lower() not in ("", "all"):
        return Wrong("/list takes nothing, or the word all.")
    return ListConversations(is_all=bool(rest))


def _history(rest: str) -> Command:
    if rest and not (rest.isdecimal() and int(rest) > 0):
        return Wrong(f"/history takes a number from 1, got {rest!r}.")
    return ShowHistory(int(rest) if rest else HISTORY_COUNT)


def _decide(rest: str) -> Command:
    verdict, _, reason = rest.partition(" ")
    match verdict.lower():
        case "":
            return Decide()
        case "approve" if not reason:
            return Decide("approve")
        case "deny":
            return Decide("deny", reason.strip() or None)
        case _:
            return Wrong("/decide takes approve, or deny and perhaps a reason; alone it asks you.")
