"""What tools and resources return: the output contract that hosts and other programs rely on.

A field is never renamed or removed within a major version. Ids are opaque: backends shape them differently.
"""

from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

Status: TypeAlias = Literal["running", "completed", "awaiting_approval", "failed", "cancelled", "interrupted"]
"""How far a reply is. Only `completed` means that Letta said so and `text` is whole."""

Detail: TypeAlias = Literal["concise", "full"]


def _is_none(value: object) -> bool:
    return value is None


def _is_empty(value: object) -> bool:
    return not value


def _is_false(value: object) -> bool:
    return value is False


class View(BaseModel):
    """A frozen result. What some Lettas don't tell, and what `detail="full"` adds, is left out while it is None."""

    model_config = ConfigDict(frozen=True)


class Agent(View):
    id: str
    name: str
    description: str | None = None
    model: str | None = None


class AgentDetail(Agent):
    memory_blocks: list[str]
    """The labels of its memory blocks."""


class AgentPage(View):
    agents: list[Agent]
    next_cursor: str | None = None


class Conversation(View):
    """One isolated message thread on an agent."""

    id: str
    agent_id: str
    summary: str | None = None
    created_at: str | None = None
    last_message_at: str | None = None
    in_context_count: int | None = None
    """Messages in the agent's context window now; None where Letta did not say."""
    archived: bool | SkipJsonSchema[None] = Field(default=None, exclude_if=_is_none)
    description: str | SkipJsonSchema[None] = Field(default=None, exclude_if=_is_none)
    model: str | SkipJsonSchema[None] = Field(default=None, exclude_if=_is_none)


class ConversationPage(View):
    conversations: list[Conversation]
    next_cursor: str | None = None


class Fork(Conversation):
    note: str | SkipJsonSchema[None] = Field(default=None, exclude_if=_is_none)


class Deletion(View):
    """A conversation that is gone for good."""

    conversation_id: str
    agent_id: str
    summary: str | None = None
    in_context_count: int | None = None
    note: str = "It can't be undone."


class AgentDeletion(View):
    """An agent that is gone for good."""

    agent_id: str
    name: str
    note: str = "It can't be undone."


class OpenedConversation(Conversation):
    """The one conversation of a key."""

    created: bool
    """Whether nobody was given it before."""
    note: str | None = Field(default=None, exclude_if=_is_none)


class Compaction(View):
    """What a compaction did to the messages in an agent's context."""

    conversation_id: str
    messages_before: int
    messages_after: int
    summary: str


class Recompilation(View):
    conversation_id: str
    prompt_chars: int
    """The length of the system prompt as it is now."""


class MemoryBlock(View):
    """A part of an agent's memory that stands in its prompt, in all its conversations."""

    label: str
    value: str
    description: str | None = None
    limit: int | None = None
    """The most characters that Letta keeps of it; None where it names none."""
    read_only: bool = Field(default=False, exclude_if=_is_false)


class Memory(View):
    agent_id: str
    blocks: list[MemoryBlock]
    isolated_blocks: list[MemoryBlock] = Field(default=[], exclude_if=_is_empty)
    """The conversation's own, which it has in the place of the agent's of the same label."""
    prompt_is_current: bool | SkipJsonSchema[None] = Field(default=None, exclude_if=_is_none)
    """Whether the conversation's prompt holds these blocks as they are now; None where Letta doesn't show it."""


class SearchHit(View):
    conversation_id: str | None
    message_id: str
    type: str
    text: str
    """The part of the message that holds what was looked for."""
    date: str | None = None


class SearchResult(View):
    """What was found, newest first where we looked ourselves, else as Letta ranks it."""

    hits: list[SearchHit]
    searched: str
    """How far was looked."""


class Approval(View):
    """A tool call that the agent may only make when a person allows it."""

    tool_call_id: str
    tool: str
    arguments: str
    """JSON, as the agent wrote it."""
    requested_at: str | None = None
    client_tool: bool = Field(default=False, exclude_if=_is_false)
    """Whether only the client that offered the tool can run it."""


class ConversationDetail(Conversation):
    agent_name: str | None = None
    isolated_blocks: list[str] = Field(default=[], exclude_if=_is_empty)
    """Labels of the memory blocks that it has in the place of its agent's."""
    running_run_id: str | None = None
    approvals: list[Approval]


class ToolUse(View):
    """A tool that the agent ran, or that it was allowed to run."""

    tool: str
    arguments: str
    status: str | None = None
    result: str | None = None


class Usage(View):
    """Tokens and steps that a run took."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    steps: int


class Reply(View):
    """What a turn has said so far, and how far it is."""

    status: Status
    text: str
    next_step: str | None = None
    conversation_id: str
    run_id: str | None = None
    in_reply_to: str | None = None
    """The start of the message that this answers, to tell another client's turn from one's own."""
    stop_reason: str | None = None
    approvals: list[Approval] = []
    memory_refreshed: bool = Field(default=False, exclude_if=_is_false)
    """Whether the conversation was brought up to date with the agent's memory blocks before the message was sent."""
    reasoning: str | SkipJsonSchema[None] = Field(default=None, exclude_if=_is_none)
    tool_uses: list[ToolUse] | SkipJsonSchema[None] = Field(default=None, exclude_if=_is_none)
    usage: Usage | SkipJsonSchema[None] = Field(default=None, exclude_if=_is_none)


LIVE = "letta-conv-mcp/live"
"""In the `_meta` of a call: once the reply holds anything, the message is that as JSON, a `Live`. MCP leaves keys with
a prefix of their own to the two ends: https://modelcontextprotocol.io/specification/2025-11-25/basic#meta"""


class Live(View):
    """What a reply holds so far, for a caller that shows it as it grows. Arguments and results of tools are cut."""

    text: str
    reasoning: str
    tool_uses: list[ToolUse]
    doing: str | None = None
    """What the agent does now, in a line, where it isn't speaking."""


class Export(View):
    """A whole transcript as a file."""

    conversation_id: str
    format: Literal["markdown", "json", "jsonl"]
    path: str
    uri: str
    """The same as a resource."""
    bytes: int
    messages: int
    first_date: str | None = None
    last_date: str | None = None
    preview: str
    note: str | None = Field(default=None, exclude_if=_is_none)


class Branch(View):
    """One of several replies to the same message."""

    name: str
    status: Status | Literal["not_sent"]
    text: str
    next_step: str | None = None
    agent_id: str | None = None
    conversation_id: str | None = None
    run_id: str | None = None
    approvals: str | None = Field(default=None, exclude_if=_is_none)
    """The tool calls that wait for the person, each as `tool_call_id: tool(arguments)`."""


class Comparison(View):
    branches: list[Branch]
    """In the order they were asked for."""


class Message(View):
    id: str
    """Shared by the parts of one stored message: its reasoning, its text and its tool calls."""
    type: str
    role: str
    text: str
    date: str | None = None


class MessagePage(View):
    """Messages from older to newer."""

    conversation_id: str
    messages: list[Message]
    older_cursor: str | None = None
    newer_cursor: str | None = None
    note: str | SkipJsonSchema[None] = Field(default=None, exclude_if=_is_none)
