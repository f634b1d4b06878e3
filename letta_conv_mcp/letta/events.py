"""What a Letta stream says, as a few small facts.

Chunks are read by their `message_type` string, and what is unfamiliar says nothing: Letta adds kinds of chunk
every year. The shapes were measured on Letta server 0.16.8. Stored messages have the same shapes, so a run that
is over is read with the same function.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias, cast

from letta_conv_mcp.letta.content import (
    Json,
    arguments_text,
    content_text,
    system_alert_text,
    text_or_none,
    tool_calls,
    tool_returns,
)


@dataclass(frozen=True, slots=True)
class Heard:
    """The person's message, as the agent got it. Only stored messages say this."""

    text: str


@dataclass(frozen=True, slots=True)
class Thought:
    """Reasoning, or a piece of it. Pieces of one thought share its id."""

    message_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Spoke:
    """Words of the agent, or a piece of them. Pieces of one message share its id."""

    message_id: str
    text: str


@dataclass(frozen=True, slots=True)
class CalledTool:
    """A tool call, or a piece of one: the name comes first, then the arguments in fragments."""

    tool_call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class AskedApproval:
    """A tool call that waits for a person, or a piece of one."""

    tool_call_id: str
    name: str
    arguments: str
    date: str | None


@dataclass(frozen=True, slots=True)
class ToolReturned:
    """What a tool gave back. After an approval this comes in a run that didn't make the call."""

    tool_call_id: str
    name: str
    status: str
    text: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """Why the agent stopped. The only sign that a turn is over."""

    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """An error of the run. Its texts are Letta's own and stay out."""

    error_type: str


@dataclass(frozen=True, slots=True)
class Counted:
    """Tokens and steps of the run."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    steps: int


@dataclass(frozen=True, slots=True)
class Restarted:
    """Letta puts the whole message to the model anew, so what was said so far is void."""


Event: TypeAlias = (
    Heard | Thought | Spoke | CalledTool | AskedApproval | ToolReturned | Restarted | Stopped | Failed | Counted
)


@dataclass(frozen=True, slots=True)
class Frame:
    """One chunk: where it stands in its run, and what it says.

    Attributes:
        run_id: the run that it belongs to; the first frame, a ping, already has it.
        seq_id: its number within the run, from 1; None in a foreground run.
        events: usually one; several where parallel tool calls share a message; none for a ping.
    """

    run_id: str | None = None
    seq_id: int | None = None
    events: tuple[Event, ...] = ()


def frame_from_json(chunk: object) -> Frame:
    """The frame that a chunk of a stream, or a stored message, announces."""
    if not isinstance(chunk, Mapping):
        return Frame()
    message = cast("Json", chunk)
    seq_id = message.get("seq_id")
    return Frame(
        run_id=text_or_none(message.get("run_id")),
        seq_id=seq_id if isinstance(seq_id, int) else None,
        events=tuple(_events(message)),
    )


def _events(message: Json) -> list[Event]:
    match message.get("message_type"):
        case "user_message":
            text = content_text(message.get("content"))
            return [Heard(text)] if system_alert_text(text) is None else []
        case "reasoning_message":
            return [Thought(_part_id(message), str(message.get("reasoning") or ""))]
        case "assistant_message":
            return [Spoke(_part_id(message), content_text(message.get("content")))]
        case "tool_call_message":
            return [CalledTool(*call_parts(call)) for call in tool_calls(message)]
        case "approval_request_message":
            date = text_or_none(message.get("date"))
            return [AskedApproval(*call_parts(call), date) for call in tool_calls(message)]
        case "tool_return_message":
            name = text_or_none(message.get("name")) or ""
            return [_returned(name, result) for result in tool_returns(message)]
        case "stop_reason":
            return [Stopped(str(message.get("stop_reason") or "error"))]
        case "error_message":
            return [Failed(str(message.get("error_type") or "internal_error"))]
        case "usage_statistics":
            return [_counted(message)]
        case None if message.get("error"):
            # An error without a message_type: seen in Letta Code's reader, not on 0.16.8.
            return [Failed("internal_error")]
        case _:
            return []


def _part_id(message: Json) -> str:
    # The parts of one step share an id; the otid tells them apart, and is the same for all pieces of a part.
    return text_or_none(message.get("otid")) or text_or_none(message.get("id")) or ""


def call_parts(call: Json) -> tuple[str, str, str]:
    """A tool call's id, name and arguments, or as much of them as a chunk holds."""
    return str(call.get("tool_call_id") or ""), str(call.get("name") or ""), arguments_text(call.get("arguments"))


def _returned(name: str, result: Json) -> ToolReturned:
    text = content_text(result.get("tool_return"))
    return ToolReturned(str(result.get("tool_call_id") or ""), name, str(result.get("status") or ""), text)


def _counted(message: Json) -> Counted:
    def count(name: str) -> int:
        value = message.get(name)
        return value if isinstance(value, int) else 0

    return Counted(count("prompt_tokens"), count("completion_tokens"), count("total_tokens"), count("step_count"))
