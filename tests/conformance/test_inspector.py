"""The MCP Inspector's command line, as a host on stdio in both eras: each run starts our server anew."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from letta_conv_mcp import __version__
from letta_conv_mcp.instructions import instructions_for
from letta_conv_mcp.prompts import PROMPTS
from letta_conv_mcp.server import NAME
from letta_conv_mcp.settings import Settings
from letta_conv_mcp.tools import CATALOG
from letta_conv_mcp.tools.selection import selected
from tests.conformance.node import run
from tests.fake import FakeLetta

Json: TypeAlias = dict[str, Any]
Inspect: TypeAlias = Callable[..., Json]

REVISION_OF = {"legacy": "2025-11-25", "modern": "2026-07-28"}
TOOL_FAILED = 5


@pytest.fixture(params=["legacy", "modern"])
def era(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def inspect(programs: Path, letta: FakeLetta, era: str) -> Inspect:
    """Calls a method as `inspect("tools/call", "--tool-name", …)`, and returns what was printed."""
    # The Inspector hands on nothing of its own environment but PATH and the like.
    to_letta = ["-e", f"LETTA_BASE_URL={letta.base_url}"]
    server = [sys.executable, "-m", "letta_conv_mcp"]

    def inspect(method: str, *arguments: str, exit_status: int = 0) -> Json:
        asked = ["--method", method, *arguments, "--format", "json", "--quiet"]
        done = run(programs / "mcp-inspector", "--cli", "--protocol-era", era, *to_letta, *server, *asked)
        assert done.returncode == exit_status, done.stdout + done.stderr
        return json.loads(done.stdout or done.stderr)

    return inspect


def test_the_server_says_who_it_is_and_how_to_use_it(inspect: Inspect, era: str) -> None:
    """MCP: `initialize` in the older era, `server/discover` in the modern one."""
    answer = inspect("initialize")["result"]

    assert answer["protocolVersion"] == REVISION_OF[era]
    assert (answer["serverInfo"]["name"], answer["serverInfo"]["version"]) == (NAME, __version__)
    assert answer["instructions"] == instructions_for([entry.name for entry in selected(CATALOG, Settings())])
    assert answer["capabilities"].keys() >= {"prompts", "resources", "tools"}


def test_every_tool_is_offered_and_no_schema_is_in_error(inspect: Inspect) -> None:
    """MCP: `--strict` exits with 6 where a host would have to refuse a tool's schema."""
    answer = inspect("tools/list", "--strict")

    assert [tool["name"] for tool in answer["result"]["tools"]] == [
        entry.name for entry in selected(CATALOG, Settings())
    ]
    problems = [finding for tool in answer.get("schemaFindings", []) for finding in tool["findings"]]
    assert [problem for problem in problems if problem["severity"] == "error"] == []


def test_the_agents_are_listed(inspect: Inspect, letta: FakeLetta) -> None:
    answer = inspect("tools/call", "--tool-name", "list_agents")["result"]

    assert answer["structuredContent"] == _agents_of(letta)
    assert not answer["isError"]


def test_a_message_in_a_fresh_conversation_is_answered(inspect: Inspect, letta: FakeLetta) -> None:
    agent = next(iter(letta.store.agents.values()))
    conversation = letta.add_conversation(agent)

    said = ["--tool-arg", f"conversation_id={conversation.id}", "--tool-arg", "message=Good morning"]
    answer = inspect("tools/call", "--tool-name", "send_message", *said)["result"]

    assert answer["structuredContent"] == {
        "status": "completed",
        "text": "echo: Good morning",
        "next_step": None,
        "conversation_id": conversation.id,
        "run_id": letta.runs[-1].id,
        "in_reply_to": "Good morning",
        "stop_reason": "end_turn",
        "approvals": [],
    }


def test_the_agents_and_conversations_are_listed_as_resources(inspect: Inspect, letta: FakeLetta) -> None:
    answer = inspect("resources/list")["result"]

    transcripts = {f"letta://conversations/{conversation}/transcript.md" for conversation in letta.store.conversations}
    assert {resource["uri"] for resource in answer["resources"]} == {"letta://agents", *transcripts}


def test_the_resource_templates_are_listed(inspect: Inspect) -> None:
    answer = inspect("resources/templates/list")["result"]

    assert {template["uriTemplate"] for template in answer["resourceTemplates"]} == {
        "letta://agents{?cursor}",
        "letta://agents/{agent_id}/conversations",
        "letta://conversations/{conversation_id}",
        "letta://conversations/{conversation_id}/messages{?limit,before}",
        "letta://conversations/{conversation_id}/transcript.md",
    }


def test_the_agents_are_read_as_a_resource(inspect: Inspect, letta: FakeLetta) -> None:
    (content,) = inspect("resources/read", "--uri", "letta://agents")["result"]["contents"]

    assert (content["uri"], content["mimeType"]) == ("letta://agents", "application/json")
    assert json.loads(content["text"]) == _agents_of(letta)


def test_the_prompts_are_listed(inspect: Inspect) -> None:
    prompts = inspect("prompts/list")["result"]["prompts"]

    assert [prompt["name"] for prompt in prompts] == [entry.name for entry in PROMPTS]


def test_a_prompt_is_written(inspect: Inspect, letta: FakeLetta) -> None:
    conversation = letta.add_conversation(next(iter(letta.store.agents.values())))

    wanted = ["--prompt-name", "brief_me", "--prompt-args", f"conversation={conversation.id}"]
    said, attached = inspect("prompts/get", *wanted)["result"]["messages"]

    assert conversation.id in said["content"]["text"]
    assert attached["content"]["resource"]["uri"].startswith(f"letta://conversations/{conversation.id}/messages")


def test_an_unknown_tool_is_refused(inspect: Inspect) -> None:
    answer = inspect("tools/call", "--tool-name", "forget_everything", exit_status=TOOL_FAILED)

    assert answer["error"]["code"] == "tool_not_found"


def _agents_of(letta: FakeLetta) -> Json:
    newest_first = reversed(letta.store.agents.values())
    agents = [{"id": agent.id, "name": agent.name, "description": None, "model": agent.model} for agent in newest_first]
    return {"agents": agents, "next_cursor": None}
