"""Changing memory, and deleting."""

from typing import Literal

from letta_conv_mcp.errors.failure import LettaFailure, shown


class BlockNotFound(LettaFailure):
    """An agent has no memory block of this label."""

    def __init__(self, agent_id: str, label: str) -> None:
        super().__init__(
            f"{shown(agent_id)} has no memory block {shown(label)}. Nothing was changed; call read_memory for the "
            "labels that it has."
        )


class BlockUnchangeable(LettaFailure):
    """A memory block can't get this value: it is read-only, or the value is too long."""

    def __init__(self, label: str, limit: int | None) -> None:
        why = "is read-only" if limit is None else f"holds {limit} characters at most"
        super().__init__(f"The memory block {shown(label)} {why}. Nothing was changed; the same call will fail again.")


class TextNotThere(LettaFailure):
    """What is to be replaced in a memory block doesn't stand there exactly once."""

    def __init__(self, label: str, times: int) -> None:
        super().__init__(
            f"old_text stands {times} times in the memory block {shown(label)}; it must stand there once. Nothing was "
            "changed: call read_memory, then use a part of what is there."
        )


class NotIsolated(LettaFailure):
    """A Letta that makes conversations, and keeps no memory blocks apart in them."""

    def __init__(self, conversation_id: str) -> None:
        super().__init__(
            f"Letta made {shown(conversation_id)}, but keeps no memory blocks apart in it: all are shared there as "
            "elsewhere. Tell the person before you use it; trying again would make another one like it."
        )


class IsolationAtRisk(LettaFailure):
    """A recompile, which on 0.16.8 puts the agent's blocks in the place of a conversation's own."""

    def __init__(self, conversation_id: str) -> None:
        super().__init__(
            f"Nothing was done: {shown(conversation_id)} has isolated memory blocks, and a recompile would put the "
            "agent's in their place. For the agent's memory as it is now, create another conversation."
        )


_UNAGREED = {
    "unasked": "A deletion can't be undone: ask the person, then call again with confirm true.",
    "refused": "The person was asked and did not agree; don't call again unless they ask for it.",
    "unanswered": "The host did not bring the question to the person. If it can't, have the person set "
    "LETTA_CONV_ELICITATION to off for this server; then confirm counts.",
}


class ConfirmationNeeded(LettaFailure):
    """A deletion that nobody has agreed to."""

    def __init__(self, subject_id: str, why: Literal["unasked", "refused", "unanswered"]) -> None:
        super().__init__(f"{shown(subject_id)} was not deleted. {_UNAGREED[why]}")
