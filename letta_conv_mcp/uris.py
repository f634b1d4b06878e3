"""The addresses of our resources, made and taken apart: pure."""

import re
from urllib.parse import quote, unquote

AGENTS_URI = "letta://agents"

_OF_CONVERSATION = re.compile(r"letta://conversations/([^/?#]+)(?:/messages(?:\?[^#]*)?|/transcript\.md)?")


def conversation_uri(conversation_id: str) -> str:
    """Where a conversation's state is read."""
    return f"letta://conversations/{quote(conversation_id, safe=':')}"


def messages_uri(conversation_id: str, *, limit: int) -> str:
    """Where a conversation's newest messages are read."""
    return f"{conversation_uri(conversation_id)}/messages?limit={limit}"


def transcript_uri(conversation_id: str) -> str:
    """Where a conversation's transcript is read."""
    return f"{conversation_uri(conversation_id)}/transcript.md"


def export_uri(name: str) -> str:
    """Where an export is read."""
    return f"letta://exports/{name}"


def conversation_of(uri: str) -> str | None:
    """The id of the conversation that a resource is about; None where it is about none."""
    found = _OF_CONVERSATION.fullmatch(uri)
    return unquote(found[1]) if found else None
