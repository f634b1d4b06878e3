"""Which conversation belongs to a caller's key, as the rest of the house asks for it.

Several processes may share one map: who makes something for a key holds it meanwhile.
"""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A place in the map: a key means one conversation for each agent of each Letta."""

    server: str
    agent_id: str
    key: str


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What is known of a slot.

    Attributes:
        conversation_id: its conversation; None where one was begun to be made and nobody knows yet what came of it.
        begun_at: when that was, in seconds since 1970 by this machine's clock.
        newest_id: the agent's newest conversation just before that; None where it had none.
        newest_date: when Letta says that one was made.
    """

    conversation_id: str | None
    begun_at: float
    newest_id: str | None = None
    newest_date: str | None = None


class Keys(Protocol):
    """The map. Every method raises StateUnusable when it can't be read or written."""

    async def find(self, slot: Slot) -> Claim | None:
        """What is known of a slot."""
        ...

    async def keep(self, slot: Slot, claim: Claim) -> None:
        """Remember something of a slot, in the place of what was known before."""
        ...

    async def forget(self, slot: Slot) -> None:
        """Remember nothing of a slot any more."""
        ...

    def held(self, slot: Slot) -> AbstractAsyncContextManager[None]:
        """A block in which nobody else, in any process, holds the slot. The end of a process frees it, however it came.

        Entering raises KeyBusy when it takes too long.
        """
        ...
