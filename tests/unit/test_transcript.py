"""A conversation as Markdown for people to read."""

from letta_conv_mcp.transcript import markdown_transcript
from letta_conv_mcp.views import Conversation, Message

TALK = Conversation(id="conv-1", agent_id="agent-1", summary="About cats")
DATE = "2026-11-22T22:04:47+00:00"


def message(kind: str, role: str, text: str, date: str | None = DATE) -> Message:
    return Message(id="message-1", type=kind, role=role, text=text, date=date)


def test_a_transcript_is_what_was_said_and_done_in_order() -> None:
    """Ours: words stand as they are, everything else as a quotation."""
    messages = [
        message("system_message", "system", "You are a helpful agent."),
        message("user_message", "user", "Add.\n\nPlease."),
        message("reasoning_message", "assistant", "I should add."),
        message("hidden_reasoning_message", "assistant", "[hidden reasoning]"),
        message("tool_call_message", "assistant", "add({}) [call_1]\ndrop({}) [call_2]"),
        message("tool_return_message", "tool", "add returned: 5 [call_1]", None),
        message("system_alert", "system", "Something was hidden."),
        message("assistant_message", "assistant", "**5**"),
    ]

    assert (
        markdown_transcript(TALK, messages, earlier=False)
        == f"""\
# About cats

Conversation `conv-1` with agent `agent-1`.

**User** · {DATE}

Add.

Please.

**Tool call** · {DATE}

> add({{}}) [call_1]
> drop({{}}) [call_2]

**Tool return** · no date

> add returned: 5 [call_1]

**System alert** · {DATE}

> Something was hidden.

**Agent** · {DATE}

**5**
"""
    )


def test_a_conversation_without_a_summary_is_headed_by_its_id() -> None:
    bare = Conversation(id="conv-1", agent_id="agent-1")

    assert markdown_transcript(bare, [], earlier=False) == ("# conv-1\n\nConversation `conv-1` with agent `agent-1`.\n")


def test_a_transcript_that_leaves_out_the_beginning_says_so_and_from_when() -> None:
    """Ours: what is cut says so, and how to get the rest."""
    messages = [message("user_message", "user", "hello"), message("user_message", "user", "again", "later")]

    transcript = markdown_transcript(TALK, messages, earlier=True)

    assert f"*Only the newest part: what was said before is in `get_history`, before {DATE}.*" in transcript
    assert "newest part" not in markdown_transcript(TALK, messages, earlier=False)


def test_a_summary_of_several_lines_is_one_heading() -> None:
    """Ours: what stands in a summary can't pass for something that was said."""
    talk = Conversation(id="conv-1", agent_id="agent-1", summary="About cats\n\n**Agent** · never")

    transcript = markdown_transcript(talk, [], earlier=False)

    assert transcript.splitlines() == [
        "# About cats **Agent** · never",
        "",
        "Conversation `conv-1` with agent `agent-1`.",
    ]
