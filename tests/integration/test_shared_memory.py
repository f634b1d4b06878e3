"""What an agent's memory is in one conversation it is in all, seen in what the model is sent.

LETTA: a server 0.16.8 goes on with the memory that a conversation began with. APP SERVER: 0.34.12 tells a conversation
of a change with its next message only, and has forgotten it with the one after that.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from mcp import Client

from letta_conv_mcp.letta.opening import open_letta
from letta_conv_mcp.letta.port import Letta, NewAgent
from letta_conv_mcp.server import build_server
from letta_conv_mcp.turns import memories
from letta_conv_mcp.views import Agent
from tests.conftest import Place
from tests.integration.calls import call
from tests.stack.seed import TOOLS, make_agent

pytestmark = [pytest.mark.anyio, pytest.mark.real_letta]

OLD, NEW = "This is Bo.", "This is Kim."


@pytest.fixture
def place(real_place_of_each_kind: Place) -> Place:
    return real_place_of_each_kind


@pytest.fixture(autouse=True)
def memory_is_asked_for_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memories, "KNOWN_SECONDS", 0.0)


@pytest.fixture
async def other_client(place: Place) -> AsyncIterator[Letta]:
    """Another client of the same Letta, which our server knows nothing of."""
    async with open_letta(place.settings) as opened:
        yield opened


@pytest.fixture
async def agent(other_client: Letta, place: Place) -> Agent:
    """With Letta's own memory tools; on an App Server with ours."""
    return await other_client.create_agent(NewAgent(name="Mem", model=place.model, persona="I am Mem.", human=OLD))


@pytest.fixture
def guarded_agent_id(request: pytest.FixtureRequest, place: Place) -> str:
    """An agent that has to ask before it deletes everything."""
    if place.rig:
        return place.rig.make_agent("Guarded", {"human": OLD})
    return make_agent(request.getfixturevalue("real_letta"), "Guarded", tools=TOOLS, blocks={"human": OLD})


@pytest.fixture
async def client(place: Place) -> AsyncIterator[Client]:
    async with Client(build_server(place.settings)) as connected:
        yield connected


def told(place: Place, message: str) -> list[str]:
    """Which of the two the model was told first of all, when it was last sent this message."""
    assert place.prompts is not None
    prompt = [prompt for prompt in place.prompts() if prompt["text"] == message][-1]
    system = json.dumps(prompt["request"]["messages"][0])
    return [value for value in (OLD, NEW) if value in system]


async def say(client: Client, conversation_id: str, message: str) -> bool | None:
    """Whether the reply says that the memory was refreshed."""
    reply = await call(client, "send_message", conversation_id=conversation_id, message=message)
    assert reply["status"] == "completed"
    return reply.get("memory_refreshed")


def change(place: Place) -> str:
    """A message that makes the scripted model change its memory by its own tool."""
    names = ("old", "new") if place.rig else ("old_string", "new_string")
    return f"#tool memory_replace {json.dumps({'label': 'human', **dict(zip(names, (OLD, NEW), strict=True))})}"


async def test_a_block_that_another_client_changed_is_in_the_next_prompt_of_a_conversation(
    client: Client, other_client: Letta, agent: Agent, place: Place
) -> None:
    talk = await place.new_conversation(client, agent.id)
    before = await say(client, talk, "one")
    await other_client.update_memory_block(agent.id, "human", NEW)
    refreshed = await say(client, talk, "two")
    after = await say(client, talk, "three")

    assert (before, refreshed, after) == (None, True, None)
    assert [told(place, message) for message in ("one", "two", "three")] == [[OLD], [NEW], [NEW]]


async def test_a_block_that_was_changed_from_here_is_in_the_next_prompt(
    agent: Agent, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours: at once, however short a time ago the memory was asked for."""
    monkeypatch.setattr(memories, "KNOWN_SECONDS", 60.0)
    async with Client(build_server(replace(place.settings, toolsets=("core", "memory")))) as client:
        talk = await place.new_conversation(client, agent.id)
        await say(client, talk, "one")
        await call(client, "update_memory", agent_id=agent.id, label="human", value=NEW)
        refreshed = [await say(client, talk, message) for message in ("two", "three")]

    assert refreshed == [True, None]
    assert [told(place, message) for message in ("one", "two", "three")] == [[OLD], [NEW], [NEW]]


async def test_what_an_agent_changed_in_one_conversation_it_knows_in_another(
    client: Client, agent: Agent, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours: at once, however short a time ago its memory was asked for."""
    monkeypatch.setattr(memories, "KNOWN_SECONDS", 60.0)
    one, other = [await place.new_conversation(client, agent.id) for _ in range(2)]
    await say(client, other, "before")
    await say(client, one, change(place))
    refreshed = [await say(client, talk, f"after in {name}") for name, talk in (("other", other), ("one", one))]

    assert refreshed == [True, True]
    assert [told(place, message) for message in ("before", "after in other", "after in one")] == [[OLD], [NEW], [NEW]]


async def test_a_server_that_was_restarted_finds_the_prompt_that_is_too_old(
    client: Client, other_client: Letta, agent: Agent, place: Place
) -> None:
    talk = await place.new_conversation(client, agent.id)
    await say(client, talk, "one")
    await other_client.update_memory_block(agent.id, "human", NEW)
    async with Client(build_server(place.settings)) as restarted:
        refreshed = [await say(restarted, talk, message) for message in ("two", "three")]

    # An App Server shows its prompts to nobody, so nothing is claimed.
    assert refreshed == [None if place.rig else True, None]
    assert [told(place, message) for message in ("two", "three")] == [[NEW], [NEW]]


async def test_a_conversation_that_knows_all_is_left_as_it_is(client: Client, agent: Agent, place: Place) -> None:
    talk = await place.new_conversation(client, agent.id)
    thread = f"default:{agent.id}"

    assert [await say(client, place_of, "hello") for place_of in (talk, thread, talk, thread)] == [None] * 4


async def test_the_agents_own_thread_is_brought_up_to_date_too(
    client: Client, other_client: Letta, agent: Agent, place: Place
) -> None:
    """LETTA: a REST server does that by itself."""
    thread = f"default:{agent.id}"
    await say(client, thread, "one")
    await other_client.update_memory_block(agent.id, "human", NEW)
    refreshed = [await say(client, thread, message) for message in ("two", "three")]

    assert refreshed == [True if place.rig else None, None]
    assert [told(place, message) for message in ("one", "two", "three")] == [[OLD], [NEW], [NEW]]


async def test_a_server_that_is_told_never_to_leaves_conversations_as_they_began(
    other_client: Letta, agent: Agent, place: Place
) -> None:
    async with Client(build_server(replace(place.settings, refresh_memory="never"))) as client:
        talk = await place.new_conversation(client, agent.id)
        await say(client, talk, "one")
        await other_client.update_memory_block(agent.id, "human", NEW)
        refreshed = [await say(client, talk, message) for message in ("two", "three")]

    assert refreshed == [None, None]
    # This is how an App Server tells of a change, once.
    assert told(place, "two") == ([OLD, NEW] if place.rig else [OLD])
    assert told(place, "three") == [OLD]


async def test_a_conversation_with_blocks_of_its_own_is_left_as_it_is(
    client: Client, other_client: Letta, agent: Agent, place: Place
) -> None:
    """LETTA: 0.16.8 would put the agent's block in the place of the conversation's own."""
    if place.rig:
        pytest.skip("an App Server has no such blocks")
    async with httpx.AsyncClient(base_url=place.base_url, trust_env=False) as http:
        body = {"isolated_block_labels": ["human"]}
        made = await http.post("/v1/conversations/", params={"agent_id": agent.id}, json=body)
    talk = made.raise_for_status().json()["id"]
    await other_client.update_memory_block(agent.id, "human", NEW)

    assert await say(client, talk, "one") is None
    assert told(place, "one") == [OLD]


async def test_nothing_is_refreshed_while_an_approval_is_pending(
    client: Client, other_client: Letta, guarded_agent_id: str, place: Place
) -> None:
    """Ours: what the person is asked about stays as it was asked; afterwards it is brought up to date."""
    talk = await place.new_conversation(client, guarded_agent_id)
    about: dict[str, Any] = {"conversation_id": talk}
    asked = await call(client, "send_message", **about, message="#tool delete_everything")
    await other_client.update_memory_block(guarded_agent_id, "human", NEW)
    before = await other_client.prompt(talk)
    refused = await call(client, "send_message", **about, message="hello")
    ids = [approval["tool_call_id"] for approval in asked["approvals"]]
    answered = await call(client, "answer_approval", **about, deny=ids)
    after = await other_client.prompt(talk)

    assert (asked["status"], refused["status"], answered["status"]) == (*("awaiting_approval",) * 2, "completed")
    assert refused.get("memory_refreshed") is answered.get("memory_refreshed") is None
    assert before == after
    assert await say(client, talk, "at last") is True
    assert told(place, "at last") == [NEW]
