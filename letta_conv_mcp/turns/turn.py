"""One message, and everything that becomes of it until it is settled.

A turn belongs to the server and not to the request that started it: requests come, wait a while for it, and go.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import TypeAlias
from uuid import uuid4

import anyio

from letta_conv_mcp.errors import LettaFailure
from letta_conv_mcp.letta.events import Frame
from letta_conv_mcp.letta.outgoing import Said
from letta_conv_mcp.turns.decisions import Verdict
from letta_conv_mcp.turns.draft import Draft
from letta_conv_mcp.turns.journal import Journal
from letta_conv_mcp.turns.reply import Stage, reply_from_draft
from letta_conv_mcp.views import Approval, Detail, Reply, Status

Input: TypeAlias = str | Said | Verdict
"""What somebody says in a conversation: words alone or with more, or a verdict on what the agent asked for."""


class Turn:
    """What one reader writes and any number of waiters read.

    Args:
        conversation_id: where it is said.
        input: what we send; None for a run that we only follow.
        tokens: whether to stream pieces of words, for somebody who watches.

    Attributes:
        otid: our id for a message, unique for all time.
        draft: what was said so far.
        stage: how far the message is on its way to Letta.
        ahead: how many turns of ours come before it in its conversation.
        scope: cancelling it ends the reader.
        journal: what happens to it on the way, for whoever runs the server.
        last_news: the event loop's time, in seconds, when the last frame that says something came.
        over: set when there will be no more news from here, settled or not.
        kept_chars: how much there is to remember of it, once it is settled.
        is_given_up: whether its call was taken back: should Letta refuse the message, it isn't tried again.
        is_memory_refreshed: whether the prompt was made anew before it, because the agent's memory had changed.
        is_unwanted: whether it is to be stopped: what Letta may or may not have isn't sent again.
    """

    def __init__(self, conversation_id: str, input: Input | None = None, *, tokens: bool = False) -> None:  # noqa: A002
        self.conversation_id = conversation_id
        self.input = Said(text=input) if isinstance(input, str) else input
        self.tokens = tokens
        self.otid = str(uuid4())
        self.draft = Draft()
        self.stage: Stage = "posted" if input is None else "queued"
        self.ahead = 0
        self.scope = anyio.CancelScope()
        self.journal = Journal(conversation_id)
        self.last_news = anyio.current_time()
        self.over = anyio.Event()
        self.kept_chars = 0
        self.is_given_up = self.is_unwanted = self.is_memory_refreshed = False
        self._status: Status = "running"
        self._failure: LettaFailure | None = None
        self._is_settled = self._is_told = False
        self._approvals: list[Approval] | None = None
        self._holder: str | None = None
        self._waiters = 0
        self._changes = 0
        self._changed = anyio.Event()

    @property
    def is_settled(self) -> bool:
        """Whether its end is known."""
        return self._is_settled

    @property
    def is_ours(self) -> bool:
        """Whether this process sent what it answers."""
        return self.input is not None

    @property
    def is_sent(self) -> bool:
        """Whether Letta has what we send, or may have it."""
        return self.stage in ("posted", "unclear", "stopping")

    @property
    def is_attended(self) -> bool:
        """Whether somebody waits for it now."""
        return self._waiters > 0

    @property
    def may_have_changed(self) -> bool:
        """Whether Letta may know more by now: the end of an interrupted turn, or what became of an approval."""
        return not self.is_sent or self._status in ("interrupted", "awaiting_approval")

    @property
    def may_go_on(self) -> bool:
        """Whether Letta may still be at work on it."""
        return not self._is_settled or self._status == "interrupted"

    @property
    def has_untold_trouble(self) -> bool:
        """Whether the message was not sent, or perhaps not, and nobody was there to hear it."""
        is_troubled = self._failure is not None or self._status == "interrupted" or not self.is_sent
        return is_troubled and not self._is_told

    @property
    def status(self) -> Status:
        """How far it is."""
        return self._status

    @contextmanager
    def attended(self) -> Generator[None]:
        """Within it somebody waits for the turn."""
        self._waiters += 1
        try:
            yield
        finally:
            self._waiters -= 1

    def move(self, stage: Stage, *, holder: str | None = None) -> None:
        """The message got further on its way, or back: `holder` is another client's run that keeps it out."""
        self.stage, self._holder, self.last_news = stage, holder, anyio.current_time()
        self.wake()

    def add(self, frame: Frame) -> None:
        """Count a frame in, and wake those who watch."""
        if self.draft.add(frame) and frame.events:
            self.last_news = anyio.current_time()
        self.wake()

    def settle(self, status: Status, *, approvals: list[Approval] | None = None) -> None:
        """End it. `approvals` are those that Letta names, where the draft doesn't."""
        self._is_settled, self._status, self._approvals = True, status, approvals
        self.draft.compact()
        self.close()

    def give_back(self, stage: Stage, *, approvals: list[Approval] | None = None) -> None:
        """End it before the message was sent; `stage` says why. It never will be."""
        self.stage = stage
        statuses: dict[Stage, Status] = {"withdrawn": "cancelled", "refused": "awaiting_approval"}
        self.settle(statuses.get(stage, "running"), approvals=approvals)

    def fail(self, failure: LettaFailure) -> None:
        """End it because the message could not be sent."""
        self._is_settled, self._failure = True, failure
        self.close()

    def close(self) -> None:
        """Let the waiters go: there will be no more news from here."""
        if isinstance(self.input, Said):
            self.input = self.input.without_data
        self.kept_chars = self.draft.size + len(str(self.input or ""))
        self.over.set()
        self.wake()

    def end(self) -> None:
        """Its story is over."""
        if self.is_ours:
            self.journal.said("message", str(self.input))
        self.journal.said("reply", self.draft.text)
        failure = type(self._failure).__name__ if self._failure else None
        self.journal.end(
            failed=self._failure is not None or self._status in ("failed", "interrupted"),
            run_id=self.draft.run_id,
            status=failure or (self._status if self._is_settled else "left"),
            stage=self.stage,
            stop_reason=self.draft.stop_reason,
            error_type=self.draft.error_type,
            reply_chars=len(self.draft.text),
        )

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
        self._is_told = self._is_settled
        if self._failure is not None:
            raise self._failure
        return reply_from_draft(
            self.draft,
            self._status,
            conversation_id=self.conversation_id,
            message=str(self.input) if self.input is not None else None,
            stage=self.stage,
            holder=self._holder,
            ahead=self.ahead,
            approvals=self._approvals,
            is_memory_refreshed=self.is_memory_refreshed,
            detail=detail,
        )
