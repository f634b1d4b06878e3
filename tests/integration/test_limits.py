"""What is excluded can't be reached by any path: tools that aren't offered, and agents outside of `--agents`."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from mcp import Client, MCPError
from mcp_types import PromptReference, ResourceTemplateReference

from letta_conv_mcp.server import build_server
from letta_conv_mcp.settings import Settings
from letta_conv_mcp.tools import CATALOG
from tests.conftest import Place
from tests.fake import FakeLetta, Tool
from tests.integration.calls import call, failure, text_of_result
from tests.integration.test_elicitation import Person, host

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore::mcp.MCPDeprecationWarning")]

HIDDEN = "hidden from view"


@dataclass(frozen=True)
class Limited:
    """A host that may only reach one agent, and what lies outside of that."""

    client: Client
    place: Place
    other_agent: str
    other_name: str
    other_conversation: str


@pytest.fixture
async def limited(place: Place, era: str) -> AsyncIterator[Limited]:
    async with Client(build_server(place.settings), mode=era) as all_round:
        name = f"Bob of {place.agent_id}"
        other = await call(all_round, "create_agent", name=name, model=place.model, persona=HIDDEN)
        conversation = await call(all_round, "create_conversation", agent_id=other["id"], summary=HIDDEN)
        await call(all_round, "send_message", conversation_id=conversation["id"], message=HIDDEN)
    settings = replace(place.settings, agents=(place.agent_id, "Nobody yet"))
    async with Client(build_server(settings), mode=era) as client:
        yield Limited(client, place, other["id"], name, conversation["id"])


def values_for(limited: Limited, tool: str) -> list[dict[str, Any]]:
    """Arguments by which a tool would reach what lies outside, for every argument that can name it."""
    properties = next(entry for entry in CATALOG if entry.name == tool).function.__annotations__
    rest: dict[str, Any] = {
        "message": HIDDEN,
        "summary": HIDDEN,
        "query": HIDDEN,
        "confirm": True,
        "label": "persona",
        "value": HIDDEN,
        "deny": ["call_1"],
        "key": HIDDEN,
        "copies": 2,
    }
    given = {name: value for name, value in rest.items() if name in properties}
    ways: list[dict[str, Any]] = []
    if "conversation_id" in properties:
        ways += [{"conversation_id": limited.other_conversation}, {"conversation_id": f"default:{limited.other_agent}"}]
    if "agent_id" in properties:
        ways += [{"agent_id": limited.other_agent}, {"agent_id": limited.other_name}]
    return [{**given, **way} for way in ways]


async def test_no_tool_reaches_another_agent_or_tells_that_it_is_there(limited: Limited) -> None:
    offered = [tool.name for tool in (await limited.client.list_tools()).tools]
    tried = [(tool, arguments) for tool in offered for arguments in values_for(limited, tool)]

    for tool, arguments in tried:
        sentence = await failure(limited.client, tool, **arguments)
        # Of an agent's own thread one is told that none can be deleted, whoever's it is.
        assert any(words in sentence for words in ("No agent", "No conversation", "own thread")), (tool, sentence)
        assert HIDDEN not in sentence
    assert {tool for tool, _ in tried} == set(offered) - {"list_agents"}


async def test_no_branch_of_a_comparison_reaches_another_agent(limited: Limited) -> None:
    ways: list[dict[str, Any]] = [
        {"agent_ids": [limited.other_agent, limited.other_name]},
        {"conversation_ids": [limited.other_conversation, f"default:{limited.other_agent}"]},
    ]
    for arguments in ways:
        compared = await call(limited.client, "compare_replies", message=HIDDEN, **arguments)

        assert [branch["status"] for branch in compared["branches"]] == ["not_sent", "not_sent"]
        assert all(branch["next_step"].startswith("No ") for branch in compared["branches"])


async def test_no_export_of_another_agents_conversation_can_be_read(limited: Limited, era: str) -> None:
    """It may have been made by a server of the same person's that reaches further."""
    async with Client(build_server(limited.place.settings), mode=era) as all_round:
        made = await call(all_round, "export_conversation", conversation_id=limited.other_conversation)

        assert HIDDEN in str(await all_round.read_resource(made["uri"]))
    with pytest.raises(MCPError, match="No export"):
        await limited.client.read_resource(made["uri"])


async def test_no_list_shows_another_agent_or_its_conversations(limited: Limited) -> None:
    own = await limited.place.new_conversation(limited.client)

    agents = await call(limited.client, "list_agents", limit=100)
    searched = await call(limited.client, "list_agents", query="Bob")
    conversations = await call(limited.client, "list_conversations", limit=100)
    found = await call(limited.client, "list_conversations", search=HIDDEN)
    resources = (await limited.client.list_resources()).resources

    assert [agent["id"] for agent in agents["agents"]] == [limited.place.agent_id]
    assert searched["agents"] == found["conversations"] == []
    assert {conversation["agent_id"] for conversation in conversations["conversations"]} == {limited.place.agent_id}
    assert own in [conversation["id"] for conversation in conversations["conversations"]]
    assert len(resources) > 1
    assert not [resource for resource in resources if limited.other_conversation in str(resource.uri)]


async def test_no_resource_reads_another_agents_conversation(limited: Limited) -> None:
    base = f"letta://conversations/{limited.other_conversation}"
    for uri in (
        base,
        f"{base}/messages",
        f"{base}/messages?limit=5",
        f"{base}/transcript.md",
        f"letta://conversations/default:{limited.other_agent}",
        f"letta://agents/{limited.other_agent}/conversations",
    ):
        with pytest.raises(MCPError, match=r"No agent|No conversation"):
            await limited.client.read_resource(uri)
    agents = await limited.client.read_resource("letta://agents")

    assert limited.other_agent not in str(agents)


async def test_nothing_is_completed_to_what_lies_outside(limited: Limited) -> None:
    refs = [
        (PromptReference(name="compare_agents"), "agent", limited.other_name),
        (PromptReference(name="brief_me"), "conversation", HIDDEN),
        (ResourceTemplateReference(uri="letta://agents/{agent_id}/conversations"), "agent_id", limited.other_name),
        (ResourceTemplateReference(uri="letta://conversations/{conversation_id}"), "conversation_id", HIDDEN),
    ]
    found = [
        (await limited.client.complete(ref, {"name": name, "value": typed})).completion.values
        for ref, name, typed in refs
    ]

    assert found == [[]] * len(refs)


async def test_no_prompt_is_written_about_what_lies_outside(limited: Limited) -> None:
    for name, arguments in (
        ("brief_me", {"conversation": limited.other_conversation}),
        ("brief_me", {"conversation": HIDDEN}),
        ("continue_conversation", {"conversation": f"default:{limited.other_agent}"}),
        ("hand_over", {"conversation": limited.other_conversation}),
        ("compare_agents", {"message": "x", "agent": limited.place.agent_id, "other_agent": limited.other_name}),
    ):
        with pytest.raises(MCPError, match=r"No agent|No conversation"):
            await limited.client.get_prompt(name, arguments)


async def test_nobody_is_told_of_changes_outside(limited: Limited, era: str) -> None:
    uri = f"letta://conversations/{limited.other_conversation}"
    if era == "legacy":
        with pytest.raises(MCPError, match="No conversation"):
            await limited.client.subscribe_resource(uri)  # pyright: ignore[reportDeprecated]
    else:
        async with limited.client.listen(resource_subscriptions=[uri]) as stream:
            assert not stream.honored.resource_subscriptions


async def test_the_agent_that_may_be_reached_works_as_ever(limited: Limited) -> None:
    conversation_id = await limited.place.new_conversation(limited.client)

    reply = await call(limited.client, "send_message", conversation_id=conversation_id, message="hello")
    again = await call(limited.client, "wait_for_reply", conversation_id=conversation_id, run_id=reply["run_id"])
    page = await call(limited.client, "get_history", conversation_id=conversation_id)

    assert (reply["status"], reply["text"]) == (again["status"], again["text"]) == ("completed", "echo: hello")
    assert page["messages"][-1]["text"] == "echo: hello"


async def test_several_agents_conversations_come_in_pages_without_those_of_others(fake: FakeLetta) -> None:
    """Ours: what is left out must not make a page look like the last one."""
    agents = [fake.add_agent(name) for name in ("Ada", "Bob", "Cay")]
    for _ in range(70):
        for agent in agents:
            fake.add_conversation(agent)
    settings = Settings(base_url=fake.base_url, agents=("Ada", "Cay"))
    seen: list[dict[str, Any]] = []
    async with Client(build_server(settings)) as client:
        cursor: str | None = None
        while not seen or cursor:
            page = await call(client, "list_conversations", limit=50, cursor=cursor)
            seen += page["conversations"]
            cursor = page["next_cursor"]

    assert len({conversation["id"] for conversation in seen}) == len(seen) == 140
    assert {conversation["agent_id"] for conversation in seen} == {agents[0].id, agents[2].id}


async def test_an_agent_that_is_named_twice_or_ambiguously_is_told(fake: FakeLetta) -> None:
    ada, twins = fake.add_agent("Ada"), [fake.add_agent("Twin"), fake.add_agent("Twin")]
    async with Client(build_server(Settings(base_url=fake.base_url, agents=("Ada", ada.id)))) as client:
        listed = await call(client, "list_agents")
    async with Client(build_server(Settings(base_url=fake.base_url, agents=("Twin",)))) as client:
        sentence = await failure(client, "list_agents")

    assert [agent["id"] for agent in listed["agents"]] == [ada.id]
    assert all(twin.id in sentence for twin in twins)


async def test_a_tool_that_is_not_offered_can_not_be_called(place: Place, era: str) -> None:
    async with Client(build_server(replace(place.settings, read_only=True)), mode=era) as client:
        offered = {tool.name for tool in (await client.list_tools()).tools}
        hidden = [entry.name for entry in CATALOG if entry.name not in offered]
        for name in hidden:
            result = await client.call_tool(name, {"conversation_id": f"default:{place.agent_id}"})
            assert result.is_error
            assert text_of_result(result) == f"Unknown tool: {name}"

    assert {"send_message", "answer_approval", "update_memory"} <= set(hidden)
    assert "get_history" in offered


async def test_prompts_are_offered_only_with_the_tools_that_they_name(place: Place, era: str) -> None:
    async with Client(build_server(replace(place.settings, read_only=True)), mode=era) as client:
        offered = [prompt.name for prompt in (await client.list_prompts()).prompts]
        with pytest.raises(MCPError, match="Unknown prompt: 'hand_over'"):
            await client.get_prompt("hand_over")
        ref = PromptReference(name="hand_over")
        completion = (await client.complete(ref, {"name": "agent", "value": ""})).completion

    assert (offered, completion.values) == (["brief_me"], [])


async def test_what_tools_may_not_read_no_resource_shows(fake: FakeLetta, era: str) -> None:
    """Ours: each resource is the twin of a tool, and goes with it."""
    talk = fake.add_conversation(fake.add_agent("Ada"), summary="Secret")
    settings = Settings(base_url=fake.base_url, tools=("send_message", "wait_for_reply"))
    base = f"letta://conversations/{talk.id}"
    ref = ResourceTemplateReference(uri="letta://conversations/{conversation_id}/transcript.md")
    async with Client(build_server(settings), mode=era) as client:
        templates = (await client.list_resource_templates()).resource_templates
        resources = (await client.list_resources()).resources
        for uri in (base, f"{base}/messages", f"{base}/transcript.md", "letta://agents", "letta://exports/x"):
            with pytest.raises(MCPError):
                await client.read_resource(uri)
        completed = (await client.complete(ref, {"name": "conversation_id", "value": "Secret"})).completion.values
        if era == "legacy":
            with pytest.raises(MCPError, match="can't be watched"):
                await client.subscribe_resource(base)  # pyright: ignore[reportDeprecated]
        sent = await client.call_tool("send_message", {"conversation_id": talk.id, "message": "hello"})

    assert (templates, resources, completed) == ([], [], [])
    assert [part.type for part in sent.content] == ["text"]


async def test_where_nothing_may_be_decided_nobody_is_asked_to(fake: FakeLetta, era: str) -> None:
    talk = fake.add_conversation(fake.add_agent("Ada", tools=[Tool("erase", "erased", requires_approval=True)]))
    person = Person([])
    settings = Settings(base_url=fake.base_url, exclude_tools=("answer_approval",))
    async with host(settings, era, person) as client:
        reply = await call(client, "send_message", conversation_id=talk.id, message="#tool erase {}")

    assert (reply["status"], person.asked) == ("awaiting_approval", [])


async def test_one_agents_conversations_are_asked_for_and_not_everybodys(fake: FakeLetta) -> None:
    """Ours: what is completed while somebody types must not walk through all that there is."""
    ada, bob = fake.add_agent("Ada"), fake.add_agent("Bob")
    for _ in range(300):
        fake.add_conversation(bob)
    own = fake.add_conversation(ada)
    async with Client(build_server(Settings(base_url=fake.base_url, agents=("Ada",)))) as client:
        listed = (await client.list_resources()).resources

    assert [own.id in str(resource.uri) for resource in listed] == [False, True]
    asked = fake.requests_to("GET", "/v1/conversations/")
    assert [request.query["agent_id"] for request in asked] == [[ada.id]] * len(asked)
    assert len(asked) <= 2
