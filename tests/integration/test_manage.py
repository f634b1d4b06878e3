"""Changing conversations and making others of them, on a real Letta server and a real App Server.

The fake changes conversations, and neither forks, compacts nor recompiles.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from mcp import Client

from letta_conv_mcp.server import build_server
from tests.conftest import Place
from tests.integration.calls import call, failure

pytestmark = [pytest.mark.anyio, pytest.mark.real_letta]

NOBODY = "conv-00000000-0000-4000-8000-000000000000"


@pytest.fixture
def place(real_place_of_each_kind: Place) -> Place:
    return real_place_of_each_kind


@pytest.fixture
async def client(place: Place) -> AsyncIterator[Client]:
    async with Client(build_server(place.settings)) as connected:
        yield connected


async def said(client: Client, place: Place, *messages: str) -> dict[str, Any]:
    """A conversation in which this was said, as arguments."""
    about: dict[str, Any] = {"conversation_id": await place.new_conversation(client)}
    for message in messages:
        await call(client, "send_message", **about, message=message)
    return about


async def texts_of(client: Client, conversation_id: str, kind: str = "user_message") -> list[str]:
    page = await call(client, "get_history", conversation_id=conversation_id, types=[kind], limit=50)
    return [message["text"] for message in page["messages"]]


async def test_a_conversation_gets_another_title_and_model(client: Client, place: Place) -> None:
    about = await said(client, place, "hello")
    other = f"{place.model}-other"

    changed = await call(client, "update_conversation", **about, summary="Another title", model=other)
    found = await call(client, "list_conversations", search="another TITLE", agent_id=place.agent_id)
    reply = await call(client, "send_message", **about, message="still there?")

    assert changed["summary"] == "Another title"
    assert about["conversation_id"] in [conversation["id"] for conversation in found["conversations"]]
    assert (reply["status"], reply["text"]) == ("completed", "echo: still there?")
    assert place.prompts is not None
    assert place.prompts()[-1]["request"]["model"] == "scripted-other"


async def test_what_a_letta_keeps_of_archiving_is_shown(client: Client, place: Place) -> None:
    """LETTA: 0.16.8 takes it and archives nothing."""
    about = await said(client, place)

    changed = await call(client, "update_conversation", **about, archived=True)
    archived = await call(client, "list_conversations", agent_id=place.agent_id, archived=True, limit=100)

    is_archived = about["conversation_id"] in [conversation["id"] for conversation in archived["conversations"]]
    assert changed.get("archived") == (True if place.rig else None)
    assert is_archived == (place.rig is not None)


async def test_a_fork_begins_with_what_was_said_and_goes_on_by_itself(client: Client, place: Place) -> None:
    about = await said(client, place, "one", "two")

    fork = await call(client, "fork_conversation", **about)
    await call(client, "send_message", conversation_id=fork["id"], message="three")

    assert fork["agent_id"] == place.agent_id
    assert fork.get("note") is None
    assert await texts_of(client, fork["id"]) == ["one", "two", "three"]
    assert await texts_of(client, about["conversation_id"]) == ["one", "two"]


async def test_a_fork_up_to_a_message_ends_with_it_or_says_that_it_does_not(client: Client, place: Place) -> None:
    """LETTA: 0.16.8 forks the whole whatever message is named."""
    about = await said(client, place, "one", "two", "three")
    page = await call(client, "get_history", **about, types=["assistant_message"], limit=50)
    first, last = page["messages"][0], page["messages"][-1]

    part = await call(client, "fork_conversation", **about, message_id=first["id"])
    whole = await call(client, "fork_conversation", **about, message_id=last["id"])

    assert await texts_of(client, part["id"]) == (["one"] if place.rig else ["one", "two", "three"])
    assert ("forks whole conversations only" in part.get("note", "")) == (place.rig is None)
    assert await texts_of(client, whole["id"]) == ["one", "two", "three"]
    assert whole.get("note") is None


async def test_a_compaction_leaves_a_summary_and_says_how_much_went(client: Client, place: Place) -> None:
    about = await said(client, place, *(f"message {number}" for number in range(12)))
    before = await call(client, "retrieve_conversation", **about)

    done = await call(client, "compact_conversation", **about)
    reply = await call(client, "send_message", **about, message="and on")

    assert done["messages_after"] < done["messages_before"]
    assert done["summary"]
    assert before["in_context_count"] >= done["messages_before"] - 1
    assert (reply["status"], reply["text"]) == ("completed", "echo: and on")


async def test_a_recompilation_shows_the_length_of_the_prompt_as_it_is_now(client: Client, place: Place) -> None:
    about = await said(client, place, "hello")

    done = await call(client, "recompile_conversation", **about)

    assert done["prompt_chars"] > 0


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("update_conversation", {"summary": "x"}),
        ("fork_conversation", {}),
        ("compact_conversation", {}),
        ("recompile_conversation", {}),
    ],
)
async def test_an_unknown_conversation_is_named(client: Client, tool: str, arguments: dict[str, Any]) -> None:
    said = await failure(client, tool, conversation_id=NOBODY, **arguments)

    assert said.startswith(f"No conversation '{NOBODY}'.")


async def test_an_agents_own_thread_is_forked_compacted_and_recompiled_but_not_changed(
    client: Client, place: Place
) -> None:
    agent = await call(client, "create_agent", name="Own", model=place.model)
    about: dict[str, Any] = {"conversation_id": f"default:{agent['id']}"}
    for number in range(12):
        await call(client, "send_message", **about, message=f"message {number}")

    fork = await call(client, "fork_conversation", **about)
    recompiled = await call(client, "recompile_conversation", **about)
    compacted = await call(client, "compact_conversation", **about)
    refused = await failure(client, "update_conversation", **about, summary="x")

    assert (await texts_of(client, fork["id"]))[-1] == "message 11"
    assert recompiled["prompt_chars"] > 0
    assert compacted["messages_after"] < compacted["messages_before"]
    assert refused == "An agent's own thread can't be changed. Nothing was done; name another conversation."


async def test_a_change_of_nothing_is_refused(client: Client, place: Place) -> None:
    about = await said(client, place)

    assert "nothing to change was given" in await failure(client, "update_conversation", **about)


async def test_a_description_is_refused_where_it_can_not_be_kept(client: Client, place: Place) -> None:
    about = await said(client, place)
    if place.rig:
        assert "can't keep a conversation's description" in await failure(
            client, "update_conversation", **about, description="x"
        )
    else:
        changed = await call(client, "update_conversation", **about, description="x")
        assert changed.get("description") is None
