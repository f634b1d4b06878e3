"""What a caller is told while it waits: a line for all, and the reply itself for one that asks for it."""

from itertools import pairwise

import pytest
from mcp import Client
from mcp_types import RequestParamsMeta

from letta_conv_mcp.views import LIVE, Live
from tests.fake import FakeLetta
from tests.fake.seed import TOOLS
from tests.integration.calls import Progress

pytestmark = pytest.mark.anyio

MESSAGE = '#reason Let me see.# #drip 0.02 #tool lookup {"query": "x"} go'


async def lines_of(client: Client, fake: FakeLetta, meta: RequestParamsMeta | None) -> list[str]:
    """The progress lines of a reply with thoughts, a tool call and words of several lines."""
    conversation = fake.add_conversation(fake.add_agent("Ada", tools=TOOLS))
    progress = Progress()
    given = {"conversation_id": conversation.id, "message": MESSAGE}
    await client.call_tool("send_message", given, progress_callback=progress, meta=meta)
    return progress.lines


async def test_a_caller_that_asks_for_it_is_told_the_whole_reply_as_it_grows(
    fake: FakeLetta, fake_client: Client
) -> None:
    """MCP: keys of `_meta` with a prefix of one's own are between the two ends."""
    lines = await lines_of(fake_client, fake, {LIVE: True})

    told = [Live.model_validate_json(line) for line in lines if line.startswith("{")]
    assert [line for line in lines if not line.startswith("{")] == lines[: len(lines) - len(told)]
    assert told[0].reasoning.startswith("Let ")
    assert (told[0].text, told[0].tool_uses, told[0].doing) == ("", [], "thinking …")
    assert all(after.text.startswith(before.text) for before, after in pairwise(told))
    (use,) = told[-1].tool_uses
    assert (use.tool, use.arguments, use.result) == ("lookup", '{"query": "x"}', "found x")
    # Words as they are, with their line breaks.
    assert told[-1].text.startswith("tool said: {\n")


@pytest.mark.parametrize("meta", [None, {LIVE: False}])
async def test_all_others_are_told_a_line(fake: FakeLetta, fake_client: Client, meta: RequestParamsMeta | None) -> None:
    lines = await lines_of(fake_client, fake, meta)

    assert lines
    assert not [line for line in lines if line.startswith("{") or "\n" in line]
