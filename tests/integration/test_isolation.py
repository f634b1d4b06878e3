"""Conversations with memory blocks of their own, on a real Letta server; an App Server has none, and says so."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from mcp import Client

from letta_conv_mcp.letta.opening import open_letta
from letta_conv_mcp.letta.port import Letta, NewAgent
from letta_conv_mcp.server import build_server
from letta_conv_mcp.views import Agent
from tests.conftest import Place
from tests.fake import Answer, FakeLetta
from tests.integration.calls import call, failure

pytestmark = pytest.mark.anyio


@pytest.fixture
async def letta(real_place: Place) -> AsyncIterator[Letta]:
    async with open_letta(real_place.settings) as opened:
        yield opened


@pytest.fixture
async def agent(letta: Letta, real_place: Place) -> Agent:
    return await letta.create_agent(
        NewAgent(name="Mem", model=real_place.model, persona="I am Mem.", human="This is Bo.")
    )


@pytest.fixture
async def client(real_place: Place) -> AsyncIterator[Client]:
    async with Client(build_server(real_place.settings)) as connected:
        yield connected


@pytest.mark.real_letta
async def test_what_an_agent_learns_in_an_isolated_block_stays_in_its_conversation(
    client: Client, letta: Letta, agent: Agent
) -> None:
    made = await call(client, "create_conversation", agent_id=agent.id, isolated_blocks=["human"])
    change = json.dumps({"label": "human", "old_string": "Bo", "new_string": "Kim"})
    await call(client, "send_message", conversation_id=made["id"], message=f"#tool memory_replace {change}")

    shown = await call(client, "retrieve_conversation", conversation_id=made["id"])
    memory = await call(client, "read_memory", conversation_id=made["id"])
    assert shown["isolated_blocks"] == ["human"]
    assert [(block["label"], block["value"]) for block in memory["isolated_blocks"]] == [("human", "This is Kim.")]
    assert {block["label"]: block["value"] for block in memory["blocks"]}["human"] == "This is Bo."
    assert [(block.label, block.value) for block in await letta.own_blocks(made["id"])] == [("human", "This is Kim.")]
    assert {block.label: block.value for block in await letta.memory_blocks(agent.id)}["human"] == "This is Bo."


@pytest.mark.real_letta
async def test_a_conversation_without_any_shows_none(client: Client, letta: Letta, agent: Agent) -> None:
    made = await call(client, "create_conversation", agent_id=agent.id, isolated_blocks=[])
    for conversation_id in (made["id"], f"default:{agent.id}"):
        shown = await call(client, "retrieve_conversation", conversation_id=conversation_id)
        assert "isolated_blocks" not in shown
        assert await letta.own_blocks(conversation_id) == []


@pytest.mark.real_letta
async def test_a_conversation_with_isolated_blocks_is_not_recompiled(
    client: Client, letta: Letta, agent: Agent
) -> None:
    """LETTA: 0.16.8 puts the shared block into its prompt, and so gives away what was kept apart."""
    made = await call(client, "create_conversation", agent_id=agent.id, isolated_blocks=["human"])
    before = await letta.messages(made["id"], order="asc", limit=1)
    refused = await failure(client, "recompile_conversation", conversation_id=made["id"])

    assert "has isolated memory blocks" in refused
    assert await letta.messages(made["id"], order="asc", limit=1) == before


@pytest.mark.real_letta
async def test_a_block_that_is_not_there_is_named_and_no_conversation_is_made(client: Client, agent: Agent) -> None:
    about: dict[str, Any] = {"agent_id": agent.id}
    refused = await failure(client, "create_conversation", **about, isolated_blocks=["human", "mood"])

    assert refused.startswith(f"{agent.id!r} has no memory block 'mood'.")
    assert (await call(client, "list_conversations", **about))["conversations"] == []


@pytest.mark.real_letta
async def test_an_app_server_says_that_it_keeps_none_apart(app_server_place: Place) -> None:
    async with Client(build_server(app_server_place.settings)) as client:
        about: dict[str, Any] = {"agent_id": app_server_place.agent_id}
        refused = await failure(client, "create_conversation", **about, isolated_blocks=["human"])

    assert "can't keep memory blocks apart in a conversation" in refused


async def test_a_letta_that_leaves_it_out_without_a_word_is_found_out(fake: FakeLetta, fake_client: Client) -> None:
    """Ours: what is meant to be kept apart must not be shared in silence. The fake knows no memory."""
    agent = fake.add_agent("Ada")
    blocks = [{"label": "human", "value": "This is Bo."}]
    fake.fail("GET", f"/v1/agents/{agent.id}/core-memory/blocks", Answer(200, blocks))
    refused = await failure(fake_client, "create_conversation", agent_id=agent.id, isolated_blocks=["human"])

    assert "keeps no memory blocks apart in it" in refused
