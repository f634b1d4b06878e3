"""Tools that wait for a person, decided through `answer_approval`, on the fake and on a real Letta, in both eras."""

from datetime import timedelta
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
import httpx
import pytest
from mcp import Client

from letta_conv_mcp.server import build_server
from letta_conv_mcp.settings import Settings
from tests.conftest import Place
from tests.fake import Answer, FakeLetta, Tool
from tests.integration.calls import Progress, call, failure, held, text_of_result

pytestmark = pytest.mark.anyio

ASK = '#tool delete_everything {"where": "there"}'
CLIENT_TOOL = {
    "name": "local_ls",
    "description": "List files.",
    "parameters": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
}


def ids_in(reply: dict[str, Any]) -> list[str]:
    return [approval["tool_call_id"] for approval in reply["approvals"]]


async def said_by_user(place: Place, conversation_id: str) -> list[str]:
    """The person's messages, as Letta has them."""
    if place.rig is not None:
        return await anyio.to_thread.run_sync(place.rig.said_by_user, conversation_id)
    async with httpx.AsyncClient(base_url=place.base_url, timeout=30) as letta:
        listed = (await letta.get(f"/v1/conversations/{conversation_id}/messages", params={"order": "asc"})).json()
    return [message["content"] for message in listed if message["message_type"] == "user_message"]


async def another_agent(place: Place) -> str:
    """An agent with the same tools, whose own thread is empty; its id."""
    if place.rig is not None:
        return await anyio.to_thread.run_sync(place.rig.make_agent, "Own")
    async with httpx.AsyncClient(base_url=place.base_url, timeout=30) as letta:
        agent = (await letta.get(f"/v1/agents/{place.agent_id}")).json()
        tools = [tool["id"] for tool in agent.get("tools", [])]
        body = {"name": "Own", "model": agent["model"], "include_base_tools": False, "tool_ids": tools}
        made = (await letta.post("/v1/agents/", json=body)).raise_for_status().json()
        rule = {"requires_approval": True}
        await letta.patch(f"/v1/agents/{made['id']}/tools/approval/delete_everything", json=rule)
    return made["id"]


async def let_calls_be_parallel(place: Place, conversation_id: str) -> None:
    """A REST server makes one call a step unless the model's settings allow more."""
    if place.rig is not None:
        return
    async with httpx.AsyncClient(base_url=place.base_url, timeout=30) as letta:
        agent = (await letta.get(f"/v1/agents/{place.agent_id}")).json()
        settings = {"provider_type": "openai", "parallel_tool_calls": True}
        body = {"model": agent["model"], "model_settings": settings}
        (await letta.patch(f"/v1/conversations/{conversation_id}", json=body)).raise_for_status()


@pytest.mark.parametrize("watched", [True, False])
async def test_an_approved_call_runs_and_the_reply_goes_on(client: Client, place: Place, watched: bool) -> None:
    conversation_id = await place.new_conversation(client)
    asked = await call(client, "send_message", conversation_id=conversation_id, message=ASK)

    reply = await call(
        client,
        "answer_approval",
        Progress() if watched else None,
        conversation_id=conversation_id,
        approve=ids_in(asked),
    )
    seen = await call(client, "retrieve_conversation", conversation_id=conversation_id)

    assert reply["status"] == "completed"
    assert "deleted everything there" in reply["text"]
    assert reply["in_reply_to"] == f"approve {ids_in(asked)[0]}"
    assert seen["approvals"] == []
    assert await said_by_user(place, conversation_id) == [ASK]


async def test_a_denied_call_does_not_run_and_the_agent_hears_why(client: Client, place: Place) -> None:
    conversation_id = await place.new_conversation(client)
    asked = await call(client, "send_message", conversation_id=conversation_id, message=ASK)

    reply = await call(
        client, "answer_approval", conversation_id=conversation_id, deny=ids_in(asked), reason="not on a Friday"
    )

    assert reply["status"] == "completed"
    assert "not on a Friday" in reply["text"]
    assert "deleted everything" not in reply["text"]


async def test_an_answer_that_fits_nothing_pending_is_not_passed_on(client: Client, place: Place) -> None:
    """LETTA: an answer to no request is a failed run, and one that was given already makes the agent think anew."""
    conversation_id = await place.new_conversation(client)
    too_early = await failure(client, "answer_approval", conversation_id=conversation_id, approve=["call_1"])
    asked = await call(client, "send_message", conversation_id=conversation_id, message=ASK)
    [pending] = ids_in(asked)
    unknown = await failure(client, "answer_approval", conversation_id=conversation_id, approve=[pending, "call_x"])
    left_out = await failure(client, "answer_approval", conversation_id=conversation_id)
    both = await failure(client, "answer_approval", conversation_id=conversation_id, approve=[pending], deny=[pending])
    reply = await call(client, "answer_approval", conversation_id=conversation_id, approve=[pending])
    too_late = await failure(client, "answer_approval", conversation_id=conversation_id, approve=[pending])

    assert "Nothing waits for a decision there." in too_early
    assert "'call_x' is not waiting, or answered already" in unknown
    assert f"'{pending}' is also waiting and left out" in left_out
    assert f"'{pending}' is named for both approve and deny" in both
    assert f"Waiting for a decision: {pending} (delete_everything)." in unknown
    assert reply["status"] == "completed"
    assert f"'{pending}' is not waiting, or answered already" in too_late
    assert await said_by_user(place, conversation_id) == [ASK]


async def test_the_same_answer_given_twice_at_once_counts_once(client: Client, place: Place) -> None:
    conversation_id = await place.new_conversation(client)
    asked = await call(client, "send_message", conversation_id=conversation_id, message=ASK)
    said: list[str] = []

    async def answer() -> None:
        arguments = {"conversation_id": conversation_id, "approve": ids_in(asked)}
        result = await client.call_tool("answer_approval", arguments)
        said.append("refused" if result.is_error else text_of_result(result).splitlines()[0])

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(answer)

    assert sorted(said) == ["refused", "refused", "status: completed"]
    assert await said_by_user(place, conversation_id) == [ASK]


async def test_a_pending_approval_is_found_after_a_restart_and_answered(place: Place, era: str) -> None:
    settings = place.settings
    async with Client(build_server(settings), mode=era) as one:
        conversation_id = await place.new_conversation(one)
        asked = await call(one, "send_message", conversation_id=conversation_id, message=ASK)
    async with Client(build_server(settings), mode=era) as other:
        seen = await call(other, "retrieve_conversation", conversation_id=conversation_id)
        waited = await call(other, "wait_for_reply", conversation_id=conversation_id)
        refused = await call(other, "send_message", conversation_id=conversation_id, message="hello?")
        reply = await call(other, "answer_approval", conversation_id=conversation_id, approve=ids_in(seen))

    assert asked["approvals"] == seen["approvals"] == waited["approvals"] == refused["approvals"]
    assert seen["approvals"][0]["requested_at"]
    assert (waited["status"], refused["status"]) == ("awaiting_approval", "awaiting_approval")
    assert refused["next_step"].startswith("Your message was NOT sent")
    assert "deleted everything there" in reply["text"]
    assert await said_by_user(place, conversation_id) == [ASK]


async def test_an_approval_in_the_agents_own_thread_is_answered_too(place: Place, era: str, client: Client) -> None:
    thread = f"default:{await another_agent(place)}"
    asked = await call(client, "send_message", conversation_id=thread, message=ASK)

    reply = await call(client, "answer_approval", conversation_id=thread, approve=ids_in(asked))

    assert asked["status"] == "awaiting_approval"
    assert "deleted everything there" in reply["text"]


async def test_a_call_for_the_client_that_offered_the_tool_can_be_denied_and_not_approved(
    client: Client, place: Place
) -> None:
    """LETTA: approving it would tell the agent that there is no such tool."""
    conversation_id = await place.new_conversation(client)
    async with httpx.AsyncClient(base_url=place.base_url, timeout=30) as other:
        body = {"messages": [{"role": "user", "content": "#tool local_ls {}"}], "client_tools": [CLIENT_TOOL]}
        (await other.post(f"/v1/conversations/{conversation_id}/messages", json=body)).raise_for_status()

    seen = await call(client, "wait_for_reply", conversation_id=conversation_id)
    said = await failure(client, "answer_approval", conversation_id=conversation_id, approve=ids_in(seen))
    reply = await call(client, "answer_approval", conversation_id=conversation_id, deny=ids_in(seen), reason="no")

    assert (seen["status"], seen["approvals"][0]["client_tool"]) == ("awaiting_approval", True)
    assert "client_tool is for the client that offered the tool to run" in seen["next_step"]
    assert "a tool of the client that offered it" in said
    assert reply["status"] == "completed"


async def test_calls_made_at_once_are_answered_at_once(place: Place, era: str) -> None:
    """LETTA: an agent with parallel tool calls waits for all of them, and takes all answers or none."""
    async with Client(build_server(place.settings), mode=era) as client:
        conversation_id = await place.new_conversation(client)
        await let_calls_be_parallel(place, conversation_id)
        asked = await call(
            client, "send_message", Progress(), conversation_id=conversation_id, message="#two delete_everything {}"
        )
        one, other = ids_in(asked)
        half = await failure(client, "answer_approval", conversation_id=conversation_id, approve=[one])
        reply = await call(client, "answer_approval", conversation_id=conversation_id, approve=[one], deny=[other])

    assert f"'{other}' is also waiting and left out" in half
    assert reply["status"] == "completed"
    assert "deleted everything here" in reply["text"]


async def test_a_message_that_was_refused_shows_what_is_pending_to_whoever_finds_its_run(
    place: Place, era: str
) -> None:
    """LETTA: the refused message leaves a failed run on top, which says nothing of the cause."""
    settings = place.settings
    async with Client(build_server(settings), mode=era) as one, Client(build_server(settings), mode=era) as other:
        conversation_id = await place.new_conversation(one)
        asked = await call(one, "send_message", conversation_id=conversation_id, message=ASK)
        await call(one, "send_message", conversation_id=conversation_id, message="hello?")
        found = [await call(client, "wait_for_reply", conversation_id=conversation_id) for client in (one, other)]

    assert [reply["status"] for reply in found] == ["awaiting_approval"] * 2
    assert [reply["approvals"] for reply in found] == [asked["approvals"]] * 2


async def test_a_run_that_never_ends_hides_no_approval_that_came_after_it(fake: FakeLetta, era: str) -> None:
    """LETTA: a run whose server was killed is `running` for ever; the conversation is free after 300 seconds."""
    talk = fake.add_conversation(fake.add_agent("Ada", tools=[Tool("erase", "erased", requires_approval=True)]))
    server = partial(build_server, Settings(base_url=fake.base_url))
    async with Client(server(), mode=era) as one, Client(server(), mode=era) as other:
        await call(one, "send_message", conversation_id=talk.id, message="#hold key first", wait_seconds=0)
        await held(fake, "key")
        fake.kill()
        fake.store.locks.clear()
        # A request's date has whole seconds, and the run must be older by more than that.
        fake.runs[0].created_at -= timedelta(seconds=2)
        asked = await call(other, "send_message", conversation_id=talk.id, message="#tool erase {}")
        found = await call(one, "wait_for_reply", conversation_id=talk.id, run_id=asked["run_id"])
        seen = await call(one, "retrieve_conversation", conversation_id=talk.id)
        reply = await call(other, "answer_approval", conversation_id=talk.id, approve=ids_in(seen))

    assert asked["status"] == found["status"] == "awaiting_approval"
    assert asked["approvals"] == found["approvals"] == seen["approvals"]
    assert seen["running_run_id"] == fake.runs[0].id
    assert reply["status"] == "completed"
    assert "erased" in reply["text"]


async def test_a_conversation_that_says_nothing_of_its_context_leaves_what_was_asked_pending(
    fake: FakeLetta, era: str
) -> None:
    """Ours: nothing said is not the same as nothing pending, and never a decision."""
    talk = fake.add_conversation(fake.add_agent("Ada", tools=[Tool("erase", requires_approval=True)]))
    fake.fail("GET", "/v1/conversations/*", Answer(200, {"welcome": True}), times=None)
    async with Client(build_server(Settings(base_url=fake.base_url)), mode=era) as client:
        asked = await call(client, "send_message", conversation_id=talk.id, message="#tool erase {}")

    assert asked["status"] == "awaiting_approval"
    assert [approval["tool"] for approval in asked["approvals"]] == ["erase"]
