"""Deleting a conversation, on a real Letta server: only after somebody has agreed. An App Server deletes nothing."""

from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import pytest
from mcp import Client
from mcp_types import INTERNAL_ERROR, ElicitResult, ErrorData

from letta_conv_mcp.server import build_server
from tests.conftest import Place
from tests.integration.calls import call, failure
from tests.integration.test_elicitation import Person, chose, host

pytestmark = [pytest.mark.anyio, pytest.mark.real_letta]


@pytest.fixture
def place(real_place: Place) -> Place:
    return real_place


@pytest.fixture
async def client(place: Place, era: str) -> AsyncIterator[Client]:
    async with Client(build_server(place.settings), mode=era) as connected:
        yield connected


async def is_there(client: Client, conversation_id: str) -> bool:
    result = await client.call_tool("retrieve_conversation", {"conversation_id": conversation_id})
    return not result.is_error


async def test_without_a_word_of_the_persons_nothing_is_deleted(client: Client, place: Place) -> None:
    about = {"conversation_id": await place.new_conversation(client)}

    sentence = await failure(client, "delete_conversation", **about)

    assert sentence.endswith("ask the person, then call again with confirm true.")
    assert await is_there(client, about["conversation_id"])


async def test_a_confirmed_deletion_says_what_is_gone_and_that_it_stays_so(client: Client, place: Place) -> None:
    made = await call(client, "create_conversation", agent_id=place.agent_id, summary="Old plans")

    gone = await call(client, "delete_conversation", conversation_id=made["id"], confirm=True)

    assert gone == {
        "conversation_id": made["id"],
        "agent_id": place.agent_id,
        "summary": "Old plans",
        "in_context_count": 1,
        "note": "It can't be undone.",
    }
    assert not await is_there(client, made["id"])
    assert "No conversation" in await failure(client, "delete_conversation", conversation_id=made["id"], confirm=True)


async def test_where_the_host_can_ask_the_person_decides(place: Place, era: str) -> None:
    person = Person([chose("delete")])
    async with host(place.settings, era, person) as client:
        made = await call(client, "create_conversation", agent_id=place.agent_id, summary="Old plans")

        gone = await call(client, "delete_conversation", conversation_id=made["id"])

        assert gone["conversation_id"] == made["id"]
        assert not await is_there(client, made["id"])
    assert person.asked == [
        f"Delete the conversation 'Old plans' ({made['id']}) with all its messages? This can't be undone."
    ]
    assert person.schemas[0]["properties"]["decision"]["enum"] == ["delete", "keep"]


@pytest.mark.parametrize(
    "answer",
    [
        chose("keep"),
        chose("approve"),
        ElicitResult(action="accept", content={}),
        ElicitResult(action="decline"),
        ElicitResult(action="cancel"),
    ],
    ids=["keep", "another word", "no word", "decline", "cancel"],
)
async def test_what_is_no_agreement_deletes_nothing_whatever_the_model_says(
    place: Place, era: str, answer: ElicitResult
) -> None:
    async with host(place.settings, era, Person([answer])) as client:
        conversation_id = await place.new_conversation(client)

        sentence = await failure(client, "delete_conversation", conversation_id=conversation_id, confirm=True)

        assert sentence.endswith("The person was asked and did not agree; don't call again unless they ask for it.")
        assert await is_there(client, conversation_id)


async def test_a_host_that_may_not_be_asked_has_its_model_confirm(place: Place, era: str) -> None:
    person = Person([])
    async with host(replace(place.settings, elicitation=False), era, person) as client:
        conversation_id = await place.new_conversation(client)

        await call(client, "delete_conversation", conversation_id=conversation_id, confirm=True)

    assert person.asked == []


async def test_an_agents_own_thread_is_not_deleted(client: Client, place: Place) -> None:
    sentence = await failure(client, "delete_conversation", conversation_id=f"default:{place.agent_id}", confirm=True)

    assert sentence.startswith("An agent's own thread can't be deleted.")


@pytest.mark.parametrize("kind", ["real", "app_server"])
async def test_an_agent_is_deleted_with_its_conversations_once_it_was_agreed(
    request: pytest.FixtureRequest, kind: str, era: str
) -> None:
    place: Place = request.getfixturevalue(f"{kind}_place")
    name = f"Short-lived {uuid4().hex[:8]}"
    person = Person([chose("keep"), chose("delete")])
    async with host(place.settings, era, person) as client:
        agent_id = await place.new_agent(client, name)
        conversation_id = await place.new_conversation(client, agent_id)

        refused = await failure(client, "delete_agent", agent_id=name, confirm=True)
        is_kept = (await call(client, "retrieve_agent", agent_id=name))["id"] == agent_id
        gone = await call(client, "delete_agent", agent_id=name)

        assert "did not agree" in refused
        assert is_kept
        assert gone == {"agent_id": agent_id, "name": name, "note": "It can't be undone."}
        what = f"the agent {name!r} ({agent_id}) with its memory and all its conversations"
        assert person.asked == [f"Delete {what}? This can't be undone."] * 2
        assert "No agent" in await failure(client, "retrieve_agent", agent_id=name)
        assert not await is_there(client, conversation_id)


async def test_an_agent_is_not_deleted_without_a_word_of_the_persons(client: Client, place: Place) -> None:
    agent_id = await place.new_agent(client)

    sentence = await failure(client, "delete_agent", agent_id=agent_id)

    assert sentence.endswith("ask the person, then call again with confirm true.")
    assert (await call(client, "retrieve_agent", agent_id=agent_id))["id"] == agent_id


async def test_a_host_that_can_not_ask_after_all_is_not_taken_for_a_refusal(place: Place) -> None:
    person = Person([ErrorData(code=INTERNAL_ERROR, message="no window")])
    async with host(place.settings, "legacy", person) as client:
        conversation_id = await place.new_conversation(client)

        sentence = await failure(client, "delete_conversation", conversation_id=conversation_id, confirm=True)

        assert "The host did not bring the question to the person." in sentence
        assert await is_there(client, conversation_id)


async def test_nobody_is_asked_about_an_agents_own_thread(place: Place, era: str) -> None:
    person = Person([])
    async with host(place.settings, era, person) as client:
        sentence = await failure(client, "delete_conversation", conversation_id=f"default:{place.agent_id}")

    assert sentence.startswith("An agent's own thread can't be deleted.")
    assert person.asked == []
