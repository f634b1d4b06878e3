"""The legs of an App Server's turns: what the rest of the house calls runs. No I/O.

A turn there is one message and all that follows, and a question for a person only halts it. The rest of the house knows
runs that end with the question and begin again with its answer, so a turn is cut into legs.
"""

from collections.abc import AsyncIterator

import anyio

from letta_conv_mcp.letta.content import Json
from letta_conv_mcp.letta.events import CalledTool, Counted, Event, Failed, Frame, Restarted, Stopped

GOOD_ENDS = ("end_turn", "tool_rule", "requires_approval", "cancelled")


class Leg:
    """A part of a turn without a question in its middle: what the rest of the house calls a run.

    Args:
        leg_id: the otid of what it began with.
        message_id: the otid of the turn's message.
        is_ours: whether it was sent, and so heard of from its beginning, here.

    Attributes:
        is_over: whether nothing more comes.
        is_cut: whether the connections were lost in its middle.
        stop_reason: how it ended, in Letta's word.
        error_type: what went wrong, in Letta's word.
    """

    def __init__(self, leg_id: str, message_id: str, *, is_ours: bool) -> None:
        self.id = leg_id
        self.message_id = message_id
        self.is_ours = is_ours
        self.is_over = self.is_cut = False
        self.stop_reason: str | None = None
        self.error_type: str | None = None
        self.called: set[str] = set()
        self._frames: list[Frame | None] = []
        self._counted = Counted(0, 0, 0, 0)
        self._changed = anyio.Event()

    @property
    def has_begun(self) -> bool:
        """Whether anything is known of it."""
        return bool(self._frames) or self.is_over

    def add(self, *events: Event) -> None:
        """Something happened in it."""
        if self.is_cut:
            # It went on without us; the number that is left out tells that something is missing.
            self.is_cut = False
            if self._frames:
                self._frames.append(None)
        self.called.update(event.tool_call_id for event in events if isinstance(event, CalledTool))
        self._frames.append(Frame(run_id=self.id, seq_id=len(self._frames) + 1, events=events))
        self._wake()

    def restart(self) -> None:
        """The server does the whole message again."""
        self.is_cut = False
        self.add(Restarted())

    def count(self, delta: Json) -> None:
        """A model call was counted."""
        had = self._counted
        self._counted = Counted(
            had.prompt_tokens + _number(delta, "prompt_tokens"),
            had.completion_tokens + _number(delta, "completion_tokens"),
            had.total_tokens + _number(delta, "total_tokens"),
            had.steps + 1,
        )

    def finish(self, stop_reason: str, error_type: str | None, *events: Event) -> None:
        """It is over, and this is how."""
        self.stop_reason = stop_reason
        self.error_type = None if stop_reason in GOOD_ENDS else error_type or "internal_error"
        failed = (Failed(self.error_type),) if self.error_type else ()
        self.is_over = True
        self.add(*events, Stopped(stop_reason), *failed, self._counted)

    def cut(self) -> None:
        """The connections were lost: nothing more comes of it here, unless it goes on or is done again."""
        if not self.is_over:
            self.is_cut = True
            self._wake()

    def lose_question(self) -> None:
        """The connections were lost while it waited for an answer, and the question with them."""
        self.is_over, self.stop_reason = False, None
        self.cut()

    async def follow(self, after: int) -> AsyncIterator[Frame]:
        """Its frames whose number is above `after`, until it is over or cut."""
        while True:
            for frame in self._frames[after:]:
                after += 1
                if frame is not None:
                    yield frame
            if after >= len(self._frames):
                if self.is_over or self.is_cut:
                    return
                await self._changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


def _number(delta: Json, name: str) -> int:
    value = delta.get(name)
    return value if isinstance(value, int) else 0
