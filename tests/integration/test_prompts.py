"""Prompts, on every Letta and in both eras: what a person starts with one command."""

import json
import re
from uuid import uuid4

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, EmbeddedResource, GetPromptResult, TextContent, TextResourceContents

from letta_conv_mcp.prompts import PROMPTS
from letta_conv_mcp.tools import CATALOG
from tests.conftest import Place
from tests.integration.calls import call, new_conversation

pytestmark = pytest.mark.anyio

NOWHERE = "conv-00000000-0000-4000-8000-000000000000"
NEEDS = {entry.name: entry.needs for entry in PROMPTS}


def text_of_prompt(prompt: GetPromptResult) -> str:
    """The message that every host passes on."""
    first = prompt.messages[0]
    assert first.role == "user"
    assert isinstance(first.content, TextContent)
    return first.content.text


def tools_named(text: str) -> set[str]:
    return {entry.name for entry in CATALOG if re.search(rf"\b{entry.name}\b", text)}


async def refusal(client: Client, name: str, **arguments: str) -> tuple[int, str]:
    with pytest.raises(MCPError) as caught:
        await client.get_prompt(name, arguments)
    return caught.value.code, caught.value.message


async def test_prompts_are_listed_with_titled_arguments(client: Client) -> None:
    prompts = (await client.list_prompts()).prompts

    assert [prompt.name for prompt in prompts] == ["continue_conversation", "brief_me", "compare_agents", "hand_over"]
    for prompt in prompts:
        assert prompt.title
        assert all(argument.title and argument.description for argument in prompt.arguments or [])


@pytest.mark.parametrize("name", ["continue_conversation", "brief_me", "hand_over"])
async def test_a_prompt_about_a_conversation_names_it_and_brings_its_messages(
    client: Client, place: Place, name: str
) -> None:
    conversation_id = await new_conversation(client, place.agent_id, "Moon trip")
    await call(client, "send_message", conversation_id=conversation_id, message="Pack light.")

    prompt = await client.get_prompt(name, {"conversation": conversation_id})

    text = text_of_prompt(prompt)
    assert f"“Moon trip” with the agent {place.agent_name} (conversation_id {conversation_id})" in text
    assert tools_named(text) == NEEDS[name]
    attached = prompt.messages[1].content
    assert isinstance(attached, EmbeddedResource)
    assert isinstance(attached.resource, TextResourceContents)
    read = (await client.read_resource(str(attached.resource.uri))).contents[0]
    assert isinstance(read, TextResourceContents)
    assert (attached.resource.text, attached.resource.mime_type) == (read.text, read.mime_type)
    assert [message["text"] for message in json.loads(read.text)["messages"]][-2:] == [
        "Pack light.",
        "echo: Pack light.",
    ]


async def test_two_agents_are_compared_by_name_or_id(client: Client, place: Place) -> None:
    other = await call(client, "create_agent", name=f"Bo {uuid4().hex[:8]}", model=place.model)

    prompt = await client.get_prompt(
        "compare_agents", {"message": "Is it far?", "agent": place.agent_id, "other_agent": other["name"]}
    )

    text = text_of_prompt(prompt)
    assert f"the agent {place.agent_name}, agent_id {place.agent_id}" in text
    assert f"agent_id {other['id']}" in text
    assert "\n\nIs it far?\n\n" in text
    assert tools_named(text) == NEEDS["compare_agents"]


async def test_what_the_person_wants_to_say_is_passed_on_word_for_word(client: Client, place: Place) -> None:
    conversation_id = await place.new_conversation(client)

    given = await client.get_prompt("continue_conversation", {"conversation": conversation_id, "message": "Go  on!"})
    asked = await client.get_prompt("continue_conversation", {"conversation": conversation_id, "message": ""})

    assert "word for word:\n\nGo  on!\n\n" in text_of_prompt(given)
    assert "ask me what I want to say" in text_of_prompt(asked)


async def test_a_conversation_can_be_named_by_its_summary_or_a_part_of_it(client: Client, place: Place) -> None:
    mark = place.agent_id[-6:]
    conversation_id = await new_conversation(client, place.agent_id, f"Kitchen {mark}")
    longer = await new_conversation(client, place.agent_id, f"Kitchen {mark} and garden")

    whole = text_of_prompt(await client.get_prompt("brief_me", {"conversation": f"kitchen {mark}"}))
    part = text_of_prompt(await client.get_prompt("brief_me", {"conversation": f"{mark} and gar"}))
    both = await refusal(client, "brief_me", conversation=f"tchen {mark}")

    assert conversation_id in whole
    assert longer in part
    assert both[0] == INVALID_PARAMS
    assert conversation_id in both[1]
    assert longer in both[1]
    for found in (conversation_id, longer):
        # Other tests of this run find one of each again.
        await call(client, "update_conversation", conversation_id=found, summary="done")


async def test_without_a_name_the_latest_conversation_is_meant(client: Client, place: Place) -> None:
    conversation_id = await place.new_conversation(client)
    await call(client, "send_message", conversation_id=conversation_id, message="hello")

    prompt = await client.get_prompt("continue_conversation")

    assert conversation_id in text_of_prompt(prompt)


@pytest.mark.parametrize("wanted", [NOWHERE, "no summary has this", "../agents", "a/b?c#d", "🙂"])
async def test_a_conversation_that_is_not_there_is_a_clean_error(client: Client, wanted: str) -> None:
    assert await refusal(client, "brief_me", conversation=wanted) == (
        INVALID_PARAMS,
        f"No conversation {wanted!r}. Call list_conversations for the ids you can use.",
    )


async def test_wrong_names_and_arguments_are_clean_errors(client: Client, place: Place) -> None:
    assert await refusal(client, "summarise") == (INVALID_PARAMS, "Unknown prompt: 'summarise'")
    assert await refusal(client, "compare_agents", message="hi", agent="x", extra="") == (
        INVALID_PARAMS,
        "The prompt compare_agents can't be written: other_agent is missing; there is no argument 'extra'.",
    )
    assert await refusal(client, "compare_agents", message="hi", other_agent="Nobody here", agent=place.agent_id) == (
        INVALID_PARAMS,
        "No agent 'Nobody here'. Call list_agents for the ids and names you can use.",
    )
