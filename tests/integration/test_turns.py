"""Sending and waiting, on the fake and on a real Letta, in both eras."""

import anyio
import pytest
from mcp import Client

from letta_conv_mcp.server import build_server
from tests.conftest import Place
from tests.integration.calls import Progress, call, failure

pytestmark = pytest.mark.anyio

MAY_BE_REPEATED = "The message was not kept; it is safe to send it again. If that fails too, tell the person."


async def test_a_reply_says_what_the_agent_said_and_that_it_is_whole(client: Client, place: Place) -> None:
    conversation_id = await place.new_conversation(client)

    reply = await call(client, "send_message", conversation_id=conversation_id, message="hello there")

    assert reply.pop("run_id")
    assert reply == {
        "status": "completed",
        "text": "echo: hello there",
        "next_step": None,
        "conversation_id": conversation_id,
        "in_reply_to": "hello there",
        "stop_reason": "end_turn",
        "approvals": [],
    }


async def test_a_second_message_finds_the_first_one_remembered(client: Client, place: Place) -> None:
    conversation_id = await place.new_conversation(client)
    await call(client, "send_message", conversation_id=conversation_id, message="My cat is called Ink.")

    reply = await call(client, "send_message", conversation_id=conversation_id, message="What did I tell you?")

    assert "My cat is called Ink." in reply["text"]


async def test_what_is_said_in_one_conversation_is_not_known_in_another(client: Client, place: Place) -> None:
    one, other = [await place.new_conversation(client) for _ in range(2)]
    await call(client, "send_message", conversation_id=one, message="My cat is called Ink.")

    reply = await call(client, "send_message", conversation_id=other, message="What did I tell you?")

    assert "Ink" not in reply["text"]


async def test_progress_tells_the_words_as_they_come(client: Client, place: Place) -> None:
    conversation_id = await place.new_conversation(client)
    progress = Progress()

    reply = await call(
        client, "send_message", progress, conversation_id=conversation_id, message="#drip 0.2 one two three four five"
    )

    assert reply["text"] == "echo: one two three four five"
    spoken = [line for line in progress.lines if line.startswith("echo:")]
    assert spoken
    assert all(reply["text"].startswith(line) for line in spoken)
    assert progress.numbers == sorted(set(progress.numbers))


async def test_progress_names_the_tool_that_the_agent_calls(client: Client, place: Place) -> None:
    conversation_id = await place.new_conversation(client)
    progress = Progress()

    reply = await call(
        client,
        "send_message",
        progress,
        conversation_id=conversation_id,
        message='#tool lookup {"query": "moon"} #drip 0.3 go',
        detail="full",
    )

    assert reply["status"] == "completed"
    assert [(use["tool"], use["status"]) for use in reply["tool_uses"]] == [("lookup", "success")]
    assert "found moon" in reply["tool_uses"][0]["result"]
    assert any("lookup" in line for line in progress.lines)


async def test_full_detail_adds_reasoning_and_usage(client: Client, place: Place) -> None:
    conversation_id = await place.new_conversation(client)

    reply = await call(
        client, "send_message", conversation_id=conversation_id, message="#reason I wonder# hi", detail="full"
    )

    assert (reply["text"], reply["reasoning"]) == ("echo: hi", "I wonder")
    assert reply["usage"]["steps"] == 1
    assert reply["usage"]["total_tokens"] > 0


async def test_a_wait_that_runs_out_leaves_a_running_reply_and_waiting_on_brings_the_whole(
    client: Client, place: Place
) -> None:
    conversation_id = await place.new_conversation(client)

    first = await call(
        client, "send_message", conversation_id=conversation_id, message="#slow 2 at last", wait_seconds=0.5
    )
    last = await call(client, "wait_for_reply", conversation_id=conversation_id)

    assert (first["status"], first["text"]) == ("running", "")
    assert "do not send the message again" in first["next_step"]
    assert (last["status"], last["text"], last["in_reply_to"]) == ("completed", "echo: at last", "#slow 2 at last")


async def test_waiting_after_the_end_gives_the_reply_again(client: Client, place: Place) -> None:
    conversation_id = await place.new_conversation(client)
    reply = await call(client, "send_message", conversation_id=conversation_id, message="once")

    again = await call(client, "wait_for_reply", conversation_id=conversation_id)
    by_run = await call(client, "wait_for_reply", conversation_id=conversation_id, run_id=reply["run_id"])

    assert again == reply
    assert by_run == reply


async def test_waiting_where_nothing_was_said_is_an_error(client: Client, place: Place) -> None:
    conversation_id = await place.new_conversation(client)

    sentence = await failure(client, "wait_for_reply", conversation_id=conversation_id)

    assert sentence.startswith(f"Nothing has been sent in {conversation_id!r} yet")


@pytest.mark.parametrize("run_id", ["run-00000000-0000-4000-8000-000000000000", "run-junk", "..", "a/b"])
async def test_an_unknown_run_is_named_in_the_error(client: Client, place: Place, run_id: str) -> None:
    conversation_id = await place.new_conversation(client)

    sentence = await failure(client, "wait_for_reply", conversation_id=conversation_id, run_id=run_id)

    assert sentence.startswith(f"No run {run_id!r} in {conversation_id!r}.")


async def test_a_run_of_another_conversation_is_not_shown(client: Client, place: Place) -> None:
    one, other = [await place.new_conversation(client) for _ in range(2)]
    reply = await call(client, "send_message", conversation_id=one, message="secret")

    sentence = await failure(client, "wait_for_reply", conversation_id=other, run_id=reply["run_id"])

    assert sentence.startswith(f"No run {reply['run_id']!r} in {other!r}.")


async def test_a_tool_that_needs_approval_is_reported_with_what_it_would_do(client: Client, place: Place) -> None:
    conversation_id = await place.new_conversation(client)

    reply = await call(
        client,
        "send_message",
        conversation_id=conversation_id,
        message='#tool delete_everything {"where": "there"}',
    )
    seen = await call(client, "retrieve_conversation", conversation_id=conversation_id)
    again = await call(client, "wait_for_reply", conversation_id=conversation_id)

    assert (reply["status"], reply["stop_reason"]) == ("awaiting_approval", "requires_approval")
    approval = reply["approvals"][0]
    # An App Server sets the spaces anew.
    assert (approval["tool"], approval["arguments"].replace(" ", "")) == ("delete_everything", '{"where":"there"}')
    assert approval["tool_call_id"]
    assert approval["requested_at"]
    assert seen["approvals"] == reply["approvals"]
    assert again == reply


async def test_an_approval_that_another_client_has_answered_is_not_shown_as_pending(
    client: Client, place: Place, era: str
) -> None:
    conversation_id = await place.new_conversation(client)
    asked = await call(client, "send_message", conversation_id=conversation_id, message="#tool delete_everything {}")
    ids = [approval["tool_call_id"] for approval in asked["approvals"]]
    async with Client(build_server(place.settings), mode=era) as other:
        await call(other, "answer_approval", conversation_id=conversation_id, approve=ids)

    by_run = await call(client, "wait_for_reply", conversation_id=conversation_id, run_id=asked["run_id"])
    latest = await call(client, "wait_for_reply", conversation_id=conversation_id)

    assert (by_run["status"], by_run["approvals"], by_run["stop_reason"]) == ("completed", [], "requires_approval")
    assert "call wait_for_reply without run_id" in by_run["next_step"]
    assert latest["status"] == "completed"
    assert "deleted everything" in latest["text"]


async def test_a_message_behind_a_pending_approval_is_not_sent_and_the_reply_says_so(
    client: Client, place: Place
) -> None:
    """Letta answers it with an internal error that doesn't name the cause."""
    conversation_id = await place.new_conversation(client)
    first = await call(client, "send_message", conversation_id=conversation_id, message="#tool delete_everything {}")

    reply = await call(client, "send_message", conversation_id=conversation_id, message="are you there?")
    page = await call(client, "get_history", conversation_id=conversation_id)

    assert reply["status"] == "awaiting_approval"
    assert reply["next_step"].startswith("Your message was NOT sent")
    assert reply["approvals"] == first["approvals"]
    assert "are you there?" not in [message["text"] for message in page["messages"]]


@pytest.mark.parametrize(
    ("directive", "next_step"),
    [
        ("#http 500", f"The agent's model failed. {MAY_BE_REPEATED}"),
        ("#http 429", f"The model provider is limiting the agent's requests; wait a minute. {MAY_BE_REPEATED}"),
        (
            "#http 401",
            "The model provider refused the agent's credentials. "
            "Tell the person; sending again can't help before that is settled.",
        ),
    ],
)
async def test_a_failing_model_is_a_failed_reply_with_the_reason_in_our_words(
    client: Client, place: Place, directive: str, next_step: str
) -> None:
    conversation_id = await place.new_conversation(client)

    reply = await call(client, "send_message", conversation_id=conversation_id, message=f"{directive} hello")
    page = await call(client, "get_history", conversation_id=conversation_id, types=["user_message"])

    assert (reply["status"], reply["stop_reason"], reply["text"]) == ("failed", "llm_api_error", "")
    assert reply["next_step"] == next_step
    assert page["messages"] == []


async def test_an_answer_without_words_says_so_or_fails_but_is_never_a_silent_success(
    client: Client, place: Place
) -> None:
    """Letta calls it a failure in step mode, and an ordinary end in token mode."""
    conversation_id = await place.new_conversation(client)

    watched = await call(client, "send_message", Progress(), conversation_id=conversation_id, message="#empty")
    unwatched = await call(client, "send_message", conversation_id=conversation_id, message="#empty")

    for reply in (watched, unwatched):
        assert reply["text"] == ""
        assert reply["next_step"]


async def test_messages_to_one_conversation_are_sent_one_after_another(client: Client, place: Place) -> None:
    conversation_id = await place.new_conversation(client)
    replies: dict[str, str] = {}

    async def say(message: str) -> None:
        reply = await call(client, "send_message", conversation_id=conversation_id, message=message)
        replies[message] = f"{reply['status']}: {reply['text']}"

    async with anyio.create_task_group() as group:
        for message in ("#slow 0.5 a", "b", "c"):
            group.start_soon(say, message)

    assert replies == {"#slow 0.5 a": "completed: echo: a", "b": "completed: echo: b", "c": "completed: echo: c"}


async def test_whitespace_is_no_message(client: Client, place: Place) -> None:
    conversation_id = await place.new_conversation(client)

    sentence = await failure(client, "send_message", conversation_id=conversation_id, message=" \n ")

    assert sentence == "send_message was not run: message is empty. Correct the arguments and call it again."


async def test_words_of_every_script_arrive_whole(client: Client, place: Place) -> None:
    """U+2028 comes raw in Letta's frames, and splits lines for careless readers."""
    conversation_id = await place.new_conversation(client)
    words = "Grüße, 世界\u2028second line 👩‍👩‍👧 end"

    reply = await call(client, "send_message", Progress(), conversation_id=conversation_id, message=words)

    assert reply["text"] == f"echo: {words}"


async def test_a_long_reply_is_cut_with_a_word_how_to_get_the_rest(client: Client, place: Place) -> None:
    conversation_id = await place.new_conversation(client)

    reply = await call(client, "send_message", conversation_id=conversation_id, message="#long 6000")
    whole = await call(client, "wait_for_reply", conversation_id=conversation_id, detail="full")

    assert len(reply["text"]) == 20_000
    assert "call wait_for_reply with detail 'full'" in reply["next_step"]
    assert whole["text"].endswith("w5999")
    assert whole["next_step"] is None
