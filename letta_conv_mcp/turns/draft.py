"""What a turn has said so far: frames folded into text, tool calls and an end. Pure.

A frame that was already counted changes nothing, so a stream may be picked up anywhere at or before the place
where it broke.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import assert_never

from letta_conv_mcp.letta.events import (
    AskedApproval,
    CalledTool,
    Counted,
    Event,
    Failed,
    Frame,
    Heard,
    Restarted,
    Spoke,
    Stopped,
    Thought,
    ToolReturned,
)

GOOD_ENDS = ("end_turn", "tool_rule", "requires_approval")


@dataclass(slots=True)
class Call:
    """A tool call, gathered from its pieces."""

    name: str = ""
    arguments: str = ""
    needs_approval: bool = False
    requested_at: str | None = None
    status: str | None = None
    result: str | None = None


@dataclass(slots=True)
class Draft:
    """The fold's state.

    Attributes:
        run_id: Letta's run; None until the first frame.
        last_seq: the number of the last frame counted; 0 where the run doesn't number them.
        heard: the message that the agent got, where Letta said it.
        calls: tool calls by id, in the order in which they were made.
        stop_reason: why the agent stopped; None while it goes on, or when the stream broke.
        error_type: what went wrong with the run, in Letta's word.
        usage: tokens and steps, once counted.
        is_recorded: whether Letta's record of the run has confirmed the end.
        has_gap: whether frames are missing: a Letta whose Redis was restarted replays only what came after.
        is_unexplained: whether that record names no stop reason; a run that was never begun has none.
        is_repeated: whether Letta put the message to the model more than once, and may have stored it as often.
        is_decided: whether somebody has decided on the approvals that it asks for, so that a later run goes on.
        last: what the agent did last.
    """

    run_id: str | None = None
    last_seq: int = 0
    heard: str | None = None
    calls: dict[str, Call] = field(default_factory=dict[str, Call])
    stop_reason: str | None = None
    error_type: str | None = None
    usage: Counted | None = None
    is_recorded: bool = False
    is_unexplained: bool = False
    has_gap: bool = False
    is_repeated: bool = False
    is_decided: bool = False
    last: Event | None = None
    _spoken: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    _thoughts: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    @property
    def text(self) -> str:
        """All that the agent has said; its messages are set apart by an empty line."""
        return _joined(self._spoken)

    @property
    def size(self) -> int:
        """How many characters it holds."""
        called = sum(len(call.arguments) + len(call.result or "") for call in self.calls.values())
        return len(self.text) + len(self.reasoning) + called

    @property
    def is_one_step(self) -> bool:
        """Whether all this can come from the first step, which Letta stores only when it is finished."""
        return not self.calls and len(self._spoken) <= 1

    @property
    def reasoning(self) -> str:
        """All that the agent has thought, as far as Letta shows it."""
        return _joined(self._thoughts)

    @property
    def is_over(self) -> bool:
        """Whether Letta said that the turn is over."""
        return self.stop_reason is not None or self.error_type is not None

    @property
    def is_confirmed(self) -> bool:
        """Whether nothing can follow any more. After a stop reason an error still may, in place of the usage."""
        if self.is_recorded:
            return self.is_over
        is_closed = self.usage is not None or self.error_type is not None or self.stop_reason == "cancelled"
        return self.stop_reason is not None and is_closed

    @property
    def pending(self) -> dict[str, Call]:
        """The tool calls that wait for a person."""
        if self.is_decided:
            return {}
        return {key: call for key, call in self.calls.items() if call.needs_approval and call.result is None}

    def compact(self) -> None:
        """Keep it in little space: a stream of tokens comes in thousands of pieces."""
        for parts in (self._spoken, self._thoughts):
            parts.update({key: ["".join(pieces)] for key, pieces in parts.items()})

    def add(self, frame: Frame) -> bool:
        """Count a frame in. Returns False where it was counted before."""
        if frame.seq_id is not None and frame.run_id in (None, self.run_id):
            if frame.seq_id <= self.last_seq:
                return False
            self.has_gap = self.has_gap or frame.seq_id > self.last_seq + 1
            self.last_seq = frame.seq_id
        elif frame.run_id is not None and frame.run_id != self.run_id:
            self.run_id, self.last_seq = frame.run_id, frame.seq_id or 0
            self.has_gap = self.last_seq > 1
        for event in frame.events:
            self._add_event(event)
        return True

    def _add_event(self, event: Event) -> None:
        match event:
            case Heard():
                self.is_repeated = self.is_repeated or self.heard == event.text
                self.heard = self.heard or event.text
            case Thought():
                self._thoughts.setdefault(event.message_id, []).append(event.text)
            case Spoke():
                self._spoken.setdefault(event.message_id, []).append(event.text)
            case CalledTool() | AskedApproval():
                self._add_call(event)
            case ToolReturned():
                call = self.calls.setdefault(event.tool_call_id, Call(event.name))
                call.status, call.result = event.status, event.text
            case Restarted():
                self._forget()
            case Stopped():
                self._stop(event.reason)
            case Failed():
                self.error_type = event.error_type
            case Counted():
                self.usage = event
            case _:
                assert_never(event)
        if isinstance(event, Thought | Spoke | CalledTool | AskedApproval | ToolReturned):
            self.last = event

    def _stop(self, reason: str) -> None:
        if self.stop_reason is None and reason in GOOD_ENDS:
            # The run's own error comes after its stop reason; one before a good end was the stream's.
            self.error_type = None
        self.stop_reason = reason

    def _forget(self) -> None:
        self.is_repeated = True
        self._thoughts.clear()
        self._spoken.clear()
        self.calls.clear()
        self.stop_reason = self.error_type = self.last = None

    def _add_call(self, event: CalledTool | AskedApproval) -> None:
        if (earlier := self.calls.get(event.tool_call_id)) and earlier.result is not None:
            # Models may number their calls anew in every step: this is another one.
            self.calls[f"{event.tool_call_id} {len(self.calls)}"] = self.calls.pop(event.tool_call_id)
        call = self.calls.setdefault(event.tool_call_id, Call())
        call.name = call.name or event.name
        call.arguments += event.arguments
        if isinstance(event, AskedApproval):
            call.needs_approval = True
            call.requested_at = call.requested_at or event.date


def _joined(parts: dict[str, list[str]]) -> str:
    return "\n\n".join(text for pieces in parts.values() if (text := "".join(pieces)))


def draft_from_frames(frames: Iterable[Frame]) -> Draft:
    """The draft that some frames make."""
    draft = Draft()
    for frame in frames:
        draft.add(frame)
    return draft
