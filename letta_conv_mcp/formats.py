"""What a whole transcript looks like as a file, written message by message: pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from letta_conv_mcp.transcript import is_in_transcript, markdown_entry, markdown_head
from letta_conv_mcp.views import Conversation, Message

FormatName: TypeAlias = Literal["markdown", "json", "jsonl"]


@dataclass(frozen=True)
class Format:
    """How a transcript is written.

    Attributes:
        ending: what its file's name ends with.
        mime_type: what it is to a host.
        head: what stands above the messages.
        entry: one message; True stands for the first one.
        holds: whether a message is written at all.
        foot: what stands below the messages.
    """

    ending: str
    mime_type: str
    head: Callable[[Conversation], str]
    entry: Callable[[Message, bool], str]
    holds: Callable[[Message], bool]
    foot: str


def _json_head(conversation: Conversation) -> str:
    return f'{{"conversation": {conversation.model_dump_json()},\n"messages": ['


def _json_entry(message: Message, is_first: bool) -> str:
    return f"{'' if is_first else ','}\n{message.model_dump_json()}"


FORMATS: Mapping[FormatName, Format] = {
    "markdown": Format(
        "md",
        "text/markdown",
        markdown_head,
        lambda message, _: f"\n{markdown_entry(message)}",
        is_in_transcript,
        "",
    ),
    "json": Format("json", "application/json", _json_head, _json_entry, lambda _: True, "\n]}\n"),
    "jsonl": Format(
        "jsonl",
        "application/jsonl",
        lambda _: "",
        lambda message, _: f"{message.model_dump_json()}\n",
        lambda _: True,
        "",
    ),
}
