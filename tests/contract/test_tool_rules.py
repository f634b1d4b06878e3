"""House rules that every tool keeps, walked over the catalog. Budgets are bytes of compact JSON."""

import json
from typing import Any, cast

import jsonschema
import pytest
from mcp import Client
from mcp.server.mcpserver.tools import Tool

from letta_conv_mcp.instructions import instructions_for
from letta_conv_mcp.server import build_server
from letta_conv_mcp.settings import ALL_TOOLSETS, DEFAULT_TOOLSETS, Settings, Toolset
from letta_conv_mcp.tools import CATALOG, offered_tools
from tests.conftest import Place
from tests.integration.calls import call, text_of_result

TOOLS = {tool.name: tool for tool in offered_tools(Settings(toolsets=ALL_TOOLSETS))}

SHOWN_BUDGETS = {DEFAULT_TOOLSETS: 10_000, ALL_TOOLSETS: 15_000}
LISTED_BUDGETS = {DEFAULT_TOOLSETS: 22_000, ALL_TOOLSETS: 32_000}


def compact(value: object) -> int:
    return len(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())


def shown(tool: Tool) -> int:
    """What a host shows its model of a tool."""
    return compact({"name": tool.name, "description": tool.description, "input_schema": tool.parameters})


def properties(tool: Tool) -> dict[str, dict[str, Any]]:
    return tool.parameters.get("properties", {})


@pytest.mark.parametrize("tool", TOOLS.values(), ids=TOOLS)
def test_a_tool_says_what_it_does_in_a_first_sentence_that_stands_alone(tool: Tool) -> None:
    """Ours: hosts cut descriptions, and tool search shows the beginning."""
    first, _, _ = tool.description.partition(". ")

    assert len(tool.description) <= 600
    assert 20 <= len(first.split("\n\n")[0]) <= 130
    assert not tool.description.startswith("This tool")
    assert "HTTP" not in tool.description


@pytest.mark.parametrize("tool", TOOLS.values(), ids=TOOLS)
def test_a_tool_has_a_title_and_every_hint(tool: Tool) -> None:
    """MCP: a missing hint means the worst."""
    assert tool.title
    hints = tool.annotations
    assert hints is not None
    assert hints.read_only_hint is not None
    assert hints.open_world_hint is True
    assert hints.idempotent_hint is not None
    assert hints.read_only_hint or hints.destructive_hint is not None


@pytest.mark.parametrize("tool", TOOLS.values(), ids=TOOLS)
def test_arguments_are_flat_and_described_and_nothing_else_is_accepted(tool: Tool) -> None:
    assert tool.parameters["additionalProperties"] is False
    assert "$defs" not in tool.parameters
    for name, schema in properties(tool).items():
        assert isinstance(schema.get("type"), str), f"{name}: one type, which every host understands"
        assert "description" in schema or "enum" in schema or name == "limit", name


@pytest.mark.parametrize("tool", TOOLS.values(), ids=TOOLS)
def test_a_tool_promises_the_shape_of_its_result(tool: Tool) -> None:
    assert tool.output_schema is not None
    jsonschema.Draft202012Validator.check_schema(tool.output_schema)
    assert tool.output_schema["type"] == "object"


def test_names_are_lettas_verbs_without_a_prefix() -> None:
    assert list(TOOLS) == [entry.name for entry in CATALOG]
    assert all(name == name.lower() and "_" in name and len(name) <= 40 for name in TOOLS)


@pytest.mark.parametrize("toolsets", SHOWN_BUDGETS, ids="+".join)
def test_what_a_model_is_shown_stays_within_its_budget(toolsets: tuple[Toolset, ...]) -> None:
    offered = offered_tools(Settings(toolsets=toolsets))

    assert sum(shown(tool) for tool in offered) <= SHOWN_BUDGETS[toolsets]


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize("toolsets", LISTED_BUDGETS, ids="+".join)
async def test_the_list_of_tools_stays_within_its_budget(mode: str, toolsets: tuple[Toolset, ...]) -> None:
    async with Client(build_server(Settings(toolsets=toolsets)), mode=mode) as client:
        listed = await client.list_tools()

    tools = [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in listed.tools]
    assert compact(tools) <= LISTED_BUDGETS[toolsets]


def test_the_instructions_fit_where_hosts_cut_them() -> None:
    """Claude Code cuts at 2,048 characters."""
    instructions = instructions_for(TOOLS)

    assert len(instructions) <= 2048
    for word in (
        "list_conversations",
        "create_conversation",
        "send_message",
        "wait_for_reply",
        "get_history",
        "answer_approval",
    ):
        assert word in instructions


def leaves(value: object) -> list[str]:
    """Every value in a result, as a reader would have to find it in the text."""
    if isinstance(value, dict):
        return [leaf for item in cast("dict[str, object]", value).values() for leaf in leaves(item)]
    if isinstance(value, list):
        return [leaf for item in cast("list[object]", value) for leaf in leaves(item)]
    if value is None:
        return []
    return [str(value).lower() if isinstance(value, bool) else str(value)]


def call_ids(structure: dict[str, Any]) -> list[str]:
    approvals = cast("list[dict[str, str]]", structure.get("approvals") or [])
    return [approval["tool_call_id"] for approval in approvals]


@pytest.mark.anyio
async def test_every_result_fits_its_schema_and_its_text_says_the_same(client: Client, place: Place) -> None:
    """Ours: some hosts show a model only the structure, others only the text."""
    made = await call(client, "create_conversation", agent_id=place.agent_id, summary="Rules")
    about = {"conversation_id": made["id"]}
    calls: list[tuple[str, dict[str, Any]]] = [
        ("list_agents", {}),
        ("create_agent", {"name": "Rule", "model": place.model, "persona": "I am brief."}),
        ("create_conversation", {"agent_id": place.agent_id}),
        ("open_conversation", {"agent_id": place.agent_id, "key": made["id"]}),
        ("list_conversations", {"agent_id": place.agent_id, "limit": 3}),
        ("update_conversation", {**about, "summary": "Other rules"}),
        ("send_message", {**about, "message": "#reason hm# hello", "detail": "full"}),
        ("send_message", {**about, "message": "#tool delete_everything {}"}),
        ("wait_for_reply", about),
        ("retrieve_conversation", about),
        ("answer_approval", {**about, "deny": ["*"], "reason": "not today"}),
        ("get_history", about),
        ("export_conversation", about),
        ("compare_replies", {"message": "hello", "copies": 2, "agent_id": place.agent_id}),
        ("send_message", {**about, "message": "#slow 3 on and on", "wait_seconds": 0}),
        ("cancel_reply", about),
    ]
    if place.prompts is not None:
        # The fake neither forks nor compacts nor recompiles.
        long = {"conversation_id": (await call(client, "create_conversation", agent_id=place.agent_id))["id"]}
        calls += [("send_message", {**long, "message": f"message {number}"}) for number in range(8)]
        calls += [(name, long) for name in ("fork_conversation", "compact_conversation", "recompile_conversation")]
        agent = {"agent_id": await place.new_agent(client)}
        calls += [
            ("retrieve_agent", agent),
            ("read_memory", agent),
            ("search_messages", {"query": "message 7", "conversation_id": long["conversation_id"]}),
            ("update_memory", {**agent, "label": "human", "value": "Bo"}),
        ]
        calls.append(("delete_agent", {**agent, "confirm": True}))
        if not place.rig:
            calls.append(("delete_conversation", {**long, "confirm": True}))
        assert {name for name, _ in calls} == {tool.name for tool in offered_tools(place.settings)}
    pending: list[str] = []

    for name, arguments in calls:
        given = arguments | {"deny": pending} if "deny" in arguments else arguments
        result = await client.call_tool(name, given)
        text = text_of_result(result)

        assert not result.is_error, text
        assert result.structured_content is not None
        pending = call_ids(result.structured_content) or pending
        jsonschema.validate(result.structured_content, TOOLS[name].output_schema or {})
        for leaf in leaves(result.structured_content):
            assert leaf.replace("\n", "\n  ") in text, f"{name}: {leaf!r} is not in the text"
        assert len(text) <= 32_000
