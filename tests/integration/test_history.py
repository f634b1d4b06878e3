"""Reading back, on the fake and on a real Letta, in both eras."""

from typing import Any

import httpx
import pytest
from mcp import Client

from letta_conv_mcp.server import build_server
from letta_conv_mcp.settings import Settings
from tests.conftest import Place
from tests.integration.calls import call, failure, new_conversation

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def conversations_by_place() -> dict[Place, str]:
    """A talk is played once on each Letta: on the real one it takes seconds."""
    return {}


@pytest.fixture
async def talked(client: Client, place: Place, conversations_by_place: dict[Place, str]) -> str:
    """A conversation with a thought, a tool call, an approval, and plain talk in it."""
    if place not in conversations_by_place:
        conversation_id = await place.new_conversation(client)
        for message in ("one", "#reason I wonder# two", '#tool lookup {"query": "x"}', "#tool delete_everything {}"):
            await call(client, "send_message", conversation_id=conversation_id, message=message)
        conversations_by_place[place] = conversation_id
    return conversations_by_place[place]


def keys(page: dict[str, Any]) -> list[tuple[str, str]]:
    """What tells the entries of a page apart."""
    return [(message["id"], message["type"]) for message in page["messages"]]


async def test_the_newest_page_comes_first_and_is_read_from_old_to_new(client: Client, talked: str) -> None:
    page = await call(client, "get_history", conversation_id=talked, limit=2)

    assert [(message["type"], message["role"]) for message in page["messages"]] == [
        ("user_message", "user"),
        ("approval_request_message", "assistant"),
    ]
    assert page["older_cursor"] is not None
    assert page["newer_cursor"] is None


async def test_every_kind_of_message_can_be_read(client: Client, talked: str) -> None:
    page = await call(client, "get_history", conversation_id=talked, limit=100)

    assert [message["type"] for message in page["messages"]] == [
        "system_message",
        "user_message",
        "assistant_message",
        "user_message",
        "reasoning_message",
        "assistant_message",
        "user_message",
        "tool_call_message",
        "tool_return_message",
        "assistant_message",
        "user_message",
        "approval_request_message",
    ]
    texts = [message["text"] for message in page["messages"]]
    assert texts[4] == "I wonder"
    assert texts[7].startswith('lookup({"query": "x"})')
    assert "found x" in texts[8]
    assert texts[11].startswith("asks to run delete_everything({}) [call_")


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
async def test_walking_back_shows_every_entry_once_and_in_order(client: Client, talked: str, limit: int) -> None:
    whole = await call(client, "get_history", conversation_id=talked, limit=100)

    walked: list[tuple[str, str]] = []
    cursor = None
    while True:
        page = await call(client, "get_history", conversation_id=talked, limit=limit, before=cursor)
        walked = keys(page) + walked
        cursor = page["older_cursor"]
        if cursor is None:
            break

    assert walked == keys(whole)


@pytest.mark.parametrize("limit", [1, 3])
async def test_walking_forward_from_an_old_page_shows_the_rest_once_and_in_order(
    client: Client, talked: str, limit: int
) -> None:
    whole = await call(client, "get_history", conversation_id=talked, limit=100)
    oldest_id = whole["messages"][0]["id"]

    walked: list[tuple[str, str]] = []
    cursor: str | None = oldest_id
    while cursor is not None:
        page = await call(client, "get_history", conversation_id=talked, limit=limit, after=cursor)
        walked += keys(page)
        cursor = page["newer_cursor"]

    assert walked == keys(whole)[1:]


async def test_the_page_after_a_page_is_the_one_it_came_from(client: Client, talked: str) -> None:
    newest = await call(client, "get_history", conversation_id=talked, limit=3)
    older = await call(client, "get_history", conversation_id=talked, limit=3, before=newest["older_cursor"])

    back = await call(client, "get_history", conversation_id=talked, limit=3, after=older["newer_cursor"])

    assert keys(back) == keys(newest)
    assert back["newer_cursor"] is None
    assert back["older_cursor"] is not None


async def test_only_the_wanted_types_are_shown_and_none_of_them_is_missed(client: Client, talked: str) -> None:
    """Letta filters after it has counted the limit, so that its own page can be empty."""
    page = await call(client, "get_history", conversation_id=talked, limit=3, types=["user_message"])
    rest = await call(
        client, "get_history", conversation_id=talked, limit=3, types=["user_message"], before=page["older_cursor"]
    )

    shown = [message["text"] for message in (rest["messages"] + page["messages"])]
    assert shown == ["one", "#reason I wonder# two", '#tool lookup {"query": "x"}', "#tool delete_everything {}"]


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("cursor", ["junk", "message-00000000-0000-4000-8000-000000000000"])
async def test_an_unknown_cursor_is_an_error_and_not_the_first_page_again(
    client: Client, talked: str, side: str, cursor: str
) -> None:
    sentence = await failure(client, "get_history", conversation_id=talked, **{side: cursor})

    assert sentence == f"The cursor {side}={cursor!r} is not from this list. Leave it out to start again."


async def test_a_cursor_of_another_conversation_is_an_error(client: Client, place: Place, talked: str) -> None:
    page = await call(client, "get_history", conversation_id=talked, limit=1)
    other = await place.new_conversation(client)
    await call(client, "send_message", conversation_id=other, message="hello")

    sentence = await failure(client, "get_history", conversation_id=other, before=page["older_cursor"])

    assert "is not from this list" in sentence


async def test_both_cursors_at_once_are_refused(client: Client, talked: str) -> None:
    sentence = await failure(client, "get_history", conversation_id=talked, before="a", after="b")

    assert "give either before or after, not both" in sentence


@pytest.mark.real_letta
@pytest.mark.parametrize("limit", [1, 3, 100])
async def test_a_compacted_conversation_is_read_whole_and_in_order(real_place: Place, era: str, limit: int) -> None:
    """Letta numbers what stays in context anew: a walk by its own cursors loses messages, and dates jump."""
    said = [f"m{number}" for number in range(8)]
    async with Client(build_server(Settings(base_url=real_place.base_url)), mode=era) as client:
        conversation_id = await new_conversation(client, real_place.agent_id)
        for message in said[:6]:
            await call(client, "send_message", conversation_id=conversation_id, message=message)
        async with httpx.AsyncClient(base_url=real_place.base_url, timeout=30) as letta:
            (await letta.post(f"/v1/conversations/{conversation_id}/compact", json={})).raise_for_status()
        for message in said[6:]:
            await call(client, "send_message", conversation_id=conversation_id, message=message)

        walked: list[dict[str, Any]] = []
        cursor = None
        while True:
            page = await call(client, "get_history", conversation_id=conversation_id, limit=limit, before=cursor)
            walked = page["messages"] + walked
            cursor = page["older_cursor"]
            if cursor is None:
                break

    talk = [message["text"] for message in walked if message["type"] in ("user_message", "assistant_message")]
    assert talk == [words for message in said for words in (message, f"echo: {message}")]
    assert [message["type"] for message in walked].count("system_alert") == 1
    assert len({(message["id"], message["type"]) for message in walked}) == len(walked)


async def test_long_texts_are_cut_unless_the_whole_is_asked_for(client: Client, place: Place) -> None:
    conversation_id = await place.new_conversation(client)
    await call(client, "send_message", conversation_id=conversation_id, message="#long 1000")

    page = await call(client, "get_history", conversation_id=conversation_id, limit=1)
    whole = await call(client, "get_history", conversation_id=conversation_id, limit=1, detail="full")

    full_text = " ".join(f"w{number}" for number in range(1000))
    assert page["messages"][0]["text"] == f"{full_text[:2000]}… [cut: 2000 of {len(full_text)} characters]"
    assert "detail 'full'" in page["note"]
    assert whole["messages"][0]["text"] == full_text
    assert "note" not in whole
