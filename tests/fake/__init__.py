"""A fast fake of Letta 0.16.8 for tests of speed and of what goes wrong. Held to the real one by tests/contract.

Its agents do what the messages to them say, in the language of `tests.stack.script`; `#hold NAME` makes one wait.

What goes wrong on the wire is told to it by `fail`, what happens to the server by `kill`, `restart_redis`,
`lose_database` and `store.has_redis`: these do what was seen when a real Letta, its Redis or its PostgreSQL was killed.

Not like Letta, on purpose: a cancelled run ends at its very next frame (Letta looks twice a second), a model is asked
again at once (Letta waits), an otid nobody knows is not found at once (Letta looks for two seconds), a conversation is
free the moment its stop reason is sent, locks (300 s in Letta) and runs never expire, turns at once in one thread are
stored one after the other, a server that was killed and a Redis are back at once, and `#recall` reaches back 200
messages.
"""

from tests.fake.faults import (
    Answer,
    Close,
    Cut,
    Delay,
    Drip,
    Ending,
    Fault,
    Garbage,
    Hang,
    InPieces,
    Late,
    LoseBlankLine,
    Stall,
    StallUntil,
    StayOpen,
    Twice,
    WaitFor,
    Without,
)
from tests.fake.seen import Seen
from tests.fake.server import FakeLetta
from tests.fake.state import Agent, Conversation, Run, StoredMessage, Tool

__all__ = [
    "Agent",
    "Answer",
    "Close",
    "Conversation",
    "Cut",
    "Delay",
    "Drip",
    "Ending",
    "FakeLetta",
    "Fault",
    "Garbage",
    "Hang",
    "InPieces",
    "Late",
    "LoseBlankLine",
    "Run",
    "Seen",
    "Stall",
    "StallUntil",
    "StayOpen",
    "StoredMessage",
    "Tool",
    "Twice",
    "WaitFor",
    "Without",
]
