"""Resources, on the fake and on a real Letta, in both eras: each is its tool's twin."""

import json
from typing import Any

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, ResourceLink, TextResourceContents

from tests.conftest import Place
from tests.integration.calls import call, new_conversation

pytestmark = pytest.mark.anyio

NOWHERE = "conv-00000000-0000-4000-8000-000000000000"


async def read(client: Client, uri: str) -> tuple[str, str | None]:
    """The text of a resource and its MIME type."""
    contents = (await client.read_resource(uri)).contents[0]
    assert isinstance(contents, TextResourceContents)
    return contents.text, contents.mime_type


async def read_json(client: Client, uri: str) -> Any:
    text, mime_type = await read(client, uri)
    assert mime_type == "application/json"
    return json.loads(text)


async def test_what_can_be_read_is_announced(client: Client) -> None:
    templates = (await client.list_resource_templates()).resource_templates

    assert {template.uri_template: template.mime_type for template in templates} == {
        "letta://agents{?cursor}": "application/json",
        "letta://agents/{agent_id}/conversations": "application/json",
        "letta://conversations/{conversation_id}": "application/json",
        "letta://conversations/{conversation_id}/messages{?limit,before}": "application/json",
        "letta://conversations/{conversation_id}/transcript.md": "text/markdown",
        "letta://exports/{name}": "text/plain",
    }
    assert all(template.description and template.title for template in templates)


async def test_recent_conversations_are_listed_by_name(client: Client, place: Place) -> None:
    conversation_id = await new_conversation(client, place.agent_id, "The moon")
    await call(client, "send_message", conversation_id=conversation_id, message="hello")

    resources = (await client.list_resources()).resources

    assert resources[0].uri == "letta://agents"
    assert resources[1].uri == f"letta://conversations/{conversation_id}/transcript.md"
    assert resources[1].name == "The moon"
    assert place.agent_id in (resources[1].description or "")


async def test_listed_resources_come_in_pages_and_every_one_can_be_read(client: Client, place: Place) -> None:
    for number in range(52):
        await new_conversation(client, place.agent_id, f"listed {number}")

    first = await client.list_resources()
    second = await client.list_resources(cursor=first.next_cursor)

    uris = [resource.uri for resource in (*first.resources, *second.resources)]
    assert len(first.resources) == 51
    assert len(set(uris)) == len(uris)
    for uri in (uris[0], uris[1], uris[-1]):
        await read(client, uri)


async def test_a_cursor_that_no_page_gave_is_a_clean_protocol_error(client: Client) -> None:
    with pytest.raises(MCPError) as caught:
        await client.list_resources(cursor=NOWHERE)

    assert caught.value.code == INVALID_PARAMS
    assert "is not from this list" in caught.value.message


async def test_agents_are_read_as_the_tool_lists_them(client: Client) -> None:
    resource = await read_json(client, "letta://agents")

    assert resource == await call(client, "list_agents", limit=100)


async def test_an_agents_conversations_are_read_as_the_tool_lists_them(client: Client, place: Place) -> None:
    await new_conversation(client, place.agent_id, "one of hers")

    by_id = await read_json(client, f"letta://agents/{place.agent_id}/conversations")
    listed = await call(client, "list_conversations", agent_id=place.agent_id, limit=100)

    assert by_id == listed


async def test_a_conversation_is_read_as_the_tool_retrieves_it(client: Client, place: Place) -> None:
    conversation_id = await new_conversation(client, place.agent_id, "state")

    resource = await read_json(client, f"letta://conversations/{conversation_id}")

    assert resource == await call(client, "retrieve_conversation", conversation_id=conversation_id)


@pytest.mark.parametrize("own_thread", [False, True])
async def test_messages_are_read_page_by_page_as_the_tool_reads_them(
    client: Client, place: Place, own_thread: bool
) -> None:
    conversation_id = f"default:{place.agent_id}" if own_thread else await place.new_conversation(client)
    for message in ("one", "two"):
        await call(client, "send_message", conversation_id=conversation_id, message=message)

    newest = await read_json(client, f"letta://conversations/{conversation_id}/messages?limit=2")
    older = await read_json(
        client, f"letta://conversations/{conversation_id}/messages?limit=2&before={newest['older_cursor']}"
    )
    whole = await read_json(client, f"letta://conversations/{conversation_id}/messages")

    assert [message["text"] for message in newest["messages"]] == ["two", "echo: two"]
    assert [message["text"] for message in older["messages"]] == ["one", "echo: one"]
    assert whole == await call(client, "get_history", conversation_id=conversation_id)


async def test_a_transcript_reads_like_a_talk(client: Client, place: Place) -> None:
    conversation_id = await new_conversation(client, place.agent_id, "Travel plans")
    await call(client, "send_message", conversation_id=conversation_id, message="#reason hm# Where to?")

    text, mime_type = await read(client, f"letta://conversations/{conversation_id}/transcript.md")

    assert mime_type == "text/markdown"
    lines = text.splitlines()
    assert lines[0] == "# Travel plans"
    assert next(line for line in lines if line.startswith("**")).startswith("**User** · ")
    assert "#reason hm# Where to?" in lines
    assert "echo: Where to?" in lines
    assert "hm" not in lines
    assert "base_instructions" not in text


@pytest.mark.parametrize("rest", ["", "/messages", "/transcript.md"])
async def test_an_unknown_conversation_is_a_clean_not_found(client: Client, rest: str) -> None:
    with pytest.raises(MCPError) as caught:
        await client.read_resource(f"letta://conversations/{NOWHERE}{rest}")

    assert caught.value.code == INVALID_PARAMS
    assert caught.value.message == f"No conversation {NOWHERE!r}. Call list_conversations for the ids you can use."


@pytest.mark.parametrize("limit", ["0", "101", "-1", "many", "1.5"])
async def test_a_limit_that_cannot_be_is_named_in_the_error(client: Client, place: Place, limit: str) -> None:
    conversation_id = await place.new_conversation(client)

    with pytest.raises(MCPError) as caught:
        await client.read_resource(f"letta://conversations/{conversation_id}/messages?limit={limit}")

    assert caught.value.code == INVALID_PARAMS
    assert caught.value.message == f"limit must be a number from 1 to 100, got {limit!r}."


@pytest.mark.parametrize("uri", ["letta://nothing", "letta://conversations/../agents", "http://example.com/"])
async def test_an_unknown_resource_is_a_clean_not_found(client: Client, uri: str) -> None:
    with pytest.raises(MCPError) as caught:
        await client.read_resource(uri)

    assert caught.value.code == INVALID_PARAMS


async def test_a_reply_and_a_conversation_link_to_the_transcript(client: Client, place: Place) -> None:
    conversation_id = await place.new_conversation(client)

    said = await client.call_tool("send_message", {"conversation_id": conversation_id, "message": "hello"})
    looked = await client.call_tool("retrieve_conversation", {"conversation_id": conversation_id})

    for result in (said, looked):
        link = result.content[-1]
        assert isinstance(link, ResourceLink)
        text, mime_type = await read(client, str(link.uri))
        assert mime_type == link.mime_type
        assert "echo: hello" in text
