"""A whole conversation as a file, page by page, so that its length costs time and no memory.

But for one that Letta has compacted: its list can only be read at once.
"""

import os
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TextIO

from letta_conv_mcp import errors
from letta_conv_mcp.formats import FORMATS, Format, FormatName
from letta_conv_mcp.history import ListSpoilt, whole_history
from letta_conv_mcp.letta.port import Letta
from letta_conv_mcp.state.exports import new_export, new_name
from letta_conv_mcp.state.folder import StateFolder
from letta_conv_mcp.uris import export_uri
from letta_conv_mcp.views import Conversation, Export

PREVIEW_CHARS = 800
TRIES = 3

_LEFT_OUT = "{} messages are not in it, such as the system prompt and the agent's reasoning; format json has them all."


@dataclass
class _Written:
    messages: int = 0
    left_out: int = 0
    first_date: str | None = None
    last_date: str | None = None
    preview: str = ""


async def export(
    letta: Letta,
    folder: StateFolder,
    conversation_id: str,
    format_name: FormatName,
    report: Callable[[int], Awaitable[None]],
) -> Export:
    """Write a conversation's whole transcript to a new file.

    Args:
        letta: where it is kept.
        folder: where the file goes.
        conversation_id: the conversation.
        format_name: how it is written.
        report: is told, after each page, how many messages were read so far.

    Raises:
        ConversationNotFound: there is no such conversation.
        HistoryTooLong: it was compacted, and this Letta doesn't list it at once.
        HistoryChanged: it was compacted or cut again and again meanwhile.
        StateUnusable: the file can't be written.
    """
    conversation = await letta.conversation(conversation_id)
    wanted = FORMATS[format_name]
    name = new_name(conversation_id, wanted.ending)
    for _ in range(TRIES):
        try:
            with new_export(folder, name) as file:
                written = await _write(file, letta, conversation, wanted, report)
                file.flush()
                size = os.fstat(file.fileno()).st_size
        except ListSpoilt:
            continue
        return Export(
            conversation_id=conversation_id,
            format=format_name,
            path=str(folder.exports / name),
            uri=export_uri(name),
            bytes=size,
            messages=written.messages,
            first_date=written.first_date,
            last_date=written.last_date,
            preview=written.preview if len(written.preview) <= PREVIEW_CHARS else f"{written.preview[:PREVIEW_CHARS]}…",
            note=_LEFT_OUT.format(written.left_out) if written.left_out else None,
        )
    raise errors.HistoryChanged(conversation_id)


async def _write(
    file: TextIO, letta: Letta, conversation: Conversation, wanted: Format, report: Callable[[int], Awaitable[None]]
) -> _Written:
    written = _Written()

    def write(text: str) -> None:
        file.write(text)
        if len(written.preview) <= PREVIEW_CHARS:
            written.preview += text[: PREVIEW_CHARS + 1]

    write(wanted.head(conversation))
    async with aclosing(whole_history(letta, conversation.id)) as pages:
        async for page in pages:
            for message in page:
                if not wanted.holds(message):
                    written.left_out += 1
                    continue
                write(wanted.entry(message, not written.messages))
                written.messages += 1
                written.first_date = written.first_date or message.date
                written.last_date = message.date or written.last_date
            await report(written.messages + written.left_out)
    write(wanted.foot)
    return written
