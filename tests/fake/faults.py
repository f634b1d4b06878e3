"""Things that go wrong between a server and its client. Each says what becomes of one answer.

A frame is one event of a stream, its blank line included; the first one is the ping.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeAlias


class Ending(Enum):
    """How an answer ends before its time."""

    CUT = "the connection is closed"
    DROP = "the same, and by TLS without the goodbye that tells an end from a break"
    RESET = "the connection breaks, and what is under way may be lost"
    OVER = "the answer ends as if that were all"
    STAY = "nothing more is sent, and the connection stays open"


@dataclass(frozen=True)
class Pause:
    """Nothing is sent for some seconds, or until the test releases a name."""

    seconds: float = 0
    name: str | None = None


Piece: TypeAlias = bytes | Ending | Pause


@dataclass(frozen=True)
class Fault:
    """Nothing goes wrong."""

    def edit(self, number: int, frame: bytes) -> Iterable[Piece]:
        """What is sent in place of a frame."""
        del number
        return (frame,)


@dataclass(frozen=True)
class Answer(Fault):
    """Something else is answered, and Letta never sees the request.

    Attributes:
        is_received: Letta does see it, and its own answer is lost.
        is_cut: the connection closes before the body's last byte.
    """

    status: int
    body: Any = None
    """JSON, or bytes as they are."""
    headers: dict[str, str] = field(default_factory=dict[str, str])
    is_received: bool = False
    is_cut: bool = False


@dataclass(frozen=True)
class Delay(Fault):
    """Letta sees the request some seconds later; `is_received`: at once, and only its answer is late."""

    seconds: float
    is_received: bool = False


@dataclass(frozen=True)
class WaitFor(Fault):
    """The same, until the test releases a name."""

    name: str
    is_received: bool = False


@dataclass(frozen=True)
class Hang(Fault):
    """No answer ever comes, whether the request was received or not."""

    is_received: bool = False


@dataclass(frozen=True)
class Close(Fault):
    """The connection closes before any answer; with a reset it breaks."""

    is_received: bool = False
    by_reset: bool = False


@dataclass(frozen=True)
class Late(Fault):
    """The connection closes at once, and Letta gets the request some seconds later all the same."""

    seconds: float
    by_reset: bool = False


@dataclass(frozen=True)
class Cut(Fault):
    """The answer ends after some frames, and some bytes of the next."""

    after_frames: int
    into_bytes: int = 0
    ending: Ending = Ending.CUT

    def edit(self, number: int, frame: bytes) -> Iterable[Piece]:
        if number < self.after_frames:
            return (frame,)
        return (frame[: self.into_bytes], self.ending)


@dataclass(frozen=True)
class Stall(Fault):
    """After some frames nothing comes for some seconds, pings neither; then it goes on."""

    seconds: float
    after_frames: int = 1

    def edit(self, number: int, frame: bytes) -> Iterable[Piece]:
        return (Pause(self.seconds), frame) if number == self.after_frames else (frame,)


@dataclass(frozen=True)
class StallUntil(Fault):
    """The same, until the test releases a name."""

    name: str
    after_frames: int = 1

    def edit(self, number: int, frame: bytes) -> Iterable[Piece]:
        return (Pause(name=self.name), frame) if number == self.after_frames else (frame,)


@dataclass(frozen=True)
class Drip(Fault):
    """Some seconds go by before every frame, or every piece of one where `InPieces` comes first."""

    seconds: float

    def edit(self, number: int, frame: bytes) -> Iterable[Piece]:
        del number
        return (Pause(self.seconds), frame)


@dataclass(frozen=True)
class Garbage(Fault):
    """Some bytes nobody asked for are sent after some frames."""

    raw: bytes
    after_frames: int = 0

    def edit(self, number: int, frame: bytes) -> Iterable[Piece]:
        return (self.raw, frame) if number == self.after_frames else (frame,)


@dataclass(frozen=True)
class LoseBlankLine(Fault):
    """The last event lacks the blank line that ends it."""

    def edit(self, number: int, frame: bytes) -> Iterable[Piece]:
        del number
        return (frame[:-1] if b"[DONE]" in frame else frame,)


@dataclass(frozen=True)
class StayOpen(Fault):
    """After the frame with these bytes nothing more comes, and the connection stays open."""

    after: bytes = b'"message_type":"stop_reason"'

    def edit(self, number: int, frame: bytes) -> Iterable[Piece]:
        del number
        return (frame, Ending.STAY) if self.after in frame else (frame,)


@dataclass(frozen=True)
class Without(Fault):
    """Frames with these bytes are not sent."""

    text: bytes = b"[DONE]"

    def edit(self, number: int, frame: bytes) -> Iterable[Piece]:
        del number
        return () if self.text in frame else (frame,)


@dataclass(frozen=True)
class Twice(Fault):
    """Every frame comes twice."""

    def edit(self, number: int, frame: bytes) -> Iterable[Piece]:
        del number
        return (frame, frame)


@dataclass(frozen=True)
class InPieces(Fault):
    """The bytes come in pieces of this size, letters of several bytes torn apart."""

    size: int

    def edit(self, number: int, frame: bytes) -> Iterable[Piece]:
        del number
        return tuple(frame[start : start + self.size] for start in range(0, len(frame), self.size))
