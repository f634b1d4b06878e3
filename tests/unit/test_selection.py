"""Which tools the settings choose: toolsets and tools add up, exclusions take away, read-only wins."""

from typing import Any

import pytest

from letta_conv_mcp.errors import SettingsError
from letta_conv_mcp.settings import ALL_TOOLSETS, Settings
from letta_conv_mcp.tools import CATALOG
from letta_conv_mcp.tools.selection import selected


def chosen(**settings: Any) -> set[str]:
    return {entry.name for entry in selected(CATALOG, Settings(**settings))}


def in_toolsets(*toolsets: str) -> set[str]:
    return {entry.name for entry in CATALOG if entry.toolset in toolsets}


def test_core_and_manage_are_offered_by_default() -> None:
    assert chosen() == in_toolsets("core", "manage")


def test_toolsets_are_offered_whole_and_in_the_catalogs_order() -> None:
    assert chosen(toolsets=("memory",)) == in_toolsets("memory")
    assert [entry.name for entry in selected(CATALOG, Settings(toolsets=ALL_TOOLSETS))] == [
        entry.name for entry in CATALOG
    ]


def test_tools_alone_are_offered_alone_and_beside_toolsets_in_addition() -> None:
    assert chosen(tools=("read_memory", "send_message")) == {"read_memory", "send_message"}
    assert chosen(toolsets=("core",), tools=("read_memory",)) == in_toolsets("core") | {"read_memory"}


def test_an_excluded_tool_is_not_offered_even_where_it_is_named() -> None:
    assert chosen(exclude_tools=("send_message",)) == in_toolsets("core", "manage") - {"send_message"}
    assert chosen(tools=("send_message", "get_history"), exclude_tools=("send_message",)) == {"get_history"}


def test_read_only_wins_over_all() -> None:
    offered = chosen(toolsets=ALL_TOOLSETS, tools=("send_message",), read_only=True)

    assert "get_history" in offered
    assert offered == {entry.name for entry in CATALOG if entry.annotations.read_only_hint}


def test_what_an_app_server_can_not_do_is_not_offered_there() -> None:
    assert "delete_conversation" not in chosen(base_url="ws://127.0.0.1:4500")
    assert "delete_conversation" not in chosen(base_url="local")
    assert "delete_conversation" in chosen(base_url="http://127.0.0.1:8283")


def test_no_agent_is_made_where_only_certain_ones_can_be_reached() -> None:
    assert "create_agent" not in chosen(agents=("Ada",))


@pytest.mark.parametrize("field", ["tools", "exclude_tools"])
def test_an_unknown_tool_is_named_with_those_that_there_are(field: str) -> None:
    with pytest.raises(SettingsError, match=f"--{field.replace('_', '-')} .*'send'.* send_message, "):
        chosen(**{field: ("send",)})


def test_a_choice_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(SettingsError, match="No tool is left"):
        chosen(tools=("send_message",), read_only=True)
