"""Finding what was said: by Letta's own search where it has one, else by a bounded walk that says how far it looked."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from mcp import Client

from letta_conv_mcp import search
from letta_conv_mcp.server import build_server
from letta_conv_mcp.settings import ALL_TOOLSETS, Settings
from tests.conftest import Place
from tests.fake import Answer, FakeLetta
from tests.integration.calls import call, failure

pytestmark = pytest.mark.anyio


@pytest.fixture
async def fake_client(fake: FakeLetta) -> AsyncIterator[Client]:
    async with Client(build_server(Settings(base_url=fake.base_url, toolsets=ALL_TOOLSETS))) as connected:
        yield connected


async def said(client: Client, place: Place, agent_id: str, *messages: str) -> str:
    conversation_id = await place.new_conversation(client, agent_id)
    for message in messages:
        await call(client, "send_message", conversation_id=conversation_id, message=message)
    return conversation_id


async def test_messages_are_found_in_one_conversation_or_in_all_of_an_agents(client: Client, place: Place) -> None:
    name = f"Searched {uuid4().hex[:8]}"
    agent_id = await place.new_agent(client, name)
    first = await said(client, place, agent_id, "the March invoice is paid", "something else")
    second = await said(client, place, agent_id, "which INVOICE of march?")

    here = await call(client, "search_messages", conversation_id=first, query="march invoice")
    everywhere = await call(client, "search_messages", agent_id=name, query="March invoice")
    nowhere = await call(client, "search_messages", agent_id=agent_id, query="april invoice")

    assert {hit["conversation_id"] for hit in here["hits"]} == {first}
    assert {hit["text"] for hit in here["hits"]} == {"the March invoice is paid", "echo: the March invoice is paid"}
    assert {hit["conversation_id"] for hit in everywhere["hits"]} == {first, second}
    dates = [hit["date"] for hit in everywhere["hits"]]
    assert dates == sorted(dates, reverse=True)
    assert nowhere["hits"] == []
    assert nowhere["searched"].endswith("; there is nothing further")
    page = await call(client, "get_history", conversation_id=first, after=here["hits"][-1]["message_id"], limit=1)
    assert page["messages"]


async def test_letta_s_own_search_is_asked_where_it_has_one(fake: FakeLetta, fake_client: Client) -> None:
    """LETTA: rows of `POST /v1/messages/search`; only Letta Cloud has it."""
    agent = fake.add_agent("Ada")
    row = {
        "message_type": "user_message",
        "message_id": "message-1",
        "agent_id": agent.id,
        "conversation_id": "conv-1",
        "created_at": "2026-01-02T03:04:05+00:00",
        "content": "x" * 1000 + " the March invoice",
    }
    reasoning = {**row, "message_type": "reasoning_message", "reasoning": "An invoice?", "conversation_id": None}
    fake.fail("POST", "/v1/messages/search", Answer(200, [row, reasoning]))

    found = await call(fake_client, "search_messages", agent_id="Ada", query="invoice", limit=5)

    assert found["searched"] == "Letta's own index"
    assert [(hit["conversation_id"], hit["message_id"], hit["type"]) for hit in found["hits"]] == [
        ("conv-1", "message-1", "user_message"),
        (None, "message-1", "reasoning_message"),
    ]
    assert found["hits"][0]["text"].endswith(" the March invoice")
    assert len(found["hits"][0]["text"]) == search.SNIPPET_CHARS + 1
    [asked] = fake.requests_to("POST", "/v1/messages/search")
    assert asked.body == {"query": "invoice", "agent_id": agent.id, "limit": 5}


async def test_a_walk_ends_at_its_bound_and_says_so(
    fake: FakeLetta, fake_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MESSAGES", 250)
    agent = fake.add_agent("Ada")
    long, short = fake.add_conversation(agent), fake.add_conversation(agent)
    fake.add_messages(long, 1_000)
    fake.add_messages(short, 10)

    found = await call(fake_client, "search_messages", agent_id="Ada", query="nowhere to be found")

    assert found["hits"] == []
    assert found["searched"].endswith("; further ones were not looked at")
    assert "of 3 conversations" in found["searched"], "the long one must not hide the others"


async def test_hits_are_as_many_as_were_asked_for(fake: FakeLetta, fake_client: Client) -> None:
    talk = fake.add_conversation(fake.add_agent("Ada"))
    fake.add_messages(talk, 300)

    found = await call(fake_client, "search_messages", conversation_id=talk.id, query="good morning", limit=3)

    assert len(found["hits"]) == 3
    assert found["searched"].endswith("; further ones were not looked at")


async def test_an_unknown_conversation_is_named(client: Client) -> None:
    sentence = await failure(client, "search_messages", conversation_id="conv-nobody", query="x")

    assert "No conversation 'conv-nobody'" in sentence


async def test_a_failure_of_letta_s_search_is_told(fake: FakeLetta, fake_client: Client) -> None:
    """Ours: only a Letta that has no search is looked through; one that failed is not."""
    fake.add_agent("Ada")
    fake.fail("POST", "/v1/messages/search", Answer(401, {"detail": "Unauthorized"}), times=None)

    assert "wants a key" in await failure(fake_client, "search_messages", agent_id="Ada", query="x")


async def test_hits_that_are_left_out_are_counted(fake: FakeLetta, fake_client: Client) -> None:
    """Ours: nothing is said to be all when it is not."""
    talk = fake.add_conversation(fake.add_agent("Ada"))
    fake.add_messages(talk, 60)

    everything = await call(fake_client, "search_messages", conversation_id=talk.id, query="a", limit=100)
    some = await call(fake_client, "search_messages", conversation_id=talk.id, query="a", limit=2)

    assert some["hits"] == everything["hits"][:2]
    assert f"; {len(everything['hits']) - 2} more of them fit, so narrow the query" in some["searched"]
    assert "more of them fit" not in everything["searched"]


async def test_the_newest_page_of_every_conversation_is_looked_at(fake: FakeLetta, fake_client: Client) -> None:
    """Ours: enough hits in one must not hide newer ones in another."""
    agent = fake.add_agent("Ada")
    talks = [fake.add_conversation(agent) for _ in range(3)]
    for talk in talks:
        fake.add_messages(talk, 20)

    found = await call(fake_client, "search_messages", agent_id="Ada", query="good morning", limit=1)

    assert len(found["hits"]) == 1
    assert "of 4 conversations" in found["searched"]
