"""The tool that writes a whole conversation to a file."""

import anyio
from mcp.server.mcpserver import Context

from letta_conv_mcp.app import App, app_of
from letta_conv_mcp.exporting import export
from letta_conv_mcp.formats import FormatName
from letta_conv_mcp.tools.arguments import ConversationId
from letta_conv_mcp.tools.progress import PAUSE_SECONDS
from letta_conv_mcp.views import Export


async def export_conversation(
    ctx: Context[App],
    conversation_id: ConversationId,
    format: FormatName = "markdown",  # noqa: A002
) -> Export:
    """Write a conversation's whole transcript, of any length, to a file on this machine; the newest 20 are kept.

    Returns where it is, and how it begins. markdown is what was said and done, for people; json and jsonl hold every
    message. To read a part here, call get_history.
    """
    app = app_of(ctx)
    told, reported = 0, anyio.current_time()

    async def report(messages: int) -> None:
        nonlocal told, reported
        if anyio.current_time() - reported >= PAUSE_SECONDS:
            told, reported = told + 1, anyio.current_time()
            await ctx.report_progress(told, None, f"{messages:,} messages read")

    return await export(app.letta, app.folder, conversation_id, format, report)
