"""Our server before other real Lettas: one without Redis, one that asks for a password."""

import os
import signal
import subprocess
import sys

import pytest
from mcp import Client
from pydantic import SecretStr

from letta_conv_mcp.server import build_server
from letta_conv_mcp.settings import Settings
from tests.contract.scenario import PASSWORD
from tests.integration.calls import Progress, call, failure, new_conversation
from tests.integration.stdio import started
from tests.stack import Running
from tests.stack.seed import TOOLS, make_agent

pytestmark = [pytest.mark.anyio, pytest.mark.real_letta]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_without_redis_replies_come_whole_all_the_same(letta_without_redis: Running, mode: str) -> None:
    """Such a server refuses to stream in the background, and says so only when it is asked to."""
    agent_id = make_agent(letta_without_redis, "Ada", tools=TOOLS)
    async with Client(build_server(Settings(base_url=letta_without_redis.base_url)), mode=mode) as client:
        conversation_id = await new_conversation(client, agent_id)

        first = await call(client, "send_message", Progress(), conversation_id=conversation_id, message="one")
        second = await call(client, "send_message", conversation_id=conversation_id, message="two")
        asked = await call(
            client, "send_message", conversation_id=conversation_id, message="#tool delete_everything {}"
        )
        page = await call(client, "get_history", conversation_id=conversation_id, types=["user_message"])

    assert [reply["text"] for reply in (first, second)] == ["echo: one", "echo: two"]
    assert asked["status"] == "awaiting_approval"
    assert [message["text"] for message in page["messages"]] == ["one", "two", "#tool delete_everything {}"]


def test_without_redis_a_turn_is_found_again_after_its_process_was_killed(letta_without_redis: Running) -> None:
    """The run can't be followed again: its end is in its state and its messages."""
    agent_id = make_agent(letta_without_redis, "Ada")
    with started(letta_without_redis.base_url) as host:
        host.initialize()
        made = host.ask("tools/call", {"name": "create_conversation", "arguments": {"agent_id": agent_id}})
        conversation_id = made["structuredContent"]["id"]
        arguments = {"conversation_id": conversation_id, "message": "#slow 2 survived", "wait_seconds": 1}
        first = host.ask("tools/call", {"name": "send_message", "arguments": arguments})["structuredContent"]
        host.process.send_signal(signal.SIGKILL)
        host.ended(within=10)

    with started(letta_without_redis.base_url) as host:
        host.initialize()
        arguments = {"conversation_id": conversation_id}
        last = host.ask("tools/call", {"name": "wait_for_reply", "arguments": arguments})["structuredContent"]

    assert first["status"] == "running"
    assert (last["status"], last["text"]) == ("completed", "echo: survived")


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_password_is_sent_as_the_key(letta_with_password: Running, mode: str) -> None:
    agent_id = make_agent(letta_with_password, "Ada")
    settings = Settings(base_url=letta_with_password.base_url, api_key=SecretStr(PASSWORD))
    async with Client(build_server(settings), mode=mode) as client:
        conversation_id = await new_conversation(client, agent_id)

        reply = await call(client, "send_message", conversation_id=conversation_id, message="hello")

    assert reply["text"] == "echo: hello"


@pytest.mark.parametrize(
    ("key", "sentence"),
    [(None, "wants a key and LETTA_API_KEY is not set"), ("wrong", "refused the key in LETTA_API_KEY")],
)
async def test_a_wrong_or_missing_password_is_told_apart(
    letta_with_password: Running, key: str | None, sentence: str
) -> None:
    settings = Settings(base_url=letta_with_password.base_url, api_key=SecretStr(key) if key else None)
    async with Client(build_server(settings)) as client:
        for tool, arguments in (
            ("list_agents", {}),
            ("send_message", {"conversation_id": "conv-00000000-0000-4000-8000-000000000000", "message": "hello"}),
        ):
            assert sentence in await failure(client, tool, **arguments)


def test_the_key_appears_in_nothing_that_the_process_writes(letta_with_password: Running) -> None:
    """Even at the loudest level, with a refusal on the way."""
    key = "sk-never-to-be-seen-0123456789"
    environment = {**os.environ, "LETTA_BASE_URL": letta_with_password.base_url, "LETTA_API_KEY": key}
    result = subprocess.run(
        [sys.executable, "-m", "letta_conv_mcp", "demo", "--log-level", "DEBUG"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert result.returncode == 1
    assert "refused the key in LETTA_API_KEY" in result.stderr
    assert key not in result.stdout + result.stderr
