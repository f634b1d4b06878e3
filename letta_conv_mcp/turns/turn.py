"""One message, and everything that becomes of it until it is settled.

A turn belongs to the server and not to the request that started it: requests come, wait a while for it, and go.
"""

import anyio

from letta_conv_mcp.errors import LettaFailure
from letta_conv_mcp.letta.events import Frame
from letta_conv_mcp.turns.draft import Draft
from letta_conv_mcp.turns.reply import reply_from_draft
from letta_conv_mcp.views import Approval, Detail, Reply, Status


class Turn:
    """What one reader writes and any number of waiters read.

    Args:
        conversation_id: where the message is said.
        message: the message that we send; None for a run that we only follow.
        tokens: whether to stream pieces of words, for somebody who watches.

    Attributes:
        draft: what was said so far.
        last_news: the event loop's time, in seconds, when the last frame that says something came.
        over: set when there will be no more news from here, settled or not.
    """

    def __init__(self, conversation_id: str, message: str | None = None, *, tokens: bool = False) -> None:
        self.conversation_id = conversation_id
        self.message = message
        self.tokens = tokens
        self.draft = Draft()
        self.last_news = anyio.current_time()
        self.over = anyio.Event()
        self._status: Status = "running"
        self._failure: LettaFailure | None = None
        self._is_told = False
        self._is_begun = message is None
        self._approvals: list[Approval] | None = None
        self._changes = 0
        self._changed = anyio.Event()

    @property
    def is_settled(self) -> bool:
        """Whether its end is known."""
        return self._status != "running" or self._failure is not None

    @property
    def may_have_changed(self) -> bool:
        """Whether Letta may know more by now: the end of an interrupted turn, or what became of an approval."""
        return self._status in ("interrupted", "awaiting_approval")

    @property
    def is_queued(self) -> bool:
        """Whether its message waits behind others and was not sent."""
        return not self._is_begun

    @property
    def has_untold_trouble(self) -> bool:
        """Whether the message was not sent, or perhaps not, and nobody was there to hear it."""
        return not self._is_told and (self._failure is not None or self._status == "interrupted")

    def begin(self) -> None:
        """The message is sent now; the time it has waited is no silence of Letta's."""
        self._is_begun, self.last_news = True, anyio.current_time()

    def add(self, frame: Frame) -> None:
        """Count a frame in, and wake those who watch."""
        if self.draft.add(frame) and frame.events:
            self.last_news = anyio.current_time()
        self.wake()

    def settle(self, status: Status, *, approvals: list[Approval] | None = None) -> None:
        """End it. `approvals` says that the message was refused because of them."""
        self._status, self._approvals = status, approvals
        self.close()

    def fail(self, failure: LettaFailure) -> None:
        """End it because the message could not be sent."""
        self._failure = failure
        self.close()

    def close(self) -> None:
        """Let the waiters go: there will be no more news from here."""
        self.over.set()
        self.wake()

    def wake(self) -> None:
        """Tell those who watch that something changed."""
        self._changes += 1
        self._changed.set()
        self._changed = anyio.Event()

    async def news(self, seen: int) -> int:
        """Wait until there were more changes than the caller has seen. Returns how many there were."""
        while self._changes <= seen:
            await self._changed.wait()
        return self._changes

    def reply(self, detail: Detail = "concise") -> Reply:
        """What was said so far.

        Raises:
            LettaFailure: the message could not be sent.
        """
        self._is_told = self.is_settled
        if self._failure is not None:
            raise self._failure
        return reply_from_draft(
            self.draft,
            self._status,
            conversation_id=self.conversation_id,
            message=self.message,
            approvals=self._approvals,
            is_queued=self.is_queued,
            detail=detail,
        )
