"""What the chat shows of agents, conversations and messages."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from letta_conv_mcp.cli import chat_views as views
from letta_conv_mcp.cli.chat_text import STYLES, Piece, for_people, harmless, one_line
from letta_conv_mcp.tools import CATALOG

AGENT = {"id": "agent-1", "name": "Ada", "description": None, "model": "openai/x"}
TALK: dict[str, Any] = {
    "id": "conv-12345678-9abc",
    "agent_id": "agent-1",
    "agent_name": "Ada",
    "summary": "Bo's colours",
    "created_at": "2026-01-02T03:04:05+00:00",
    "last_message_at": None,
    "in_context_count": 3,
    "running_run_id": None,
    "approvals": [],
}
ASKED = {"tool_call_id": "call_1", "tool": "erase", "arguments": '{"where": "here"}', "requested_at": None}


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


def text_of(pieces: Sequence[Piece]) -> str:
    named = {style.removeprefix("class:") for style, _ in pieces if style.startswith("class:")}
    assert named <= set(STYLES), "A style that nobody defines."
    return "".join(text for _, text in pieces)


def message(kind: str, role: str, text: str) -> dict[str, Any]:
    return {"id": "message-1", "type": kind, "role": role, "text": text, "date": None}


def reply(status: str, stop_reason: str | None, next_step: str | None = None) -> dict[str, Any]:
    return {"status": status, "stop_reason": stop_reason, "next_step": next_step, "approvals": []}


def test_the_prompt_names_the_agent_and_the_conversation() -> None:
    assert text_of(views.prompt_of("Ada", TALK)) == "Ada · Bo's colours > "
    assert text_of(views.prompt_of("Ada", {**TALK, "summary": None})) == "Ada · conv-12345678 > "


def test_on_entering_it_says_where_one_is_and_what_is_unfinished_there() -> None:
    unfinished = {**TALK, "running_run_id": "run-1", "approvals": [ASKED], "in_context_count": 1}

    assert text_of(views.opening_view(TALK, is_new=False)) == (
        "Going on in: Bo's colours  conv-12345678-9abc  3 messages\n"
    )
    assert text_of(views.opening_view(unfinished, is_new=True)) == (
        "New conversation: Bo's colours  conv-12345678-9abc  1 message\n"
        "A reply is still running here: /wait shows it.\n"
        "The agent waits for your decision here: /decide.\n"
    )


def test_lists_have_numbers_and_a_mark_at_what_is_current() -> None:
    other = {**TALK, "id": "conv-2", "summary": None, "in_context_count": None, "archived": True}

    assert text_of(views.agents_view([AGENT, {**AGENT, "id": "agent-2"}], "agent-2")) == (
        "   1  Ada  openai/x  agent-1\n*  2  Ada  openai/x  agent-2\n"
    )
    assert text_of(views.conversations_view([TALK, other], "conv-12345678-9abc")) == (
        "*  1  Bo's colours  2026-01-02 03:04  conv-12345678-9abc  3 messages\n"
        "   2  -             2026-01-02 03:04  conv-2  archived\n"
    )
    assert text_of(views.conversations_view([], "conv-1")) == "No conversations yet.\n"


def test_info_shows_what_is_known_and_leaves_out_what_is_not() -> None:
    asks = {**TALK, "summary": None, "approvals": [ASKED]}

    assert text_of(views.info_view(asks, sent=2, newest=["message-1", "message-2"])).splitlines() == [
        "  id               conv-12345678-9abc",
        "  agent            Ada (agent-1)",
        "  created          2026-01-02 03:04",
        "  last active      -",
        "  name             (none)",
        "  in context       3 messages",
        "  newest messages  message-1, message-2",
        "  said here        2",
        "  waits for you    erase",
    ]


def test_the_history_tells_who_said_what_and_cuts_what_is_long() -> None:
    said = [
        message("system_message", "system", "You are Ada. " * 20),
        message("user_message", "user", "Hello\nthere"),
        message("reasoning_message", "assistant", "Hm."),
        message("tool_call_message", "assistant", "lookup({})"),
        message("tool_return_message", "tool", "lookup returned: x"),
        message("assistant_message", "assistant", ""),
        message("assistant_message", "assistant", "word " * 100),
    ]

    lines = text_of(views.history_view(said, "Ada")).splitlines()
    assert lines[1:5] == ["You: Hello there", "thinking: Hm.", "tool: lookup({})", "tool: lookup returned: x"]
    assert (len(lines[0]), len(lines[5]), len(lines)) == (len("Sys: ") + 80, len("Ada: ") + 200, 6)
    assert text_of(views.history_view([], "Ada")) == "Nothing was said here yet.\n"


def test_what_the_agent_asks_for_is_shown_with_its_arguments() -> None:
    assert text_of(views.approvals_view([ASKED])) == 'The agent asks to run:\n  erase({"where": "here"})\n'
    assert "deny it" in text_of(views.approvals_view([{**ASKED, "client_tool": True}]))


@pytest.mark.parametrize(
    ("given", "view", "failure"),
    [
        (reply("completed", "end_turn"), "", None),
        (reply("completed", "end_turn", "It said nothing."), "It said nothing.\n", None),
        (reply("cancelled", "cancelled", "Call get_history."), "Stopped. What the agent did is not undone.\n", None),
        (reply("failed", "error", "It broke: call get_history."), "", "It broke: call /history."),
        (reply("interrupted", None, "It broke off."), "", "It broke off."),
        (reply("awaiting_approval", "requires_approval", "Decide."), "", None),
        (reply("awaiting_approval", "error", "Decide."), "", "Your message was NOT sent, because the agent waits for "),
    ],
)
def test_how_a_reply_ended_is_said_where_it_matters(given: dict[str, Any], view: str, failure: str | None) -> None:
    assert text_of(views.ending_view(given)) == view
    said = views.failure_text(given)
    assert (said or "").startswith(failure) if failure else said is None


def test_sentences_for_models_name_commands_instead_of_tools() -> None:
    assert for_people("Call list_agents, then wait_for_reply.") == "Call /agents, then /wait."
    # A tool that was renamed would be named to people.
    named = {"list_agents", "list_conversations", "create_conversation", "retrieve_conversation", "wait_for_reply"}
    assert {"get_history", "answer_approval", *named} <= {entry.name for entry in CATALOG}


def test_texts_of_others_are_made_harmless() -> None:
    assert harmless("a\x1b[31mb\x1b]8;;http://x\x1b\\c\x00\r\nd\te") == "abc\nd\te"
    assert one_line("a\n  b\x07 c", 4) == "a b…"
