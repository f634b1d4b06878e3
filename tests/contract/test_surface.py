"""What a host is offered, held to a snapshot: a change of it is a decision and never an accident.

To accept a change, run `make snapshots` and commit the difference.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from letta_conv_mcp.server import build_server
from letta_conv_mcp.settings import ALL_TOOLSETS, Settings

pytestmark = pytest.mark.anyio

SNAPSHOT = Path(__file__).parent / "snapshots" / "surface.json"


async def surface() -> dict[str, Any]:
    """All that a host can learn of us without asking Letta, as it goes over the wire."""
    async with Client(build_server(Settings(toolsets=ALL_TOOLSETS)), mode="legacy") as client:
        tools = (await client.list_tools()).tools
        templates = (await client.list_resource_templates()).resource_templates
        prompts = (await client.list_prompts()).prompts
        assert client.instructions is not None
        return {
            "instructions": client.instructions.splitlines(),
            "tools": [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools],
            "resource_templates": [
                template.model_dump(mode="json", by_alias=True, exclude_none=True) for template in templates
            ],
            "prompts": [prompt.model_dump(mode="json", by_alias=True, exclude_none=True) for prompt in prompts],
        }


async def test_tools_resources_and_schemas_are_those_of_the_snapshot() -> None:
    offered = json.dumps(await surface(), indent=2, ensure_ascii=False) + "\n"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        SNAPSHOT.write_text(offered, encoding="utf-8")

    assert offered == SNAPSHOT.read_text(encoding="utf-8")


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_both_eras_are_offered_the_same_tools(mode: str) -> None:
    async with Client(build_server(Settings(toolsets=ALL_TOOLSETS)), mode=mode) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]

    assert names == [tool["name"] for tool in json.loads(SNAPSHOT.read_text(encoding="utf-8"))["tools"]]
