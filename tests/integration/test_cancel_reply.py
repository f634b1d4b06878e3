"""Stopping a run of one's own, on the fake and on a real Letta, in both eras."""

from functools import partial

import anyio
import httpx
import pytest
from mcp import Client

from letta_conv_mcp.server import build_server
from letta_conv_mcp.settings import Settings
from letta_conv_mcp.tools import approvals
from letta_conv_mcp.tools.progress import ARRIVED
from tests.conftest import Place
from tests.fake import FakeLetta, Tool
from tests.fake.state import Conversation
from tests.integration.calls import Progress, call, failure, heard, held, posts

pytestmark = pytest.mark.anyio

LONG = "#drip 0.3 one two three four five six seven eight nine ten"


async def filed(place: Place, run_id: str, as_what: str) -> None:
    """Letta must have filed a run so; an App Server keeps none."""
    if place.rig is not None:
        return
    async with httpx.AsyncClient(base_url=place.base_url, timeout=30) as letta:
        run = (await letta.get(f"/v1/runs/{run_id}")).raise_for_status().json()
    assert f"{run['status']}: {run['stop_reason']}" == as_what


async def begin(client: Client, conversation_id: str) -> None:
    """Until the agent is at work on a long answer that nobody waits for."""
    progress = Progress()
    async with anyio.create_task_group() as group:
        arguments = {"conversation_id": conversation_id, "message": LONG}
        group.start_soon(partial(call, client, "send_message", progress, **arguments))
        await progress.until(ARRIVED)
        group.cancel_scope.cancel()


async def test_a_run_is_stopped_and_its_words_so_far_are_told(client: Client, place: Place) -> None:
    conversation_id = await place.new_conversation(client)
    await begin(client, conversation_id)

    reply = await call(client, "cancel_reply", conversation_id=conversation_id)
    after = await call(client, "send_message", conversation_id=conversation_id, message="next")

    assert (reply["status"], reply["stop_reason"]) == ("cancelled", "cancelled")
    # LETTA: a step that isn't streamed is finished and stored all the same.
    assert "echo: one two three four five six seven eight nine ten".startswith(reply["text"].strip())
    assert reply["next_step"].startswith("The run was cancelled.")
    await filed(place, reply["run_id"], "cancelled: cancelled")
    assert (after["status"], after["text"]) == ("completed", "echo: next")


async def test_only_that_one_run_is_stopped(client: Client, place: Place) -> None:
    """LETTA: the agent's own cancel would stop all that the agent does."""
    one, sibling = [await place.new_conversation(client) for _ in range(2)]
    await call(client, "send_message", conversation_id=sibling, message="#slow 2 go on", wait_seconds=0)
    await begin(client, one)

    stopped = await call(client, "cancel_reply", conversation_id=one)
    reply = await call(client, "wait_for_reply", conversation_id=sibling)

    assert stopped["status"] == "cancelled"
    assert (reply["status"], reply["text"]) == ("completed", "echo: go on")


async def test_where_nothing_runs_nothing_is_cancelled(client: Client, place: Place) -> None:
    conversation_id = await place.new_conversation(client)
    at_first = await failure(client, "cancel_reply", conversation_id=conversation_id)
    reply = await call(client, "send_message", conversation_id=conversation_id, message="hello")

    latest = await failure(client, "cancel_reply", conversation_id=conversation_id)
    by_run = await failure(client, "cancel_reply", conversation_id=conversation_id, run_id=reply["run_id"])

    assert at_first == latest
    assert latest.startswith(f"Nothing is running in '{conversation_id}', so nothing was cancelled.")
    assert by_run.startswith(f"Run '{reply['run_id']}' has ended already, so nothing was cancelled.")
    await filed(place, reply["run_id"], "completed: end_turn")


async def test_a_run_of_another_client_is_not_stopped(place: Place, era: str) -> None:
    settings = place.settings
    async with (
        Client(build_server(settings), mode=era) as one,
        Client(build_server(settings), mode=era) as other,
    ):
        conversation_id = await place.new_conversation(one)
        await begin(one, conversation_id)
        running = await call(other, "wait_for_reply", conversation_id=conversation_id, wait_seconds=0)
        said = await failure(other, "cancel_reply", conversation_id=conversation_id)
        by_run = await failure(other, "cancel_reply", conversation_id=conversation_id, run_id=running["run_id"])
        reply = await call(one, "wait_for_reply", conversation_id=conversation_id)

    assert said == by_run
    assert said.startswith(f"Run '{running['run_id']}' in '{conversation_id}' was started by another client")
    assert reply["status"] == "completed"


async def test_an_approval_in_the_agents_own_thread_keeps_its_other_runs_from_being_cancelled(
    client: Client, place: Place
) -> None:
    """LETTA: cancelling any run of the agent denies it, in the person's name."""
    thread = f"default:{place.agent_id}"
    conversation_id = await place.new_conversation(client)
    asked = await call(client, "send_message", conversation_id=thread, message="#tool delete_everything {}")
    await begin(client, conversation_id)

    said = await failure(client, "cancel_reply", conversation_id=conversation_id)
    seen = await call(client, "retrieve_conversation", conversation_id=thread)
    ids = [approval["tool_call_id"] for approval in asked["approvals"]]
    await call(client, "answer_approval", conversation_id=thread, deny=ids)

    assert f"deny the tool call that waits in '{thread}'" in said
    assert seen["approvals"] == asked["approvals"]


async def test_a_message_that_still_waits_is_taken_back(
    fake: FakeLetta, fake_client: Client, talk: Conversation
) -> None:
    await call(fake_client, "send_message", conversation_id=talk.id, message="#hold key first", wait_seconds=0)
    await held(fake, "key")
    first = fake.runs[0].id
    await call(fake_client, "send_message", conversation_id=talk.id, message="second", wait_seconds=0)
    await call(fake_client, "send_message", conversation_id=talk.id, message="third", wait_seconds=0)

    stopped = await call(fake_client, "cancel_reply", conversation_id=talk.id)
    fake.release("key")
    last = await call(fake_client, "wait_for_reply", conversation_id=talk.id)

    assert (stopped["run_id"], stopped["in_reply_to"]) == (first, "#hold key first")
    assert (last["status"], last["in_reply_to"]) == ("completed", "third")
    assert heard(fake, talk.id)[-2:] == ["second", "third"]


async def test_a_message_that_waits_for_another_client_is_taken_back(fake: FakeLetta, talk: Conversation) -> None:
    settings = Settings(base_url=fake.base_url)
    async with Client(build_server(settings)) as one, Client(build_server(settings)) as other:
        await call(one, "send_message", conversation_id=talk.id, message="#hold key first", wait_seconds=0)
        await held(fake, "key")
        await call(other, "send_message", conversation_id=talk.id, message="second", wait_seconds=0)
        await anyio.to_thread.run_sync(fake.wait_until, lambda: posts(fake) > 1)
        await anyio.to_thread.run_sync(fake.wait_until, lambda: bool(fake.requests_to("GET", "/v1/runs/*")))
        back = await call(other, "cancel_reply", conversation_id=talk.id)
        fake.release("key")
        await call(one, "wait_for_reply", conversation_id=talk.id)

    assert "NOT sent" in back["next_step"]
    assert heard(fake, talk.id) == ["#hold key first"]


async def test_a_stop_that_takes_effect_later_says_so(
    fake: FakeLetta, fake_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LETTA: a tool that runs, runs to its end, and the stream is silent until then."""
    monkeypatch.setattr(approvals, "CANCEL_SECONDS", 0.3)

    async def work(_: object) -> str:
        await fake.holds.wait("tool")
        return "worked"

    talk = fake.add_conversation(fake.add_agent("Bo", tools=[Tool("work", work)]))
    await call(fake_client, "send_message", conversation_id=talk.id, message="#tool work {}", wait_seconds=0)
    await held(fake, "tool")

    stopping = await call(fake_client, "cancel_reply", conversation_id=talk.id)
    fake.release("tool")
    reply = await call(fake_client, "wait_for_reply", conversation_id=talk.id)

    assert stopping["status"] == "running"
    assert stopping["next_step"].startswith("The run is being stopped")
    assert reply["status"] == "cancelled"
