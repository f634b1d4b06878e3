"""What the chat shows of agents, conversations and messages. Pure: the tools' structures in, pieces of text out."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeAlias

from letta_conv_mcp.cli.chat_text import Piece, for_people, harmless, one_line

Structure: TypeAlias = dict[str, Any]

NAME_CHARS = 40
PROMPT_CHARS = 30
ID_CHARS = 13
"""Enough of an id to know it again: `conv-` and eight digits."""
MESSAGE_CHARS = 200
SYSTEM_CHARS = 80
"""What Letta puts in itself is long and seldom of interest; reasoning and tool calls are cut here too."""
ARGUMENTS_CHARS = 600
STOPPED = "Stopped. What the agent did is not undone."


def prompt_of(agent_name: str, conversation: Structure) -> list[Piece]:
    """Whom one talks to, and where."""
    where = one_line(conversation.get("summary") or conversation["id"][:ID_CHARS], PROMPT_CHARS)
    return [
        ("class:agent", one_line(agent_name, PROMPT_CHARS)),
        ("class:dim", " · "),
        ("class:conversation", where),
        ("", " > "),
    ]


def opening_view(conversation: Structure, *, is_new: bool) -> list[Piece]:
    """Where one is now, and what is unfinished there."""
    name = one_line(conversation.get("summary") or "without a name", NAME_CHARS)
    what = "New conversation" if is_new else "Going on in"
    pieces: list[Piece] = [("class:dim", f"{what}: {_joined(name, conversation['id'], _size(conversation))}\n")]
    if conversation.get("running_run_id"):
        pieces.append(("class:asks", "A reply is still running here: /wait shows it.\n"))
    if conversation.get("approvals"):
        pieces.append(("class:asks", "The agent waits for your decision here: /decide.\n"))
    return pieces


def agents_view(agents: Sequence[Structure], current: str) -> list[Piece]:
    """The agents, numbered, with a mark at the current one."""
    return [
        (
            "class:agent" if agent["id"] == current else "",
            _numbered(at, agent["id"] == current)
            + f"{one_line(agent['name'], NAME_CHARS)}  {agent['model'] or ''}  {agent['id']}\n",
        )
        for at, agent in enumerate(agents, 1)
    ]


def conversations_view(conversations: Sequence[Structure], current: str) -> list[Piece]:
    """The conversations, numbered, with a mark at the current one."""
    if not conversations:
        return [("", "No conversations yet.\n")]
    names = [one_line(conversation["summary"] or "-", NAME_CHARS) for conversation in conversations]
    width = max(len(name) for name in names)
    pieces: list[Piece] = []
    for at, (name, conversation) in enumerate(zip(names, conversations, strict=True), 1):
        is_current = conversation["id"] == current
        archived = "archived" if conversation.get("archived") else ""
        about = _joined(
            f"{name:{width}}", when(conversation["created_at"]), conversation["id"], _size(conversation), archived
        )
        pieces.append(("class:conversation" if is_current else "", f"{_numbered(at, is_current)}{about}\n"))
    return pieces


def info_view(conversation: Structure, *, sent: int, newest: Sequence[str]) -> list[Piece]:
    """Everything that is known of a conversation."""
    facts = {
        "id": conversation["id"],
        "agent": f"{conversation['agent_name'] or ''} ({conversation['agent_id']})".strip(),
        "created": when(conversation["created_at"]),
        "last active": when(conversation["last_message_at"]),
        "name": conversation["summary"] or "(none)",
        "description": conversation.get("description"),
        "model": conversation.get("model"),
        "archived": "yes" if conversation.get("archived") else None,
        "in context": _size(conversation),
        "newest messages": ", ".join(newest) or "(none)",
        "said here": str(sent),
        "running": conversation["running_run_id"],
        "waits for you": ", ".join(approval["tool"] for approval in conversation["approvals"]) or None,
    }
    return [("", f"  {name:15}  {harmless(value)}\n") for name, value in facts.items() if value]


def history_view(messages: Sequence[Structure], agent_name: str) -> list[Piece]:
    """What was said, oldest first; entries without a text are left out."""
    pieces = [piece for message in messages if message["text"].strip() for piece in _message(message, agent_name)]
    return pieces or [("", "Nothing was said here yet.\n")]


def approvals_view(approvals: Sequence[Structure]) -> list[Piece]:
    """What the agent asks to run. The arguments are its words."""
    pieces: list[Piece] = [("class:asks", "The agent asks to run:\n")]
    for approval in approvals:
        where = (
            "  (only the program that offered it can run it; deny it, or decide there)"
            if approval.get("client_tool")
            else ""
        )
        pieces.append(
            ("class:tool", f"  {call_text(approval['tool'], approval['arguments'], ARGUMENTS_CHARS)}{where}\n")
        )
    return pieces


def ending_view(reply: Structure) -> list[Piece]:
    """How a reply ended that is no failure, where that wants saying."""
    match reply["status"]:
        case "completed" if reply["next_step"]:
            return [("class:dim", f"{for_people(reply['next_step'])}\n")]
        case "cancelled":
            return [("class:asks", f"{STOPPED}\n")]
        case _:
            return []


def failure_text(reply: Structure) -> str | None:
    """What the person has to know of a reply that failed; None where it didn't."""
    match reply["status"]:
        case "failed" | "interrupted":
            return for_people(reply["next_step"] or reply["status"])
        # A run that asks ends with one of these: anything else is a message that was kept out by an earlier one.
        case "awaiting_approval" if reply["stop_reason"] not in ("requires_approval", "end_turn"):
            return "Your message was NOT sent, because the agent waits for a decision first."
        case _:
            return None


def call_text(tool: str, arguments: str, chars: int) -> str:
    """A tool call in one line. Of one that was allowed earlier the arguments aren't known any more."""
    return one_line(f"{tool}({arguments})" if arguments else tool, chars)


def when(moment: str | None) -> str:
    """A moment as Letta writes it, to the minute and in this machine's time zone."""
    if moment is None:
        return "-"
    try:
        return datetime.fromisoformat(moment).astimezone().strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return harmless(moment)


def _message(message: Structure, agent_name: str) -> list[Piece]:
    text, kind = message["text"], message["type"]
    match message["role"]:
        case "user" if kind == "user_message":
            return [("bold", "You: "), ("", f"{one_line(text, MESSAGE_CHARS)}\n")]
        case "assistant" if kind == "assistant_message":
            return [
                ("class:agent", f"{one_line(agent_name, NAME_CHARS)}: "),
                ("", f"{one_line(text, MESSAGE_CHARS)}\n"),
            ]
        case "assistant" if kind.endswith("reasoning_message"):
            return [("class:thought", f"thinking: {one_line(text, SYSTEM_CHARS)}\n")]
        case "system":
            return [("class:dim", f"Sys: {one_line(text, SYSTEM_CHARS)}\n")]
        case _:
            return [("class:tool", f"tool: {one_line(text, MESSAGE_CHARS)}\n")]


def _joined(*parts: str) -> str:
    return "  ".join(part for part in parts if part)


def _numbered(number: int, is_current: bool) -> str:
    return f"{'*' if is_current else ' '} {number:2}  "


def _size(conversation: Structure) -> str:
    """How much is in its context; nothing where Letta doesn't say, as 0.16 in its lists."""
    count = conversation["in_context_count"]
    return "" if count is None else "1 message" if count == 1 else f"{count} messages"
