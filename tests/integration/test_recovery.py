"""Turns that something happens to: cut streams, other clients, deaths of waiters. Faults are played by the fake."""

from functools import partial

import anyio
import pytest
from mcp import Client

from letta_conv_mcp.server import build_server
from letta_conv_mcp.settings import Settings
from tests.fake import Answer, Cut, FakeLetta, Garbage, StayOpen, Without
from tests.fake.state import Conversation
from tests.integration.calls import Progress, call, failure, held, posts

pytestmark = pytest.mark.anyio


async def test_a_failure_that_nobody_waited_for_is_told_to_the_next_who_asks(
    fake: FakeLetta, fake_client: Client, talk: Conversation
) -> None:
    await call(fake_client, "send_message", conversation_id=talk.id, message="first")
    fake.fail("POST", "*/messages", Answer(402, {}))

    sent = await call(fake_client, "send_message", conversation_id=talk.id, message="second", wait_seconds=0)
    said = await failure(fake_client, "wait_for_reply", conversation_id=talk.id)
    after = await call(fake_client, "wait_for_reply", conversation_id=talk.id)

    assert sent["status"] == "running"
    assert "out of credits" in said
    assert after["in_reply_to"] == "first"


@pytest.mark.parametrize("frames", range(1, 8))
async def test_a_stream_cut_anywhere_still_brings_the_whole_reply(
    fake: FakeLetta, fake_client: Client, talk: Conversation, frames: int
) -> None:
    fake.fail("POST", "*/messages", Cut(frames, into_bytes=20))

    reply = await call(fake_client, "send_message", Progress(), conversation_id=talk.id, message="one two three")

    assert (reply["status"], reply["text"]) == ("completed", "echo: one two three")
    assert posts(fake) == 1


@pytest.mark.parametrize("frames", range(1, 6))
async def test_a_stream_that_cannot_be_picked_up_is_settled_from_what_letta_stored(frames: int) -> None:
    """Without Redis a run can't be followed again; its end is in its state and its messages."""
    with FakeLetta(redis=False) as letta:
        talk = letta.add_conversation(letta.add_agent("Ada"))
        async with Client(build_server(Settings(base_url=letta.base_url))) as client:
            # The first one is answered with 503, and remembered.
            await call(client, "send_message", conversation_id=talk.id, message="before")
            letta.fail("POST", "*/messages", Cut(frames))

            reply = await call(client, "send_message", Progress(), conversation_id=talk.id, message="one two three")

    assert (reply["status"], reply["text"]) == ("completed", "echo: one two three")
    assert [seen.status for seen in letta.requests_to("POST", "*/messages")] == [503, 200, 200]


async def test_a_stream_without_a_stop_reason_is_never_a_success(
    fake: FakeLetta, fake_client: Client, talk: Conversation
) -> None:
    """The run's state can't be had either: what is left is what was said."""
    fake.fail("POST", "*/messages", Without(b"stop_reason"))
    fake.fail("GET", "/v1/runs/*", Answer(404, {"detail": "Run not found"}), times=None)

    reply = await call(fake_client, "send_message", conversation_id=talk.id, message="hello")

    assert (reply["status"], reply["text"], reply["stop_reason"]) == ("interrupted", "echo: hello", None)
    assert "do not send it again before you know" in reply["next_step"]


async def test_nonsense_in_a_stream_does_not_spoil_the_reply(
    fake: FakeLetta, fake_client: Client, talk: Conversation
) -> None:
    fake.fail("POST", "*/messages", Garbage(b"data: {broken\n\n", after_frames=1))

    reply = await call(fake_client, "send_message", conversation_id=talk.id, message="hello")

    assert (reply["status"], reply["text"]) == ("completed", "echo: hello")


async def test_a_stream_left_open_after_its_stop_reason_ends_the_turn(
    fake: FakeLetta, fake_client: Client, talk: Conversation
) -> None:
    fake.fail("POST", "*/messages", StayOpen())

    reply = await call(fake_client, "send_message", conversation_id=talk.id, message="hello")

    assert reply["status"] == "completed"


async def test_a_run_of_another_client_is_found_and_shown_with_what_it_answers(
    fake: FakeLetta, talk: Conversation
) -> None:
    """Two servers of ours stand for two clients: the second knows nothing of the first one's turn."""
    settings = Settings(base_url=fake.base_url)
    async with Client(build_server(settings)) as one, Client(build_server(settings)) as other:
        sent = await call(one, "send_message", conversation_id=talk.id, message="#hold key hello", wait_seconds=0)
        await held(fake, "key")
        running = await call(other, "wait_for_reply", conversation_id=talk.id, wait_seconds=0)
        seen = await call(other, "retrieve_conversation", conversation_id=talk.id)
        fake.release("key")
        ended = await call(other, "wait_for_reply", conversation_id=talk.id)

    assert (sent["status"], running["status"]) == ("running", "running")
    assert seen["running_run_id"] == running["run_id"] == ended["run_id"]
    assert (ended["status"], ended["text"]) == ("completed", "echo: hello")
    assert ended["in_reply_to"] == "#hold key hello"


async def test_a_waiter_that_goes_away_leaves_the_turn_running(
    fake: FakeLetta, fake_client: Client, talk: Conversation
) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(partial(call, fake_client, "send_message", conversation_id=talk.id, message="#hold key hello"))
        await held(fake, "key")
        group.cancel_scope.cancel()
    fake.release("key")

    reply = await call(fake_client, "wait_for_reply", conversation_id=talk.id)

    assert (reply["status"], reply["text"]) == ("completed", "echo: hello")
    assert posts(fake) == 1


async def test_an_exception_in_a_reader_costs_one_turn_and_not_the_server(
    fake: FakeLetta, fake_client: Client, talk: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one place where code of ours is made to fail: nothing outside can make a reader raise."""

    def broken(_: object) -> None:
        raise RuntimeError("a fault of ours")

    with monkeypatch.context() as patched:
        patched.setattr("letta_conv_mcp.letta.rest_connection.frame_from_json", broken)
        reply = await call(fake_client, "send_message", conversation_id=talk.id, message="hello")
    after = await call(fake_client, "send_message", conversation_id=talk.id, message="again")

    assert reply["status"] == "interrupted"
    assert after["status"] == "completed"


async def test_a_reply_that_broke_off_is_read_again_when_somebody_asks_for_it(
    fake: FakeLetta, fake_client: Client, talk: Conversation
) -> None:
    """Its end was unknown because Letta refused to tell; by now it tells."""
    fake.fail("POST", "*/messages", Cut(2))
    fake.fail("GET", "/v1/runs/*", Answer(401, {}), times=2)

    broken = await call(fake_client, "send_message", Progress(), conversation_id=talk.id, message="one two three")
    whole = await call(fake_client, "wait_for_reply", conversation_id=talk.id)
    by_run = await call(fake_client, "wait_for_reply", conversation_id=talk.id, run_id=broken["run_id"])

    assert broken["status"] == "interrupted"
    assert (whole["status"], whole["text"]) == ("completed", "echo: one two three")
    assert by_run == whole


async def test_a_rush_at_letta_while_a_stream_is_picked_up_costs_no_reply(
    fake: FakeLetta, fake_client: Client, talk: Conversation
) -> None:
    fake.fail("POST", "*/messages", Cut(2))
    fake.fail("GET", "/v1/runs/*", Answer(429, {}, {"x-should-retry": "false"}), times=2)

    reply = await call(fake_client, "send_message", Progress(), conversation_id=talk.id, message="one two three")

    assert (reply["status"], reply["text"]) == ("completed", "echo: one two three")


async def test_turns_that_are_forgotten_here_are_found_again_in_letta(
    fake: FakeLetta, fake_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("letta_conv_mcp.turns.hub.KEPT_TURNS", 1)
    agent = fake.add_agent("Bo")
    talks = [fake.add_conversation(agent).id for _ in range(3)]
    sent = [await call(fake_client, "send_message", conversation_id=talk, message=f"to {talk}") for talk in talks]

    found = [await call(fake_client, "wait_for_reply", conversation_id=talk) for talk in talks]

    assert found == sent
