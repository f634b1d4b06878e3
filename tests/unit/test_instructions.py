"""What a host's model is told as a whole speaks of no tool that isn't offered."""

import pytest

from letta_conv_mcp.instructions import instructions_for
from letta_conv_mcp.settings import ALL_TOOLSETS, Settings
from letta_conv_mcp.tools import CATALOG
from letta_conv_mcp.tools.selection import selected

NAMES = [entry.name for entry in CATALOG]


@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
        Settings(toolsets=ALL_TOOLSETS, read_only=True),
        Settings(tools=("send_message",)),
        Settings(exclude_tools=("get_history", "answer_approval")),
    ],
    ids=["default", "read only", "one tool", "without two"],
)
def test_no_tool_is_named_that_is_not_offered(settings: Settings) -> None:
    offered = [entry.name for entry in selected(CATALOG, settings)]

    told = instructions_for(offered)

    assert told.startswith("Talk to Letta agents.")
    assert [name for name in NAMES if name in told and name not in offered] == []
