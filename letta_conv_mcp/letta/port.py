"""What the rest of the house may ask of a Letta, whichever kind it is.

Conversation ids are ours throughout: an agent's own thread is `default:<agent_id>`. Every method raises a
`LettaFailure` when Letta can't or won't do it.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from letta_conv_mcp.letta.content import Json
from letta_conv_mcp.letta.events import Frame
from letta_conv_mcp.letta.outgoing import Outgoing
from letta_conv_mcp.views import Agent, Approval, Compaction, Conversation, MemoryBlock, SearchHit

Order: TypeAlias = Literal["asc", "desc"]
OrderBy: TypeAlias = Literal["last_message_at", "created_at", "last_run_completion"]
Frames: TypeAlias = AbstractAsyncContextManager[AsyncIterator[Frame]]
"""An open stream. It ends without an error however it ends: only a `Stopped` event tells that the turn is over."""


NOT_RECORDED = "not_recorded"
"""The stop reason of a run that has ended on a Letta which keeps no record of how."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """Letta's processing of one message."""

    id: str
    agent_id: str
    conversation_id: str | None
    status: str
    stop_reason: str | None
    error_type: str | None
    background: bool
    created_at: str | None = None

    @property
    def is_active(self) -> bool:
        """Whether it goes on. After a crash of the server a run stays active for ever."""
        return self.status not in ("completed", "failed", "cancelled", "expired")


@dataclass(frozen=True, kw_only=True)
class ConversationQuery:
    """Which conversations to list, and in which order."""

    agent_id: str | None = None
    archived: bool | None = None
    order_by: OrderBy = "last_message_at"
    order: Order = "desc"


@dataclass(frozen=True, kw_only=True)
class MessageQuery:
    """Which messages to look for: in one conversation, or in all of an agent's."""

    text: str
    agent_id: str | None = None
    conversation_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class NewConversation:
    """What a conversation is created with. A server that lacks a field drops it.

    Attributes:
        isolated_blocks: labels of the agent's memory blocks of which it gets copies of its own.
    """

    agent_id: str
    summary: str | None = None
    description: str | None = None
    model: str | None = None
    isolated_blocks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MemoryState:
    """What an agent's memory is at a moment.

    Attributes:
        mark: another one whenever the memory has changed.
        values: each block's text by its label; None where a Letta only tells the mark.
    """

    mark: str
    values: Mapping[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """What the model is told before all else in a conversation, made when the conversation was, or at a recompile.

    Attributes:
        agent_id: whose conversation it is.
        text: the prompt; None where a Letta shows it to nobody.
        has_own_memory: whether blocks of the conversation's own stand in it, in the place of the agent's.
    """

    agent_id: str
    text: str | None = None
    has_own_memory: bool = False


MODELS_SHOWN = 20
"""How many models are named to who named none."""


@dataclass(frozen=True, kw_only=True)
class NewAgent:
    """What an agent is made with."""

    name: str
    model: str | None = None
    persona: str | None = None
    human: str | None = None
    system: str | None = None
    description: str | None = None

    @property
    def memory_blocks(self) -> list[dict[str, str]]:
        """Its memory, as both kinds of Letta take it."""
        blocks = (
            ("persona", "What I am like and how I speak", self.persona),
            ("human", "What I know about the person I talk to", self.human),
        )
        return [{"label": label, "description": about, "value": value or ""} for label, about, value in blocks]


@dataclass(frozen=True, kw_only=True)
class ConversationChanges:
    """What a conversation is changed to; None leaves as it is."""

    summary: str | None = None
    description: str | None = None
    archived: bool | None = None
    model: str | None = None


class Letta(Protocol):
    """A Letta, seen from inside the house."""

    @property
    def is_there(self) -> bool:
        """False while nothing can be asked before a Letta was started, which takes seconds."""
        ...

    async def agents(
        self, *, query: str | None = None, name: str | None = None, after: str | None = None, limit: int
    ) -> list[Agent]:
        """Agents, newest first; `query` is a part of the name, `name` the exact one, `after` the last id seen."""
        ...

    async def agent(self, agent_id: str) -> Agent:
        """One agent by id. Raises AgentNotFound."""
        ...

    async def create_agent(self, new: NewAgent) -> Agent:
        """A new agent. Asked for once: a lost answer raises OutcomeUnknown. Raises ModelNeeded."""
        ...

    async def delete_agent(self, agent_id: str) -> None:
        """Delete an agent with its conversations, for good. Raises AgentNotFound."""
        ...

    async def memory_blocks(self, agent_id: str) -> list[MemoryBlock]:
        """An agent's memory. Raises AgentNotFound."""
        ...

    async def update_memory_block(self, agent_id: str, label: str, value: str) -> MemoryBlock:
        """Change a block of an agent's memory. Raises AgentNotFound, BlockNotFound, BlockUnchangeable."""
        ...

    async def memory_state(self, agent_id: str) -> MemoryState:
        """The same for telling whether it has changed, in one quick request. Raises AgentNotFound."""
        ...

    async def prompt(self, conversation_id: str) -> Prompt:
        """A conversation's prompt as it is now. Raises ConversationNotFound."""
        ...

    async def conversations(
        self, query: ConversationQuery, *, after: str | None = None, limit: int
    ) -> list[Conversation]:
        """Conversations in the query's order; `after` is the last id seen. Raises UnknownCursor."""
        ...

    async def conversation(self, conversation_id: str) -> Conversation:
        """One conversation. Raises ConversationNotFound."""
        ...

    async def own_blocks(self, conversation_id: str) -> list[MemoryBlock]:
        """Its isolated memory blocks, which it has in the place of its agent's. Raises ConversationNotFound."""
        ...

    async def create_conversation(self, new: NewConversation) -> Conversation:
        """A new conversation. Asked for once: a lost answer raises OutcomeUnknown.

        Raises AgentNotFound, BlockNotFound, NotSupported, and NotIsolated when it was made without what was asked for.
        """
        ...

    async def update_conversation(self, conversation_id: str, changes: ConversationChanges) -> Conversation:
        """Change a conversation, and show it as it is then: a server may leave out what it has no room for.

        Raises ConversationNotFound, NotSupported, ModelUnknown.
        """
        ...

    async def delete_conversation(self, conversation_id: str) -> None:
        """Delete a conversation for good. Raises ConversationNotFound, NotSupported."""
        ...

    async def fork_conversation(self, conversation_id: str, message_id: str | None) -> Conversation:
        """A new conversation with the messages of another one, up to and with one of them, or all.

        Raises ConversationNotFound. A server that forks by no message forks the whole.
        """
        ...

    async def compact_conversation(self, conversation_id: str) -> Compaction:
        """Replace the older part of what the agent has in context by a summary, which its model writes."""
        ...

    async def recompile_conversation(self, conversation_id: str) -> str:
        """Make the conversation's system prompt anew, with the memory blocks as they are now; what it is then.

        Raises ConversationNotFound, and IsolationAtRisk for one with blocks of its own, which would be lost to it.
        """
        ...

    async def messages(
        self, conversation_id: str, *, order: Order, before: str | None = None, after: str | None = None, limit: int
    ) -> list[Json]:
        """The entries of `limit` stored messages. See `letta.paging` for what the cursors mean."""
        ...

    async def search_messages(self, query: MessageQuery, *, limit: int) -> list[SearchHit] | None:
        """What Letta's own search finds, best first, with whole texts; None where this Letta has none."""
        ...

    async def pending_approvals(self, conversation_id: str) -> list[Approval]:
        """The tool calls that its last in-context message asks for. True only while no run is active."""
        ...

    async def runs(self, conversation_id: str, *, active: bool = False, limit: int = 1) -> list[Run]:
        """Its latest runs, newest first."""
        ...

    async def run(self, run_id: str, conversation_id: str) -> Run:
        """One run of a conversation. Raises RunNotFound."""
        ...

    async def run_messages(self, run: Run) -> list[Json]:
        """What a run stored, oldest first. A step is stored when it is finished."""
        ...

    def open_turn(
        self, conversation_id: str, outgoing: Outgoing, otid: str, *, tokens: bool, repeats: bool = False
    ) -> Frames:
        """Send something, in one request, and stream what becomes of it. Entering waits for the first frame.

        Entering raises OutcomeUnknown where it may or may not have been received, ConversationBusy where another
        client's run holds the conversation, ApprovalPending, and other failures where it certainly was not sent.

        Args:
            conversation_id: where to say it.
            outgoing: the person's words or decisions.
            otid: our id for it, unique for all time.
            tokens: stream pieces of words rather than finished messages.
            repeats: it was sent before, under this otid, to an unknown end. Then only a Letta that knows an otid
                again gets it; others raise, and that says nothing about the first time.
        """
        ...

    async def find_run(self, conversation_id: str, outgoing: Outgoing, otid: str) -> Run | None:
        """The run that something we sent led to; None where there is no sign of it, which proves nothing.

        Raises:
            ConversationBusy: a run goes on that may or may not be it.
        """
        ...

    async def cancel_run(self, run: Run) -> None:
        """Stop one run. Letta answers before it has taken effect, and takes it for a run that has ended too."""
        ...

    def resume(self, run: Run, after: int) -> Frames:
        """The frames of a background run whose number is above `after`, live or replayed."""
        ...
