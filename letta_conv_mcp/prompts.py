"""What a person can start with one command: prompts, as data that can be walked.

The first message of each is complete without the others, since some hosts pass on only that one. A prompt is offered
where the tools are that it has the model call.
"""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Literal, TypeAlias

from mcp_types import (
    EmbeddedResource,
    PromptMessage,
    TextContent,
    TextResourceContents,
)

from letta_conv_mcp.app import App
from letta_conv_mcp.conversation_names import find_conversation
from letta_conv_mcp.history import read_history
from letta_conv_mcp.letta.naming import find_agent
from letta_conv_mcp.tools.agents import resolve_agent
from letta_conv_mcp.uris import messages_uri
from letta_conv_mcp.views import Agent, Conversation

Completes: TypeAlias = Literal["agent", "conversation"]
ATTACHED = 20
"""Messages that come along with a prompt."""
TITLE_CHARS = 100


@dataclass(frozen=True)
class Argument:
    """What a person may fill in. `completes` says what it names, so that the host can offer what there is."""

    name: str
    title: str
    description: str
    required: bool = False
    completes: Completes | None = None


@dataclass(frozen=True)
class PromptEntry:
    """One prompt that can be offered.

    Attributes:
        write: an async function from the App and the arguments, None where the person gave none, to the messages.
        needs: the tools that its messages name.
    """

    name: str
    title: str
    description: str
    arguments: tuple[Argument, ...]
    write: Callable[..., Awaitable[list[PromptMessage]]]
    needs: frozenset[str]


async def continue_conversation(app: App, conversation: str | None, message: str | None) -> list[PromptMessage]:
    """The person goes on with a conversation."""
    found = await find_conversation(app, conversation)
    said = (
        f"Then pass this on with send_message, word for word:\n\n{message}\n\n"
        if message
        else "Then ask me what I want to say, and pass it on with send_message in my own words.\n\n"
    )
    return [
        _say(
            f"Let us go on with {await _named(app, found)}.\n\n"
            f"{_ATTACHED} Tell me in two or three sentences where it stands and what is open.\n\n"
            f"{said}"
            "Show me each reply as the agent gave it. Where its status is running, call wait_for_reply and don't send "
            "the message again."
        ),
        await _attached(app, found),
    ]


async def brief_me(app: App, conversation: str | None, focus: str | None) -> list[PromptMessage]:
    """The person wants to know what a conversation is about."""
    found = await find_conversation(app, conversation)
    asked = f" I want to know above all: {focus}" if focus else ""
    return [
        _say(
            f"Brief me on {await _named(app, found)}.{asked}\n\n"
            f"{_ATTACHED} Read on with get_history (its older_cursor as before) until you know enough, and say how far "
            "back you looked.\n\n"
            "Tell me: what it is about; what was decided, by whom and when; what is open and who has to act; what I "
            "should know before I go on. Take names, numbers and dates from the messages, and mark what you conclude "
            "yourself. Say nothing in the conversation."
        ),
        await _attached(app, found),
    ]


async def compare_agents(app: App, message: str, agent: str | None, other_agent: str) -> list[PromptMessage]:
    """The person wants two agents' answers side by side."""
    both = [await resolve_agent(app, agent), await find_agent(app.letta, other_agent)]
    listed = "\n".join(f"- {_agent(each)}, agent_id {each.id}" for each in both)
    return [
        _say(
            f"Ask two Letta agents the same and compare what they say.\n\n{listed}\n\n"
            "For each, call create_conversation with its agent_id and a summary that begins with Comparison, then "
            f"send_message with exactly this:\n\n{message}\n\n"
            "Tell neither what the other said. Where a status is running, call wait_for_reply and don't send the "
            "message again.\n\n"
            "Then show me both answers, shortened where they are long; where they agree; where they differ, and which "
            "of the two is better supported; and what one saw that the other missed. Name both conversations, so that "
            "I can go on with either."
        )
    ]


async def hand_over(app: App, conversation: str | None, agent: str | None, focus: str | None) -> list[PromptMessage]:
    """The person wants to go on in a fresh conversation that knows what matters of an old one."""
    found = await find_conversation(app, conversation)
    heir = await find_agent(app.letta, agent or found.agent_id)
    purpose = f" It will be about: {focus}" if focus else ""
    return [
        _say(
            f"Hand over {await _named(app, found)} to a fresh conversation with {_agent(heir)}.{purpose}\n\n"
            f"{_ATTACHED} Read on with get_history (its older_cursor as before) until you know what matters.\n\n"
            "Write the handover: what it is about, what was decided and why, the facts and wishes that count, what is "
            "open, and the next step. Use only what was said. Show it to me and wait until I agree.\n\n"
            f"Then call create_conversation with agent_id {heir.id} and a short summary, and send_message with the "
            "handover as the first message, beginning with the id of the old conversation. Where the status is "
            "running, call wait_for_reply and don't send it again. Tell me the new conversation's id, and leave the "
            "old one as it is."
        ),
        await _attached(app, found),
    ]


_CONVERSATION = Argument(
    "conversation",
    "Conversation",
    "Its id, its summary, or a part of the summary that only one has; default: the one that was last active",
    completes="conversation",
)
_FOCUS = Argument("focus", "Focus", "What it should be about; default: all that matters")

PROMPTS = (
    PromptEntry(
        "continue_conversation",
        "Continue a conversation",
        "Pick up a conversation with a Letta agent where it was left.",
        (_CONVERSATION, Argument("message", "Message", "What to say; default: you are asked")),
        continue_conversation,
        frozenset({"get_history", "send_message", "wait_for_reply"}),
    ),
    PromptEntry(
        "brief_me",
        "Brief me on a conversation",
        "What a conversation with a Letta agent is about, what was decided and what is open.",
        (_CONVERSATION, _FOCUS),
        brief_me,
        frozenset({"get_history"}),
    ),
    PromptEntry(
        "compare_agents",
        "Compare two agents",
        "Ask two Letta agents the same, each in a fresh conversation, and compare their answers.",
        (
            Argument("message", "Message", "What to ask both", required=True),
            Argument("other_agent", "Second agent", "Its name or id", required=True, completes="agent"),
            Argument("agent", "First agent", "Its name or id; default: LETTA_AGENT_ID", completes="agent"),
        ),
        compare_agents,
        frozenset({"create_conversation", "send_message", "wait_for_reply"}),
    ),
    PromptEntry(
        "hand_over",
        "Hand over to a fresh conversation",
        "Go on in a fresh conversation that starts with a summary of an old one.",
        (
            _CONVERSATION,
            Argument("agent", "Agent", "Who takes over, by name or id; default: the same agent", completes="agent"),
            _FOCUS,
        ),
        hand_over,
        frozenset({"get_history", "create_conversation", "send_message", "wait_for_reply"}),
    ),
)


def offered_prompts(tools: Collection[str]) -> list[PromptEntry]:
    """The prompts whose tools are all among those that are offered."""
    return [entry for entry in PROMPTS if entry.needs <= set(tools)]


_ATTACHED = "Its newest messages are attached; get_history shows them too."


def _say(text: str) -> PromptMessage:
    return PromptMessage(role="user", content=TextContent(type="text", text=text))


async def _attached(app: App, conversation: Conversation) -> PromptMessage:
    page = await read_history(app.letta, conversation.id, limit=ATTACHED)
    contents = TextResourceContents(
        uri=messages_uri(conversation.id, limit=ATTACHED), mime_type="application/json", text=page.model_dump_json()
    )
    return PromptMessage(role="user", content=EmbeddedResource(type="resource", resource=contents))


async def _named(app: App, conversation: Conversation) -> str:
    """A conversation as a model can act on it and a person knows it."""
    summary = f" “{_one_line(conversation.summary)}”" if conversation.summary else ""
    agent = await app.letta.agent(conversation.agent_id)
    return f"the Letta conversation{summary} with {_agent(agent)} (conversation_id {conversation.id})"


def _agent(agent: Agent) -> str:
    return f"the agent {_one_line(agent.name)}"


def _one_line(title: str) -> str:
    """A title that others wrote, so that it can't pass for a paragraph of the prompt."""
    return " ".join(title.split())[:TITLE_CHARS]
