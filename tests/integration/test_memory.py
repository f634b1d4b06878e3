"""Reading and changing an agent's memory, and deleting conversations, as the rest of the house asks for it.

On a real Letta server and a real App Server; the fake has neither memory nor a prompt.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from mcp import Client

from letta_conv_mcp import errors
from letta_conv_mcp.letta.opening import open_letta
from letta_conv_mcp.letta.port import ConversationQuery, Letta, NewAgent, NewConversation
from letta_conv_mcp.server import build_server
from letta_conv_mcp.views import Agent
from tests.conftest import Place
from tests.integration.calls import call, failure

pytestmark = [pytest.mark.anyio, pytest.mark.real_letta]

NOBODY = "agent-00000000-0000-4000-8000-000000000000"


@pytest.fixture
def place(real_place_of_each_kind: Place) -> Place:
    return real_place_of_each_kind


@pytest.fixture
async def letta(place: Place) -> AsyncIterator[Letta]:
    async with open_letta(place.settings) as opened:
        yield opened


@pytest.fixture
async def agent(letta: Letta, place: Place) -> Agent:
    return await letta.create_agent(NewAgent(name="Mem", model=place.model, persona="I am Mem.", human="This is Bo."))


async def test_an_agents_memory_is_read_with_its_limits(letta: Letta, agent: Agent) -> None:
    blocks = {block.label: block for block in await letta.memory_blocks(agent.id)}

    assert {label: block.value for label, block in blocks.items()} == {"persona": "I am Mem.", "human": "This is Bo."}
    assert all(block.limit for block in blocks.values())
    assert not any(block.read_only for block in blocks.values())


async def test_a_block_that_is_changed_stands_in_a_new_conversations_prompt(
    letta: Letta, agent: Agent, place: Place
) -> None:
    changed = await letta.update_memory_block(agent.id, "human", "This is Kim now.\nShe likes green.")
    conversation = await letta.create_conversation(NewConversation(agent_id=agent.id))
    prompt = await letta.recompile_conversation(conversation.id)
    blocks = {block.label: block.value for block in await letta.memory_blocks(agent.id)}

    assert changed.value == blocks["human"] == "This is Kim now.\nShe likes green."
    assert blocks["persona"] == "I am Mem."
    assert "This is Kim now." in prompt


@pytest.mark.parametrize("label", ["nothing", "../../settings"])
async def test_an_unknown_block_is_named_and_nothing_is_made(letta: Letta, agent: Agent, label: str) -> None:
    with pytest.raises(errors.BlockNotFound):
        await letta.update_memory_block(agent.id, label, "x")

    assert len(await letta.memory_blocks(agent.id)) == 2


async def test_the_memory_of_an_unknown_agent_is_an_unknown_agent(letta: Letta) -> None:
    with pytest.raises(errors.AgentNotFound):
        await letta.memory_blocks(NOBODY)


async def test_a_value_that_is_too_long_is_refused(letta: Letta, agent: Agent) -> None:
    (limit,) = {block.limit for block in await letta.memory_blocks(agent.id)}
    assert limit is not None
    with pytest.raises(errors.BlockUnchangeable, match=f"holds {limit} characters at most"):
        await letta.update_memory_block(agent.id, "human", "x" * (limit + 1))

    blocks = {block.label: block.value for block in await letta.memory_blocks(agent.id)}
    assert blocks["human"] == "This is Bo."


async def test_the_longest_value_is_kept_whole(letta: Letta, agent: Agent) -> None:
    (limit,) = {block.limit for block in await letta.memory_blocks(agent.id)}
    assert limit is not None
    await letta.update_memory_block(agent.id, "human", "x" * min(limit, 100_000))

    blocks = {block.label: block.value for block in await letta.memory_blocks(agent.id)}
    assert len(blocks["human"]) == min(limit, 100_000)


async def test_a_conversation_is_deleted_where_the_server_can(letta: Letta, agent: Agent, place: Place) -> None:
    conversation = await letta.create_conversation(NewConversation(agent_id=agent.id))
    if place.rig:
        with pytest.raises(errors.NotSupported):
            await letta.delete_conversation(conversation.id)
        return
    await letta.delete_conversation(conversation.id)

    assert await letta.conversations(ConversationQuery(agent_id=agent.id), limit=10) == []
    with pytest.raises(errors.ConversationNotFound):
        await letta.delete_conversation(conversation.id)
    with pytest.raises(errors.OwnThread):
        await letta.delete_conversation(f"default:{agent.id}")


@pytest.fixture
async def client(place: Place) -> AsyncIterator[Client]:
    async with Client(build_server(place.settings)) as connected:
        yield connected


async def values(client: Client, agent_id: str) -> dict[str, str]:
    """The blocks as read_memory shows them."""
    memory = await call(client, "read_memory", agent_id=agent_id)
    assert memory["agent_id"] == agent_id
    return {block["label"]: block["value"] for block in memory["blocks"]}


async def test_memory_is_read_and_changed_whole_or_in_part_by_an_agents_name(client: Client, place: Place) -> None:
    name = f"Mem of {place.agent_id}"
    agent_id = await place.new_agent(client, name)

    whole = await call(client, "update_memory", agent_id=name, label="human", value="This is Kim.\nShe likes green.")
    part = await call(client, "update_memory", agent_id=name, label="human", old_text="green", new_text="blue")
    cleared = await call(client, "update_memory", agent_id=name, label="persona", old_text="I am Mem.", new_text="")

    assert (whole["label"], whole["value"]) == ("human", "This is Kim.\nShe likes green.")
    assert part["value"] == "This is Kim.\nShe likes blue."
    assert cleared["value"] == ""
    assert await values(client, agent_id) == {"persona": "", "human": "This is Kim.\nShe likes blue."}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({}, "give either value, or old_text with new_text"),
        ({"old_text": "Bo"}, "give either value, or old_text with new_text"),
        ({"new_text": "Bo"}, "give either value, or old_text with new_text"),
        ({"value": "x", "old_text": "Bo", "new_text": "Kim"}, "give either value, or old_text with new_text"),
        ({"value": "x", "new_text": "Kim"}, "give either value, or old_text with new_text"),
        ({"old_text": "Kim", "new_text": "Bo"}, "old_text stands 0 times in the memory block 'human'"),
        ({"old_text": "s", "new_text": "z"}, "old_text stands 2 times in the memory block 'human'"),
        ({"label": "nothing", "value": "x"}, "has no memory block 'nothing'"),
        ({"label": "nothing", "old_text": "x", "new_text": "y"}, "has no memory block 'nothing'"),
    ],
)
async def test_a_change_that_can_not_be_meant_so_changes_nothing(
    client: Client, place: Place, arguments: dict[str, str], problem: str
) -> None:
    agent_id = await place.new_agent(client)

    sentence = await failure(client, "update_memory", **{"agent_id": agent_id, "label": "human", **arguments})

    assert problem in sentence
    assert await values(client, agent_id) == {"persona": "I am Mem.", "human": "This is Bo."}


async def test_an_agent_is_shown_with_the_labels_of_its_memory(client: Client, place: Place) -> None:
    agent_id = await place.new_agent(client, "Shown")

    shown = await call(client, "retrieve_agent", agent_id=agent_id)

    assert (shown["id"], shown["name"], sorted(shown["memory_blocks"])) == (agent_id, "Shown", ["human", "persona"])
    assert "No agent" in await failure(client, "retrieve_agent", agent_id=NOBODY)


async def test_a_conversation_whose_prompt_is_older_than_the_memory_is_told(client: Client, place: Place) -> None:
    """LETTA: 0.16.8 compiles the memory into the prompt when a conversation is made. An App Server shows no prompt."""
    agent_id = await place.new_agent(client)
    conversation_id = await place.new_conversation(client, agent_id)
    about: dict[str, Any] = {"conversation_id": conversation_id}

    fresh = await call(client, "read_memory", **about)
    await call(client, "update_memory", agent_id=agent_id, label="human", value="This is Kim.")
    stale = await call(client, "read_memory", **about, agent_id=agent_id)
    await call(client, "recompile_conversation", **about)
    again = await call(client, "read_memory", **about)

    told = [memory.get("prompt_is_current") for memory in (fresh, stale, again)]
    assert told == ([None] * 3 if place.rig else [True, False, True])
    assert [memory["agent_id"] for memory in (fresh, stale, again)] == [agent_id] * 3
    assert {block["label"]: block["value"] for block in stale["blocks"]}["human"] == "This is Kim."


async def test_the_memory_of_another_agents_conversation_is_not_mixed_up(client: Client, place: Place) -> None:
    conversation_id = await place.new_conversation(client)

    sentence = await failure(
        client, "read_memory", conversation_id=conversation_id, agent_id=await place.new_agent(client)
    )

    assert "the conversation is another agent's" in sentence
