"""What a Letta server remembers. Pure: no clock but its own counter, no network.

One stored message is several entries for a reader: the reasoning, the words and the tool call of a step share an id.
"""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeAlias

from tests.stack.script import Prompt

Json: TypeAlias = dict[str, Any]
Role: TypeAlias = Literal["system", "user", "assistant", "tool", "approval_request", "approval_response"]

ACTIVE = ("created", "running")
MODEL_HANDLE = "openai-proxy/scripted"
SYSTEM_PROMPT = "<base_instructions>\nYou are a helpful agent.\n</base_instructions>"


@dataclass(frozen=True)
class Tool:
    """A tool of the agent's. `answer` is its result, or a function of the arguments; what it raises is its error.

    An async one runs in the server's loop, and may wait there: `await letta.holds.wait("tool")`.
    """

    name: str
    answer: str | Callable[[Json], object] = "done"
    requires_approval: bool = False


@dataclass
class StoredMessage:
    id: str
    role: Role
    entries: list[Json]
    """What a reader is shown of it, in natural order."""
    text: str = ""
    """What the model reads of it."""
    results: list[str] = field(default_factory=list[str])
    """The same of a tool's message, which may have the results of several calls."""
    run_id: str | None = None


@dataclass
class Thread:
    """The messages of a conversation, or of an agent's own, "default" one."""

    messages: list[StoredMessage] = field(default_factory=list[StoredMessage])
    positions: dict[str, int] = field(default_factory=dict[str, int])

    def append(self, message: StoredMessage) -> None:
        self.positions[message.id] = len(self.messages)
        self.messages.append(message)

    @property
    def pending(self) -> Json | None:
        """The approval request that waits for an answer: always the last message."""
        last = self.messages[-1] if self.messages else None
        return last.entries[-1] if last and last.role == "approval_request" else None


@dataclass
class Agent:
    id: str
    name: str
    created_at: datetime
    updated_at: datetime
    tools: dict[str, Tool] = field(default_factory=dict[str, Tool])
    character: Callable[[Prompt], str] | None = None
    """What it makes of a prompt, in the language of `tests.stack.script`; None: the message says it itself."""
    tags: list[str] = field(default_factory=list[str])
    description: str | None = None
    model: str = MODEL_HANDLE
    parallel_tool_calls: bool = False
    """Whether the model may call several tools in one step; a conversation's `model_settings` can say so too."""
    thread: Thread = field(default_factory=Thread)
    last_run_completion: datetime | None = None
    last_stop_reason: str | None = None


@dataclass
class Conversation:
    id: str
    agent_id: str
    created_at: datetime
    updated_at: datetime
    summary: str | None = None
    model: str | None = None
    model_settings: Json | None = None
    last_message_at: datetime | None = None
    is_deleted: bool = False
    thread: Thread = field(default_factory=Thread)


@dataclass
class Run:
    id: str
    agent_id: str
    conversation_id: str | None
    background: bool
    created_at: datetime
    run_type: str = "send_conversation_message"
    include_types: list[str] | None = None
    request_config: Json = field(default_factory=dict[str, Any])
    """What the send said of itself; Letta keeps it, and does nothing with it."""
    status: str = "created"
    stop_reason: str | None = None
    completed_at: datetime | None = None
    error: Json | None = None
    messages: list[StoredMessage] = field(default_factory=list[StoredMessage])
    frames: list[str] = field(default_factory=list[str])
    """The stream as it was sent; of a background run, as it is replayed."""
    forgotten: int = 0
    """How many of these frames went with Redis' memory."""
    is_over: bool = False

    @property
    def is_active(self) -> bool:
        return self.status in ACTIVE

    @property
    def key(self) -> str:
        """What it locks."""
        return self.conversation_id or self.agent_id


@dataclass
class Store:
    """All of it. `locks` says which run holds a conversation, `otids` which run a message went to: Redis has both."""

    agents: dict[str, Agent] = field(default_factory=dict[str, Agent])
    conversations: dict[str, Conversation] = field(default_factory=dict[str, Conversation])
    runs: dict[str, Run] = field(default_factory=dict[str, Run])
    messages: dict[str, StoredMessage] = field(default_factory=dict[str, StoredMessage])
    locks: dict[str, str] = field(default_factory=dict[str, str])
    otids: dict[str, str] = field(default_factory=dict[str, str])
    has_redis: bool = True
    refusals: int = 0
    """How many steps from now on can't be stored."""
    models: set[str] = field(default_factory=lambda: {MODEL_HANDLE, "openai-proxy/scripted-other", "letta/letta-free"})
    toolbox: dict[str, Tool] = field(default_factory=dict[str, Tool])
    latest: datetime = field(default_factory=lambda: datetime.now(UTC))

    def now(self) -> datetime:
        """The time, and never the same twice: lists are ordered by it."""
        self.latest = max(datetime.now(UTC), self.latest + timedelta(microseconds=1))
        return self.latest

    def add_agent(self, name: str, *, tools: Sequence[Tool] = (), **fields: Any) -> Agent:
        at = self.now()
        agent = Agent(new_id("agent"), name, at, at, tools={tool.name: tool for tool in tools}, **fields)
        self.agents[agent.id] = agent
        self.models.add(agent.model)
        self.keep(agent.thread, system_message(at))
        return agent

    def add_conversation(self, agent_id: str, **fields: Any) -> Conversation:
        at = self.now()
        conversation = Conversation(new_id("conv"), agent_id, at, at, **fields)
        self.conversations[conversation.id] = conversation
        self.keep(conversation.thread, system_message(at))
        return conversation

    def add_run(self, agent_id: str, conversation_id: str | None, **fields: Any) -> Run:
        run = Run(new_id("run"), agent_id, conversation_id, created_at=self.now(), **fields)
        self.runs[run.id] = run
        return run

    def keep(self, thread: Thread, message: StoredMessage, run: Run | None = None) -> None:
        thread.append(message)
        self.messages[message.id] = message
        if run:
            message.run_id = run.id
            run.messages.append(message)

    def finish(self, run: Run, status: str, stop_reason: str | None, error: Json | None = None) -> None:
        """Says how a run ended. A cancelled run stays cancelled."""
        if run.status == "cancelled":
            return
        run.status, run.stop_reason, run.error = status, stop_reason, error
        run.completed_at = self.now()
        agent = self.agents.get(run.agent_id)
        if agent:
            agent.last_stop_reason, agent.last_run_completion = stop_reason, run.completed_at

    def free(self, key: str) -> None:
        """Ends a lock. Letta doesn't ask whose it is."""
        self.locks.pop(key, None)


def new_id(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4()}"


def id_before(message_id: str) -> str:
    """The id of a message minus one, which Letta takes for approval requests in a stream of tokens."""
    return f"message-{uuid.UUID(int=uuid.UUID(message_id.removeprefix('message-')).int - 1)}"


def otid_of(message_id: str, part: int) -> str:
    """The otid of an entry: the message's id with the number of the entry in its last seven bits."""
    stem = message_id.removeprefix("message-")
    return f"{stem[:-2]}{(int(stem[-2:], 16) & 0x80) | part:02x}"


def entry(message_type: str, message_id: str, at: datetime, **fields: Any) -> Json:
    """An entry as Letta writes it: eleven fields that all have in common, in this order, then its own."""
    own = {key: value for key, value in fields.items() if key not in {"name", "otid", "step_id", "run_id"}}
    return {
        "id": message_id,
        "date": at.isoformat(timespec="seconds"),
        "name": fields.get("name"),
        "message_type": message_type,
        "otid": fields.get("otid"),
        "sender_id": None,
        "step_id": fields.get("step_id"),
        "is_err": None,
        "seq_id": None,
        "run_id": fields.get("run_id"),
        **own,
    }


def system_message(at: datetime) -> StoredMessage:
    message_id = new_id("message")
    return StoredMessage(message_id, "system", [entry("system_message", message_id, at, content=SYSTEM_PROMPT)])


def said_by(role: Literal["user", "system"], text: str, at: datetime, **fields: Any) -> StoredMessage:
    message_id = new_id("message")
    fields = {"otid": str(uuid.uuid4()), **fields}
    return StoredMessage(message_id, role, [entry(f"{role}_message", message_id, at, **fields, content=text)], text)
