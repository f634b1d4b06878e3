"""Agents and conversations through the tools, on the fake and on a real Letta, in both eras."""

from uuid import uuid4

import pytest
from mcp import Client

from tests.conftest import Place
from tests.integration.calls import call, failure, new_conversation

pytestmark = pytest.mark.anyio

NOWHERE = "conv-00000000-0000-4000-8000-000000000000"


async def test_an_agent_is_found_by_part_of_its_name(client: Client, place: Place) -> None:
    page = await call(client, "list_agents", query=place.agent_name)

    assert [agent["id"] for agent in page["agents"]] == [place.agent_id]
    assert page["agents"][0]["name"] == place.agent_name
    assert page["next_cursor"] is None


async def test_agents_come_in_pages_without_gap_or_repeat(client: Client, place: Place) -> None:
    whole = await call(client, "list_agents", limit=100)

    walked: list[str] = []
    cursor = None
    while not walked or cursor is not None:
        page = await call(client, "list_agents", limit=2, cursor=cursor)
        walked += [agent["id"] for agent in page["agents"]]
        cursor = page["next_cursor"]
        if len(walked) >= 6:
            break

    assert walked == [agent["id"] for agent in whole["agents"]][: len(walked)]


async def test_a_cursor_of_no_agent_is_an_error_and_not_the_first_page_again(client: Client) -> None:
    """Letta ignores it, so that a walk would never end."""
    sentence = await failure(client, "list_agents", cursor="agent-00000000-0000-4000-8000-000000000000")

    assert "is not from this list" in sentence


async def test_a_new_conversation_is_empty_and_carries_its_summary(client: Client, place: Place) -> None:
    made = await call(client, "create_conversation", agent_id=place.agent_id, summary="Billing")

    assert made["agent_id"] == place.agent_id
    assert made["summary"] == "Billing"
    assert made["created_at"]
    assert made["last_message_at"] is None
    assert made["in_context_count"] == 0


async def test_an_agent_may_be_named_instead_of_its_id(client: Client, place: Place) -> None:
    made = await call(client, "create_conversation", agent_id=place.agent_name)

    assert made["agent_id"] == place.agent_id


@pytest.mark.parametrize("unknown", ["nobody", "agent-00000000-0000-4000-8000-000000000000", "../agents", "a/b", ".."])
async def test_an_unknown_agent_is_named_in_the_error(client: Client, unknown: str) -> None:
    sentence = await failure(client, "create_conversation", agent_id=unknown)

    assert sentence == f"No agent {unknown!r}. Call list_agents for the ids and names you can use."


async def test_without_an_agent_and_without_a_default_one_is_asked_for(client: Client) -> None:
    assert await failure(client, "create_conversation") == (
        "No agent_id was given and LETTA_AGENT_ID sets no default. Call list_agents to choose one."
    )


async def test_conversations_are_listed_with_the_most_recently_active_first(client: Client, place: Place) -> None:
    await new_conversation(client, place.agent_id, "silent")
    older = await new_conversation(client, place.agent_id, "older")
    newer = await new_conversation(client, place.agent_id, "newer")
    await call(client, "send_message", conversation_id=newer, message="first")
    await call(client, "send_message", conversation_id=older, message="last")

    page = await call(client, "list_conversations", agent_id=place.agent_id, limit=2)

    assert [conversation["id"] for conversation in page["conversations"]] == [older, newer]
    assert page["next_cursor"] is not None


async def test_conversations_come_in_pages_without_gap_or_repeat(client: Client, place: Place) -> None:
    made = [await new_conversation(client, place.agent_id, f"page {number}") for number in range(5)]

    walked: list[str] = []
    cursor = None
    while len(walked) < 5:
        page = await call(
            client, "list_conversations", agent_id=place.agent_id, order_by="created_at", limit=2, cursor=cursor
        )
        walked += [conversation["id"] for conversation in page["conversations"]]
        cursor = page["next_cursor"]

    assert walked[:5] == made[::-1]
    assert len(set(walked)) == len(walked)


async def test_a_search_finds_words_of_the_summary_in_any_case(client: Client, place: Place) -> None:
    """Ours: 0.16.8 minds the case."""
    word = uuid4().hex[:8]
    found = await new_conversation(client, place.agent_id, f"The {word.upper()} Affair")
    await new_conversation(client, place.agent_id, "something else")

    # Of this agent only: a search looks through a thousand at most, and the rig keeps those of earlier runs.
    page = await call(client, "list_conversations", agent_id=place.agent_id, search=word)

    assert [conversation["id"] for conversation in page["conversations"]] == [found]
    assert page["next_cursor"] is None


async def test_a_percent_sign_in_a_search_is_a_percent_sign(client: Client, place: Place) -> None:
    """Ours: to 0.16.8 it stands for anything."""
    word = uuid4().hex[:8]
    await new_conversation(client, place.agent_id, f"{word} plain")

    page = await call(client, "list_conversations", agent_id=place.agent_id, search=f"{word[:4]}%")

    assert page["conversations"] == []


async def test_a_server_that_archives_nothing_lists_nothing_as_archived(client: Client, place: Place) -> None:
    """Ours: 0.16.8 ignores the filter and would list everything."""
    # Of its own, since other tests archive where that can be done.
    agent = await call(client, "create_agent", name="Archive", model=place.model)
    await new_conversation(client, agent["id"], "not archived")

    archived = await call(client, "list_conversations", agent_id=agent["id"], archived=True)
    others = await call(client, "list_conversations", agent_id=agent["id"], archived=False, limit=1)

    assert archived["conversations"] == []
    assert len(others["conversations"]) == 1


async def test_a_cursor_of_no_conversation_is_an_error(client: Client) -> None:
    assert "is not from this list" in await failure(client, "list_conversations", cursor=NOWHERE)


async def test_retrieving_a_conversation_tells_its_agent_and_its_size(client: Client, place: Place) -> None:
    conversation_id = await new_conversation(client, place.agent_id, "to look at")
    await call(client, "send_message", conversation_id=conversation_id, message="hello")

    seen = await call(client, "retrieve_conversation", conversation_id=conversation_id)

    assert seen["agent_name"] == place.agent_name
    assert seen["summary"] == "to look at"
    # The system prompt, the question, the answer.
    assert seen["in_context_count"] == 3
    assert seen["running_run_id"] is None
    assert seen["approvals"] == []


async def test_an_agents_own_thread_is_a_conversation_like_others(client: Client, place: Place) -> None:
    thread = f"default:{place.agent_id}"

    reply = await call(client, "send_message", conversation_id=thread, message="hello, default")
    seen = await call(client, "retrieve_conversation", conversation_id=thread)
    page = await call(client, "get_history", conversation_id=thread, limit=2)
    again = await call(client, "wait_for_reply", conversation_id=thread)

    assert (reply["status"], reply["text"]) == ("completed", "echo: hello, default")
    assert seen["id"] == thread
    assert seen["agent_name"] == place.agent_name
    assert [message["text"] for message in page["messages"]] == ["hello, default", "echo: hello, default"]
    assert again["run_id"] == reply["run_id"]


@pytest.mark.parametrize("unknown", [NOWHERE, "conv-junk", "default:nobody", "..", "a/b", "default"])
@pytest.mark.parametrize("tool", ["retrieve_conversation", "get_history", "send_message", "wait_for_reply"])
async def test_an_unknown_conversation_is_named_in_the_error(client: Client, tool: str, unknown: str) -> None:
    arguments = {"message": "hello"} if tool == "send_message" else {}

    sentence = await failure(client, tool, conversation_id=unknown, **arguments)

    assert sentence == f"No conversation {unknown!r}. Call list_conversations for the ids you can use."
