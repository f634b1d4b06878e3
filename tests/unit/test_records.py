"""Letta's agents, conversations and messages as the views we return."""

import json
from typing import Any

import pytest

from letta_conv_mcp.letta.records import (
    agent_from_json,
    approvals_from_json,
    conversation_from_json,
    default_conversation_json,
    message_from_json,
)
from letta_conv_mcp.views import Agent, Approval, Conversation, Message

DATE = "2026-11-22T22:04:47+00:00"
ADD = {"name": "add_guarded", "arguments": '{"a": 2}', "tool_call_id": "call_1"}
DROP = {"name": "drop", "arguments": "{}", "tool_call_id": "call_2"}


def message(message_type: str, **fields: Any) -> dict[str, Any]:
    return {"id": "message-1", "date": DATE, "name": None, "message_type": message_type, **fields}


def test_an_agent_shows_the_handle_of_its_model_wherever_the_server_keeps_it() -> None:
    """Letta: newer servers have `model`, older ones only `llm_config.handle`."""
    old = {"id": "agent-1", "name": "Ada", "description": "", "llm_config": {"model": "m", "handle": "openai/m"}}

    assert agent_from_json(old) == Agent(id="agent-1", name="Ada", model="openai/m")
    assert agent_from_json({**old, "description": "Counts.", "model": "openai/n"}) == Agent(
        id="agent-1", name="Ada", description="Counts.", model="openai/n"
    )
    assert agent_from_json({"id": "agent-1", "name": None, "llm_config": None}) == Agent(id="agent-1", name="")


def test_a_conversation_of_an_old_server_leaves_unknown_fields_unset() -> None:
    """Letta server 0.16.8 has no `archived` and no `description`; ours: what wasn't said is None, not a guess."""
    old = {
        "created_at": "2026-11-22T21:39:39.879533Z",
        "id": "conv-1",
        "agent_id": "agent-1",
        "summary": "first talk",
        "in_context_message_ids": ["message-1", "message-2"],
        "isolated_block_ids": [],
        "model": None,
        "last_message_at": None,
    }

    assert conversation_from_json(old) == Conversation(
        id="conv-1",
        agent_id="agent-1",
        summary="first talk",
        created_at="2026-11-22T21:39:39.879533Z",
        in_context_count=2,
    )


def test_a_conversation_of_letta_cloud_shows_all_its_fields() -> None:
    new: dict[str, Any] = {
        "id": "conv-1",
        "agent_id": "agent-1",
        "summary": None,
        "description": "About cats",
        "archived": False,
        "archived_at": None,
        "model": "openai/m",
        "created_at": DATE,
        "last_message_at": DATE,
        "in_context_message_ids": [],
        "a_field_of_next_year": {"x": 1},
    }

    assert conversation_from_json(new) == Conversation(
        id="conv-1",
        agent_id="agent-1",
        created_at=DATE,
        last_message_at=DATE,
        in_context_count=0,
        archived=False,
        description="About cats",
        model="openai/m",
    )


@pytest.mark.parametrize(
    ("listed", "ids", "count"),
    [
        (True, [], None),
        (True, ["message-1"], 1),
        (True, None, None),
        (False, [], 0),
        (False, ["message-1"], 1),
        (False, None, None),
    ],
)
def test_a_listed_conversation_that_shows_no_message_has_an_unknown_number_of_them(
    listed: bool, ids: list[str] | None, count: int | None
) -> None:
    """Letta server 0.16.8 lists every conversation with no message in context."""
    conversation = {"id": "conv-1", "agent_id": "agent-1", "in_context_message_ids": ids}

    assert conversation_from_json(conversation, listed=listed).in_context_count == count


def test_an_agents_own_thread_looks_like_any_conversation() -> None:
    """Ours: its id is `default:<agent_id>`."""
    agent = {"id": "agent-1", "created_at": DATE, "last_run_completion": None, "message_ids": ["message-1"]}

    assert conversation_from_json(default_conversation_json(agent)) == Conversation(
        id="default:agent-1",
        agent_id="agent-1",
        summary="The agent's default conversation",
        created_at=DATE,
        in_context_count=1,
    )


def test_approvals_are_the_calls_of_approval_requests_and_of_nothing_else() -> None:
    """Letta: parallel calls share one request; a tool_call_message has the same shape and waits for nobody."""
    messages = [
        message("user_message", content="go"),
        message("tool_call_message", tool_calls=[DROP]),
        message("approval_request_message", tool_call=ADD, tool_calls=[ADD, DROP]),
    ]

    assert approvals_from_json(messages) == [
        Approval(tool_call_id="call_1", tool="add_guarded", arguments='{"a": 2}', requested_at=DATE),
        Approval(tool_call_id="call_2", tool="drop", arguments="{}", requested_at=DATE),
    ]


@pytest.mark.parametrize(
    ("kind", "fields", "role", "text"),
    [
        ("system_message", {"content": "<base_instructions>"}, "system", "<base_instructions>"),
        ("user_message", {"content": "hello"}, "user", "hello"),
        (
            "user_message",
            {"content": [{"type": "text", "text": "see "}, {"type": "image", "source": {"media_type": "image/png"}}]},
            "user",
            "see [image: image/png]",
        ),
        ("user_message", {"content": [{"type": "hologram"}]}, "user", "[hologram]"),
        ("assistant_message", {"content": "echo: hello"}, "assistant", "echo: hello"),
        ("reasoning_message", {"source": "reasoner_model", "reasoning": "hmm"}, "assistant", "hmm"),
        ("hidden_reasoning_message", {"state": "redacted"}, "assistant", "[hidden reasoning]"),
        ("hidden_reasoning_message", {"hidden_reasoning": "a digest"}, "assistant", "a digest"),
        (
            "tool_call_message",
            {"tool_call": ADD, "tool_calls": [ADD, DROP]},
            "assistant",
            'add_guarded({"a": 2}) [call_1]\ndrop({}) [call_2]',
        ),
        (
            "approval_request_message",
            {"tool_call": ADD, "tool_calls": [ADD]},
            "assistant",
            'asks to run add_guarded({"a": 2}) [call_1]',
        ),
        (
            "tool_return_message",
            {
                "name": "add_guarded",
                "tool_return": "5",
                "status": "success",
                "tool_call_id": "call_1",
                "tool_returns": [
                    {"type": "tool", "tool_return": "5", "status": "success", "tool_call_id": "call_1"},
                    {"type": "tool", "tool_return": "no", "status": "error", "tool_call_id": "call_2"},
                ],
            },
            "tool",
            "add_guarded returned: 5 [call_1]\nadd_guarded failed: no [call_2]",
        ),
        (
            "tool_return_message",
            {"tool_return": "5", "status": "success", "tool_call_id": "call_1"},
            "tool",
            "tool returned: 5 [call_1]",
        ),
        ("summary_message", {"summary": "They talked."}, "system", "They talked."),
        ("event_message", {"event_type": "compaction", "event_data": {"n": 3}}, "system", 'compaction: {"n": 3}'),
        ("event_message", {}, "system", "event: {}"),
        ("tool_call_message", {"tool_call": {"arguments": "{}"}}, "assistant", "a tool({})"),
        ("tool_call_message", {}, "assistant", ""),
        ("approval_request_message", {"tool_call": {"tool_call_id": "c"}}, "assistant", "asks to run a tool() [c]"),
        ("tool_return_message", {"tool_returns": [{"tool_return": "5"}]}, "tool", "tool returned: 5"),
        ("message_of_next_year", {"content": "words"}, "system", "words"),
        ("message_of_next_year", {}, "system", ""),
    ],
)
def test_every_type_of_message_can_be_read(kind: str, fields: dict[str, Any], role: str, text: str) -> None:
    """Ours: history hides no type of message, known or not."""
    assert message_from_json(message(kind, **fields)) == Message(
        id="message-1", type=kind, role=role, text=text, date=DATE
    )


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (
            {
                "approvals": [{"type": "approval", "tool_call_id": "call_1", "approve": True, "reason": None}],
                "approve": True,
                "approval_request_id": "call_1",
                "reason": None,
            },
            "approved [call_1]",
        ),
        (
            {
                "approvals": [
                    {"type": "approval", "tool_call_id": "call_1", "approve": False, "reason": "not today"},
                    {"type": "approval", "tool_call_id": "call_2", "approve": True},
                ]
            },
            "denied [call_1]: not today\napproved [call_2]",
        ),
        (
            {"approvals": [{"type": "tool", "tool_call_id": "call_1", "tool_return": "42", "status": "success"}]},
            "the client's tool returned: 42 [call_1]",
        ),
        ({"approve": True, "approval_request_id": "message-9", "reason": None}, "approved [message-9]"),
        (
            {"approvals": None, "approve": False, "approval_request_id": "message-9", "reason": "no"},
            "denied [message-9]: no",
        ),
        ({}, "answered"),
        ({"approvals": [], "approve": None, "approval_request_id": None}, "answered"),
        ({"approvals": [{"type": "approval", "tool_call_id": "call_1"}]}, "answered [call_1]"),
        ({"approvals": [{"type": "approval", "reason": "later"}]}, "answered: later"),
        ({"approvals": [{"type": "tool", "tool_return": "42"}]}, "the client's tool returned: 42"),
    ],
)
def test_an_answer_to_an_approval_is_read_in_its_new_and_its_old_style(fields: dict[str, Any], text: str) -> None:
    """Letta: a list of answers by tool call, or one answer to the request."""
    assert message_from_json(message("approval_response_message", **fields)) == Message(
        id="message-1", type="approval_response_message", role="user", text=text, date=DATE
    )


def test_a_notice_of_lettas_is_not_mistaken_for_the_person() -> None:
    """Letta files a compaction's summary as a user_message."""
    notice = {"type": "system_alert", "message": "prior messages have been hidden", "time": "10:02:41 PM"}

    assert message_from_json(message("user_message", content=json.dumps(notice, indent=2))) == Message(
        id="message-1", type="system_alert", role="system", text="prior messages have been hidden", date=DATE
    )


@pytest.mark.parametrize(
    "content",
    [
        '{"type": "heartbeat", "message": "x"}',
        "{not json",
        "{",
        "[]",
        '["system_alert"]',
        '{"message": "system_alert"}',
    ],
)
def test_what_merely_looks_like_a_notice_is_the_persons_own(content: str) -> None:
    assert message_from_json(message("user_message", content=content)) == Message(
        id="message-1", type="user_message", role="user", text=content, date=DATE
    )


def test_a_message_of_ten_thousand_braces_can_be_read() -> None:
    """Ours: no message a person can send may make a conversation's history unreadable."""
    content = '{"a":' * 10_000

    assert message_from_json(message("user_message", content=content)).text == content


@pytest.mark.parametrize(
    "kind",
    ["approval_response_message", "event_message", "tool_call_message", "tool_return_message", "summary_message"],
)
def test_a_message_that_lacks_its_fields_does_not_say_none(kind: str) -> None:
    """Ours: a missing field is left out, not written as Python's None."""
    lacking = message(kind, tool_calls=[{"tool_call_id": "call_1"}], tool_returns=[{"tool_call_id": "call_1"}])

    assert "None" not in message_from_json(lacking).text


def test_an_entry_without_anything_is_still_an_entry() -> None:
    assert message_from_json({}) == Message(id="", type="unknown", role="system", text="")
