"""A conversation as Markdown for people to read: pure."""

from collections.abc import Sequence

from letta_conv_mcp.views import Conversation, Message

_LEFT_OUT = {"system_message", "reasoning_message", "hidden_reasoning_message"}
"""The agent's instructions and its thoughts are in get_history; nobody said them."""


def markdown_transcript(conversation: Conversation, messages: Sequence[Message], *, earlier: bool) -> str:
    """The transcript of what was said and done.

    Args:
        conversation: its heading.
        messages: what was said, oldest first.
        earlier: whether older messages exist that are not among these.
    """
    parts = [markdown_head(conversation)]
    if earlier:
        when = _when(messages[0])
        parts.append(f"*Only the newest part: what was said before is in `get_history`, before {when}.*\n")
    parts += [markdown_entry(message) for message in messages if is_in_transcript(message)]
    return "\n".join(parts)


def markdown_head(conversation: Conversation) -> str:
    """What stands above a transcript."""
    title = " ".join((conversation.summary or conversation.id).split())
    return f"# {title}\n\nConversation `{conversation.id}` with agent `{conversation.agent_id}`.\n"


def is_in_transcript(message: Message) -> bool:
    """Whether a message was said or done."""
    return message.type not in _LEFT_OUT


def markdown_entry(message: Message) -> str:
    """One message of a transcript."""
    return f"**{_speaker(message)}** · {_when(message)}\n\n{_body(message)}\n"


def _speaker(message: Message) -> str:
    match message.type:
        case "user_message":
            return "User"
        case "assistant_message":
            return "Agent"
        case _:
            return message.type.removesuffix("_message").replace("_", " ").capitalize()


def _body(message: Message) -> str:
    if message.role in ("user", "assistant") and message.type in ("user_message", "assistant_message"):
        return message.text
    return "\n".join(f"> {line}" for line in message.text.splitlines())


def _when(message: Message) -> str:
    return message.date or "no date"
