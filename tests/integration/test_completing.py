"""Completion of arguments, on every Letta and in both eras; what it offers is accepted as it is."""

import logging
from collections.abc import Mapping
from uuid import uuid4

import pytest
from mcp import Client
from mcp_types import Completion, PromptReference, ResourceTemplateReference, TextContent

from letta_conv_mcp.server import build_server
from letta_conv_mcp.settings import Settings
from tests.conftest import Place
from tests.fake import Answer, FakeLetta
from tests.fake.state import Conversation
from tests.integration.calls import call, new_conversation

pytestmark = pytest.mark.anyio

OF_AGENT = ResourceTemplateReference(uri="letta://agents/{agent_id}/conversations")
OF_CONVERSATION = ResourceTemplateReference(uri="letta://conversations/{conversation_id}/transcript.md")


def prompt(name: str) -> PromptReference:
    return PromptReference(name=name)


async def completed(
    client: Client,
    ref: PromptReference | ResourceTemplateReference,
    name: str,
    typed: str,
    filled_in: Mapping[str, str] | None = None,
) -> Completion:
    argument = {"name": name, "value": typed}
    return (await client.complete(ref, argument, dict(filled_in) if filled_in else None)).completion


async def test_a_conversation_is_completed_by_its_summary_for_prompts(client: Client, place: Place) -> None:
    mark = uuid4().hex[:8]
    conversation_id = await new_conversation(client, place.agent_id, f"Plans {mark}")

    completion = await completed(client, prompt("brief_me"), "conversation", f"plans {mark[:6]}")
    brief = await client.get_prompt("brief_me", {"conversation": completion.values[0]})

    assert completion.values == [f"Plans {mark}"]
    assert isinstance(brief.messages[0].content, TextContent)
    assert conversation_id in brief.messages[0].content.text


async def test_a_conversation_is_completed_by_its_id_for_addresses(client: Client, place: Place) -> None:
    mark = uuid4().hex[:8]
    conversation_id = await new_conversation(client, place.agent_id, f"Plans {mark}")

    completion = await completed(client, OF_CONVERSATION, "conversation_id", mark)

    assert completion.values == [conversation_id]
    await client.read_resource(f"letta://conversations/{completion.values[0]}/transcript.md")


async def test_an_agent_is_completed_by_name_and_never_twice(client: Client, place: Place) -> None:
    mark = uuid4().hex[:8]
    names = [f"Kim {mark}", f"Lee {mark}"]
    for name in names:
        await call(client, "create_agent", name=name, model=place.model)

    both = await completed(client, prompt("compare_agents"), "other_agent", mark)
    other = await completed(client, prompt("compare_agents"), "other_agent", mark, {"agent": names[0]})
    heir = await completed(client, prompt("hand_over"), "agent", f"lee {mark}")

    assert both.values == names[::-1]
    assert other.values == [names[1]]
    assert heir.values == [names[1]]
    await client.get_prompt("compare_agents", {"message": "hi", "agent": both.values[0], "other_agent": names[0]})


async def test_an_agent_in_an_address_can_be_read(client: Client, place: Place) -> None:
    typed = place.agent_name
    completion = await completed(client, OF_AGENT, "agent_id", typed)

    assert place.agent_id in completion.values or place.agent_name in completion.values
    await client.read_resource(f"letta://agents/{completion.values[0]}/conversations")


@pytest.mark.parametrize(
    ("ref", "name"),
    [
        (prompt("brief_me"), "focus"),
        (prompt("brief_me"), "nothing"),
        (prompt("nothing"), "conversation"),
        (ResourceTemplateReference(uri="letta://conversations/{conversation_id}/messages{?limit,before}"), "limit"),
        (ResourceTemplateReference(uri="letta://nothing/{agent_id}"), "agent_id"),
    ],
    ids=lambda value: str(value),
)
async def test_what_names_nothing_of_lettas_has_no_completion(
    fake_client: Client, ref: PromptReference | ResourceTemplateReference, name: str
) -> None:
    assert (await completed(fake_client, ref, name, "")).values == []


async def test_a_letta_that_fails_costs_the_completion_and_no_more(
    caplog: pytest.LogCaptureFixture, fake: FakeLetta, fake_client: Client
) -> None:
    fake.fail("GET", "*", Answer(500), times=None)

    with caplog.at_level(logging.WARNING):
        completion = await completed(fake_client, prompt("brief_me"), "conversation", "secret")

    assert completion.values == []
    assert "No completion for what a person types: LettaUnavailable" in caplog.text
    assert "secret" not in caplog.text


async def test_typing_costs_letta_one_request(fake: FakeLetta, fake_client: Client, talk: Conversation) -> None:
    for typed in ("", "t", "tr", "tri", "trip"):
        await completed(fake_client, prompt("brief_me"), "conversation", typed)

    assert len(fake.requests_to("GET", "/v1/conversations/")) == 1


async def test_a_conversation_in_which_nobody_has_spoken_is_among_the_latest(
    fake: FakeLetta, fake_client: Client, talk: Conversation
) -> None:
    """Letta: it stands at the end of the list of those that were last active."""
    agent = fake.store.agents[talk.agent_id]
    for number in range(250):
        fake.add_messages(fake.add_conversation(agent, summary=f"Old {number}"), 1)
    made = await new_conversation(fake_client, agent.id, "Fresh")

    completion = await completed(fake_client, prompt("brief_me"), "conversation", "")
    in_address = await completed(fake_client, OF_CONVERSATION, "conversation_id", "fre")

    assert completion.values[:2] == ["Fresh", "Old 249"]
    assert (len(completion.values), completion.total, completion.has_more) == (100, None, True)
    assert in_address.values == [made]


async def test_what_one_letta_holds_is_never_offered_for_another() -> None:
    """Ours: the cache belongs to one Letta identity."""
    with FakeLetta() as first, FakeLetta() as second:
        first.add_agent("Ada")
        second.add_agent("Bo")
        async with (
            Client(build_server(Settings(base_url=first.base_url))) as of_first,
            Client(build_server(Settings(base_url=second.base_url))) as of_second,
        ):
            found = [await completed(client, prompt("hand_over"), "agent", "") for client in (of_first, of_second)]

    assert [completion.values for completion in found] == [["Ada"], ["Bo"]]
