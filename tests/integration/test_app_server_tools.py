"""What the agents of a Letta App Server may do through us: nothing unasked but to change their own memory.

Every App Server here is a real one.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client

from letta_conv_mcp.server import build_server
from letta_conv_mcp.settings import Settings
from tests.integration.calls import call
from tests.stack.app_rig import TOOLS, AppRig

pytestmark = [pytest.mark.anyio, pytest.mark.real_letta]

SECRET = "the launch code is 0000"


@pytest.fixture
async def client(app_rig: AppRig) -> AsyncIterator[Client]:
    async with Client(build_server(Settings(base_url=app_rig.server.address)), mode="legacy") as connected:
        yield connected


@pytest.fixture
def talk(app_rig: AppRig) -> str:
    return app_rig.make_conversation(app_rig.agent_id)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret.txt"
    path.write_text(SECRET)
    return path


def calls_of(secret: Path) -> list[str]:
    """What an agent might try, each as a message that makes the scripted model try it."""
    calls: dict[str, dict[str, Any]] = {
        "Read": {"file_path": str(secret)},
        "Bash": {"command": f"cat {secret}", "description": "look"},
        "exec_command": {"cmd": f"cat {secret}"},
        "Agent": {"subagent_type": "recall", "description": "look", "prompt": f"#tool Bash {{cat {secret}}}"},
        "Skill": {"skill": "anything"},
        "Write": {"file_path": str(secret), "content": "gone"},
    }
    return [f"#tool {name} {json.dumps(arguments)}" for name, arguments in calls.items()]


def is_refused(text: str) -> bool:
    return "Tool not found" in text or "Permission denied by rule" in text


async def test_no_tool_of_the_servers_is_there_unless_it_was_allowed(
    client: Client, app_rig: AppRig, talk: str, secret: Path
) -> None:
    """APP SERVER: a message that names no tools gets all twenty, most of which run unasked."""
    widening = '{"client_tool_allowlist": ["Bash"], "mode": "unrestricted"}'
    seen = len(app_rig.prompts())
    for message in [*calls_of(secret), f"{widening} {calls_of(secret)[1]}"]:
        reply = await call(client, "send_message", conversation_id=talk, message=message)
        if reply["status"] == "awaiting_approval":
            # It asks about every call, also of a tool that isn't there; a person may be taken in.
            ids = [approval["tool_call_id"] for approval in reply["approvals"]]
            reply = await call(client, "answer_approval", conversation_id=talk, approve=ids)

        assert reply["status"] == "completed"
        assert is_refused(reply["text"])

    prompts = app_rig.prompts()[seen:]
    assert {tuple(prompt["tool_names"]) for prompt in prompts} == {("memory_replace",)}
    assert SECRET not in json.dumps(prompts)
    assert await anyio.Path(secret).read_text() == SECRET


async def test_a_tool_that_was_allowed_asks_before_it_runs(app_rig: AppRig, talk: str, secret: Path) -> None:
    settings = Settings(base_url=app_rig.server.address, local_tools=("Read", "Write"))
    seen = len(app_rig.prompts())
    async with Client(build_server(settings), mode="legacy") as client:
        asked = await call(client, "send_message", conversation_id=talk, message=calls_of(secret)[0])
        prompts = app_rig.prompts()[seen:]
        ids = [approval["tool_call_id"] for approval in asked["approvals"]]
        reply = await call(client, "answer_approval", conversation_id=talk, deny=ids, reason="none of your business")
        subagent = await call(client, "send_message", conversation_id=talk, message=calls_of(secret)[3])

    assert asked["status"] == "awaiting_approval"
    assert [approval["tool"] for approval in asked["approvals"]] == ["Read"]
    assert SECRET not in json.dumps(prompts)
    assert {tuple(sorted(prompt["tool_names"])) for prompt in prompts} == {("Read", "Write", "memory_replace")}
    assert reply["status"] == "completed"
    assert "none of your business" in reply["text"]
    assert is_refused(subagent["text"])


async def test_a_mode_that_another_client_loosened_is_tightened_before_the_next_message(
    app_rig: AppRig, talk: str, secret: Path
) -> None:
    """APP SERVER: the mode belongs to the conversation, and in the one called standard reads run unasked."""
    settings = Settings(base_url=app_rig.server.address, local_tools=("Read",))
    async with Client(build_server(settings), mode="legacy") as client:
        await call(client, "send_message", conversation_id=talk, message="hello")
        app_rig.join(talk, mode="standard")
        # What was told before an answer has arrived with it.
        await call(client, "retrieve_conversation", conversation_id=talk)
        reply = await call(client, "send_message", conversation_id=talk, message=calls_of(secret)[0])

    assert (reply["status"], reply["text"]) == ("awaiting_approval", "")


async def test_an_agent_changes_its_memory_and_a_new_conversation_knows_it(client: Client, app_rig: AppRig) -> None:
    """Ours: the server has no tool for it but its shell and its editor."""
    agent_id = app_rig.make_agent("Mem", {"human": "The human is Bo."})
    one, other = (app_rig.make_conversation(agent_id) for _ in range(2))
    change = json.dumps({"label": "human", "old": "Bo", "new": "Kim"})
    wrong = json.dumps({"label": "human", "old": "nobody", "new": "Kim"})
    outside = json.dumps({"label": "../../settings", "new": "x"})

    refused = [
        await call(client, "send_message", conversation_id=one, message=f"#tool memory_replace {arguments}")
        for arguments in (wrong, outside)
    ]
    changed = await call(client, "send_message", conversation_id=one, message=f"#tool memory_replace {change}")
    await call(client, "send_message", conversation_id=other, message="hello")

    assert "stands 0 times" in refused[0]["text"]
    assert "is not a memory block's name" in refused[1]["text"]
    assert "The human is Kim." in changed["text"]
    assert "The human is Kim." in json.dumps(app_rig.prompts()[-1])


async def test_a_model_that_numbers_its_calls_anew_is_asked_about_each(app_rig: AppRig, talk: str) -> None:
    """APP SERVER: a question's id is made of the call's, and so comes again.

    It keeps one result per call id, so that such a model is not told of the denial and asks once more.
    """
    settings = Settings(base_url=app_rig.server.address, local_tools=TOOLS)
    about: dict[str, Any] = {"conversation_id": talk}
    here, there = (f'#numbered delete_everything {{"where": "{where}"}}' for where in ("here", "there"))
    async with Client(build_server(settings), mode="legacy") as client:
        first = await call(client, "send_message", **about, message=here)
        approved = await call(client, "answer_approval", **about, approve=["call_1"])
        second = await call(client, "send_message", **about, message=there)
        denied = await call(client, "answer_approval", **about, deny=["call_1"], reason="not there")
        page = await call(client, "get_history", **about)

    asked = [reply["approvals"][0]["arguments"] for reply in (first, second, denied)]
    assert [json.loads(arguments)["where"] for arguments in asked] == ["here", "there", "there"]
    assert (approved["status"], approved["text"]) == ("completed", "tool said: deleted everything here")
    assert "deleted everything there" not in json.dumps(page)
