"""What a reply says of a message that was not sent, or perhaps not."""

import pytest

from letta_conv_mcp.turns.draft import Call, Draft
from letta_conv_mcp.turns.reply import Stage, reply_from_draft
from letta_conv_mcp.views import Approval, Status

CONV = "conv-1"


@pytest.mark.parametrize(
    ("stage", "status", "ahead", "beginning"),
    [
        (
            "queued",
            "running",
            1,
            "An earlier message in this conversation is still being answered; yours is sent after",
        ),
        ("queued", "running", 0, "Letta doesn't take the message yet"),
        ("held", "running", 0, "Letta doesn't take the message yet"),
        ("unclear", "running", 0, "Letta's answer was lost, and it is being found out whether it has the message."),
        (
            "unclear",
            "interrupted",
            0,
            "The reply broke off and could not be picked up again. The message may have been",
        ),
        ("stopping", "running", 0, "The run is being stopped, when its present step is done."),
        ("stopping", "cancelled", 0, "The run was cancelled."),
        ("posted", "running", 0, "The agent is still at work."),
        ("withdrawn", "cancelled", 0, "Your message was NOT sent: its call was cancelled before its turn came."),
        ("blocked", "running", 0, "Your message was NOT sent, because another run goes on in this conversation."),
        (
            "refused",
            "awaiting_approval",
            0,
            "Your message was NOT sent, because an earlier one still waits for a decision.",
        ),
    ],
)
def test_the_next_step_tells_where_the_message_is(stage: Stage, status: Status, ahead: int, beginning: str) -> None:
    reply = reply_from_draft(Draft(), status, conversation_id=CONV, stage=stage, ahead=ahead)

    assert (reply.next_step or "").startswith(beginning)


@pytest.mark.parametrize("stage", ["withdrawn", "blocked", "refused"])
def test_only_what_was_not_sent_says_not_sent(stage: Stage) -> None:
    def says_so(stage: Stage) -> bool:
        return "NOT sent" in (reply_from_draft(Draft(), "running", conversation_id=CONV, stage=stage).next_step or "")

    assert says_so(stage)
    assert not says_so("posted")
    assert not says_so("unclear")


def test_a_run_that_keeps_a_message_out_is_named() -> None:
    reply = reply_from_draft(Draft(), "running", conversation_id=CONV, stage="blocked", holder="run-2")

    assert reply.run_id == "run-2"


def test_a_client_tool_is_explained_where_one_waits() -> None:
    waiting = [Approval(tool_call_id="call_1", tool="ls", arguments="{}", client_tool=True)]

    reply = reply_from_draft(
        Draft(stop_reason="requires_approval"), "awaiting_approval", conversation_id=CONV, approvals=waiting
    )

    assert "client_tool is for the client that offered the tool to run" in (reply.next_step or "")
    assert reply.model_dump()["approvals"][0]["client_tool"] is True


@pytest.mark.parametrize(
    ("calls", "sentence"),
    [
        ({}, "The agent ended its turn without saying anything."),
        (
            {
                "call_1": Call("lookup", result="x"),
                "call_2": Call("add", result="2"),
                "call_3": Call("add", result="3"),
            },
            "The agent ended its turn without saying anything; it ran add, lookup.",
        ),
    ],
)
def test_an_empty_reply_says_why_it_is_empty(calls: dict[str, Call], sentence: str) -> None:
    reply = reply_from_draft(Draft(stop_reason="end_turn", calls=calls), "completed", conversation_id=CONV)

    assert reply.next_step == sentence
