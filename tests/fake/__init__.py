"""A fast fake of Letta 0.16.8 for tests of speed and of what goes wrong. Held to the real one by tests/contract.

Its agents do what the messages to them say, in the language of `tests.stack.script`; `#hold NAME` makes one wait.

Not like Letta, on purpose: a cancelled run ends at its very next frame (Letta looks twice a second), a model is asked
again at once (Letta waits), a conversation is free the moment its stop reason is sent, locks and runs never expire,
turns at once in one thread are stored one after the other, and `#recall` reaches back 200 messages.
"""

from tests.fake.faults import (
    Answer,
    Close,
    Cut,
    Delay,
    Ending,
    Fault,
    Garbage,
    Hang,
    InPieces,
    LoseBlankLine,
    StayOpen,
    Twice,
    WaitFor,
    Without,
)
from tests.fake.gate import Seen
from tests.fake.server import FakeLetta
from tests.fake.state import Agent, Conversation, Run, StoredMessage, Tool

__all__ = [
    "Agent",
    "Answer",
    "Close",
    "Conversation",
    "Cut",
    "Delay",
    "Ending",
    "FakeLetta",
    "Fault",
    "Garbage",
    "Hang",
    "InPieces",
    "LoseBlankLine",
    "Run",
    "Seen",
    "StayOpen",
    "StoredMessage",
    "Tool",
    "Twice",
    "WaitFor",
    "Without",
]
