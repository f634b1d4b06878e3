"""Streams that say nothing, too little, or the wrong end. Faults are played by the fake."""

import json

import anyio
import pytest
from mcp import Client

from letta_conv_mcp.letta.events import frame_from_json
from letta_conv_mcp.turns import hub, reader
from tests.fake import Answer, FakeLetta, Garbage, StayOpen, Without
from tests.fake.state import Conversation
from tests.integration.calls import Progress, call, held, posts

pytestmark = pytest.mark.anyio

ERROR = {"message_type": "error_message", "run_id": None, "error_type": "internal_error", "message": "x", "detail": "y"}
ERROR_FRAME = f"event: error\ndata: {json.dumps(ERROR)}\n\n".encode()


async def test_a_silent_run_is_asked_after_and_waited_for_while_it_is_active(
    fake: FakeLetta, fake_client: Client, talk: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours: slow is not broken. Pings say that the server lives, the run's status that the run does."""
    monkeypatch.setattr(reader, "ASK_SECONDS", 0.1)
    await call(fake_client, "send_message", conversation_id=talk.id, message="#hold key hello", wait_seconds=0)
    await held(fake, "key")
    asked = len(fake.requests_to("GET", "/v1/runs/*"))
    await anyio.to_thread.run_sync(fake.wait_until, lambda: len(fake.requests_to("GET", "/v1/runs/*")) > asked + 3)
    fake.release("key")

    reply = await call(fake_client, "wait_for_reply", conversation_id=talk.id)

    assert (reply["status"], reply["text"]) == ("completed", "echo: hello")
    assert posts(fake) == 1


async def test_a_silent_stream_of_a_run_that_has_ended_is_left_for_what_was_stored(
    fake: FakeLetta, fake_client: Client, talk: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "ASK_SECONDS", 0.2)
    fake.fail("POST", "*/messages", StayOpen(after=b'"message_type":"ping"'))

    reply = await call(fake_client, "send_message", conversation_id=talk.id, message="hello")

    assert (reply["status"], reply["text"]) == ("completed", "echo: hello")


async def test_a_run_that_is_silent_for_ever_is_given_up_and_frees_the_queue(
    fake: FakeLetta, fake_client: Client, talk: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LETTA: a run whose server died is `running` for ever."""
    monkeypatch.setattr(reader, "SILENT_SECONDS", 0.5)

    given_up = await call(fake_client, "send_message", conversation_id=talk.id, message="#hold key hello")
    next_one = await call(fake_client, "send_message", conversation_id=talk.id, message="next", wait_seconds=0.5)

    assert given_up["status"] == "interrupted"
    assert given_up["run_id"] == fake.runs[0].id
    assert (next_one["status"], next_one["run_id"]) == ("running", given_up["run_id"])
    assert next_one["next_step"].startswith("Your message was NOT sent")


async def test_a_run_that_was_given_up_can_still_be_stopped(
    fake: FakeLetta, fake_client: Client, talk: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LETTA: that frees the conversation."""
    monkeypatch.setattr(reader, "SILENT_SECONDS", 0.5)
    await call(fake_client, "send_message", conversation_id=talk.id, message="#hold key hello")

    await call(fake_client, "cancel_reply", conversation_id=talk.id)
    fake.release("key")
    reply = await call(fake_client, "send_message", conversation_id=talk.id, message="next")

    assert fake.runs[0].status == "cancelled"
    assert (reply["status"], reply["text"]) == ("completed", "echo: next")


async def test_what_a_run_stored_that_never_ends_is_shown_and_not_called_complete(
    fake: FakeLetta, fake_client: Client, talk: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LETTA: with its Redis gone, a run stores its whole reply and stays `running` for ever."""
    monkeypatch.setattr(reader, "SILENT_SECONDS", 0.5)
    fake.fail("POST", "*/messages", StayOpen(after=b'"message_type":"ping"'))
    fake.fail("POST", "/v1/runs/*/stream", StayOpen(after=b'"message_type":"ping"'), times=None)

    sent = await call(fake_client, "send_message", conversation_id=talk.id, message="hello", wait_seconds=0)
    await anyio.to_thread.run_sync(fake.wait_until, lambda: bool(fake.runs) and not fake.runs[0].is_active)
    fake.runs[0].status, fake.runs[0].stop_reason = "running", None
    reply = await call(fake_client, "wait_for_reply", conversation_id=talk.id)

    assert sent["status"] == "running"
    assert (reply["status"], reply["text"], reply["stop_reason"]) == ("interrupted", "echo: hello", None)


@pytest.mark.parametrize("watched", [True, False])
async def test_a_stream_cut_right_after_its_stop_reason_is_completed_only_by_lettas_record(
    fake: FakeLetta, fake_client: Client, talk: Conversation, watched: bool
) -> None:
    fake.fail("POST", "*/messages", Without(b"usage_statistics"))

    reply = await call(
        fake_client, "send_message", Progress() if watched else None, conversation_id=talk.id, message="hello"
    )

    assert (reply["status"], reply["text"]) == ("completed", "echo: hello")
    assert fake.requests_to("GET", f"/v1/runs/{reply['run_id']}")


async def test_a_stop_reason_that_nothing_confirms_is_not_taken_for_the_end(
    fake: FakeLetta, fake_client: Client, talk: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LETTA: with its database gone at the last moment, all words are streamed and nothing is stored."""
    monkeypatch.setattr(reader, "UNCONFIRMED_SECONDS", 0.5)
    fake.fail("POST", "*/messages", Without(b"usage_statistics"))
    fake.fail("GET", "/v1/runs/*", Answer(503, {}, {"x-should-retry": "false"}), times=None)

    reply = await call(fake_client, "send_message", conversation_id=talk.id, message="hello")

    assert (reply["status"], reply["text"]) == ("interrupted", "echo: hello")


async def test_an_error_after_the_stop_reason_is_a_failure(
    fake: FakeLetta, fake_client: Client, talk: Conversation
) -> None:
    fake.fail("POST", "*/messages", Garbage(ERROR_FRAME, after_frames=3))

    reply = await call(fake_client, "send_message", conversation_id=talk.id, message="hello")

    assert (reply["status"], reply["stop_reason"]) == ("failed", "end_turn")
    assert frame_from_json(ERROR).events


@pytest.mark.parametrize("frames", [1, 2, 4])
async def test_an_error_in_mid_stream_is_the_streams_and_the_run_is_picked_up(
    fake: FakeLetta, fake_client: Client, talk: Conversation, frames: int
) -> None:
    fake.fail("POST", "*/messages", Garbage(ERROR_FRAME, after_frames=frames))

    reply = await call(
        fake_client, "send_message", Progress(), conversation_id=talk.id, message="#drip 0.1 one two three four"
    )

    assert (reply["status"], reply["text"]) == ("completed", "echo: one two three four")


async def test_words_that_a_replay_leaves_out_are_taken_from_what_was_stored(
    fake: FakeLetta, fake_client: Client, talk: Conversation
) -> None:
    """LETTA: after a restart of its Redis a run is replayed from there on, and nothing says so."""
    fake.fail("POST", "*/messages", Without(b'"seq_id":4'))

    reply = await call(fake_client, "send_message", Progress(), conversation_id=talk.id, message="one two three four")

    assert (reply["status"], reply["text"]) == ("completed", "echo: one two three four")


async def test_a_crowd_of_live_turns_leaves_room_for_a_read(fake: FakeLetta, fake_client: Client) -> None:
    """letta-client opens a hundred connections by default; each live turn holds one."""
    agent = fake.add_agent("Bo")
    talks = [fake.add_conversation(agent).id for _ in range(120)]
    for talk in talks:
        await call(fake_client, "send_message", conversation_id=talk, message="#hold key hello", wait_seconds=0)
    await anyio.to_thread.run_sync(fake.wait_until, lambda: len(fake.runs) == len(talks), 20)

    with anyio.fail_after(5):
        page = await call(fake_client, "list_conversations", limit=1)
    fake.release("key")
    ended = [await call(fake_client, "wait_for_reply", conversation_id=talk) for talk in talks]

    assert len(page["conversations"]) == 1
    assert {reply["text"] for reply in ended} == {"echo: hello"}


@pytest.mark.parametrize("limit", ["KEPT_TURNS", "KEPT_CHARS"])
async def test_settled_turns_are_kept_within_bounds_and_found_again_in_letta(
    fake: FakeLetta, fake_client: Client, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(hub, limit, {"KEPT_TURNS": 1, "KEPT_CHARS": 30}[limit])
    agent = fake.add_agent("Bo")
    talks = [fake.add_conversation(agent).id for _ in range(3)]
    sent = [await call(fake_client, "send_message", conversation_id=talk, message=f"to {talk}") for talk in talks]
    asked = len(fake.requests_to("GET", "/v1/runs/*/messages"))

    found = [await call(fake_client, "wait_for_reply", conversation_id=talk) for talk in talks]

    assert found == sent
    assert len(fake.requests_to("GET", "/v1/runs/*/messages")) > asked
