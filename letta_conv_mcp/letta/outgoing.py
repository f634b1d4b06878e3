"""What is sent into a conversation: a person's words, or their decisions on what the agent asked for. Pure.

It doesn't change on its way: Letta knows a message again by its otid, and takes the same otid with another body for
something else.
"""

from dataclasses import dataclass, field, replace
from typing import TypeAlias


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A person's answer to one tool call that waits for it."""

    tool_call_id: str
    approve: bool
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Image:
    """A picture: where it is, or what it is.

    Attributes:
        url: an https address, from which Letta fetches it.
        media_type: where there is no address, its type, such as image/png,
        data: and its bytes in base64.
    """

    url: str | None = None
    media_type: str = ""
    data: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a person says, and how the agent is to take it.

    Attributes:
        text: the words.
        images: what is shown with them.
        max_steps: how many steps the agent may make; None for as many as it is used to.
        override_model: the handle of the model for this message; None for the conversation's.
    """

    text: str
    images: tuple[Image, ...] = ()
    max_steps: int | None = None
    override_model: str | None = None

    def __str__(self) -> str:
        """As the history shows it."""
        return self.text + "".join(f"[image: {image.url or image.media_type}]" for image in self.images)

    @property
    def without_data(self) -> "Said":
        """For remembering: pictures are large."""
        return replace(self, images=tuple(replace(image, data="") for image in self.images))


Outgoing: TypeAlias = Said | tuple[Decision, ...]
"""What is sent: a person's words, or all decisions on what an agent asked for."""
