"""What an App Server is told, and how what it says is read: lists in, values out."""

from pathlib import Path
from typing import Any

import pytest

import letta_conv_mcp
from letta_conv_mcp.letta.appserver_json import (
    answer_fields,
    entries_from_messages,
    error_type_of,
    events_from_delta,
    message_fields,
    runtime_of,
    start_fields,
)
from letta_conv_mcp.letta.events import CalledTool, Event, Restarted, Spoke, Thought, ToolReturned
from letta_conv_mcp.letta.outgoing import Decision, Said

RUNTIME = {"agent_id": "agent-local-1", "conversation_id": "local-conv-1"}
CALL = {"tool_call_id": "c", "name": "Read", "arguments": "{}"}
PACKAGE = Path(letta_conv_mcp.__file__).parent


@pytest.mark.parametrize(
    ("tools", "allowed", "base"),
    [
        ((), ["memory_replace"], "none"),
        (("Write", "Read", "Read"), ["memory_replace", "Read", "Write"], "default"),
    ],
)
def test_every_message_names_the_tools_that_it_may_use(tools: tuple[str, ...], allowed: list[str], base: str) -> None:
    """APP SERVER: a message that leaves them out gets all."""
    payload = message_fields(RUNTIME, Said(text="hello"), "otid-1", tools)["payload"]

    assert payload["client_tool_allowlist"] == allowed
    assert payload["client_toolset"] == {"base": base}
    assert payload["messages"] == [{"role": "user", "content": "hello", "client_message_id": "otid-1"}]


def test_every_runtime_is_started_in_the_mode_that_asks() -> None:
    fields = start_fields(RUNTIME)

    assert fields["mode"] == "strict"
    assert fields["skill_sources"] == []
    assert [tool["name"] for group in fields["external_tools"] for tool in group["tools"]] == ["memory_replace"]


def test_messages_and_starts_are_made_in_one_place_only() -> None:
    """Ours: what is made elsewhere could forget what a message may use."""
    makers = {
        path.name
        for path in PACKAGE.rglob("*.py")
        for text in ("create_message", '"client_tool_allowlist"', '"mode": "strict"')
        if text in path.read_text(encoding="utf-8") and path.name != "appserver_json.py"
    }

    assert makers == set()


def test_a_decision_is_for_one_call_and_never_kept() -> None:
    allowed = answer_fields(RUNTIME, "perm-1", Decision(tool_call_id="a", approve=True))
    denied = answer_fields(RUNTIME, "perm-1", Decision(tool_call_id="a", approve=False))

    assert allowed["payload"] == {
        "kind": "approval_response",
        "request_id": "perm-1",
        "decision": {"behavior": "allow"},
    }
    # A denial without a reason is refused.
    assert denied["payload"]["decision"] == {"behavior": "deny", "message": "Denied."}


def test_an_agents_own_thread_has_the_id_default_there() -> None:
    assert runtime_of("default:agent-1", "agent-1") == {"agent_id": "agent-1", "conversation_id": "default"}
    assert runtime_of("local-conv-1", "agent-1") == {"agent_id": "agent-1", "conversation_id": "local-conv-1"}


@pytest.mark.parametrize(
    ("delta", "events"),
    [
        (
            {"message_type": "assistant_message", "id": "m1", "content": [{"type": "text", "text": "hi "}]},
            [Spoke("m1", "hi ")],
        ),
        ({"message_type": "reasoning_message", "id": "m1:r", "reasoning": "hm"}, [Thought("m1:r", "hm")]),
        ({"message_type": "approval_request_message", "tool_call": CALL}, [CalledTool("c", "Read", "{}")]),
        (
            {
                "message_type": "tool_return_message",
                "tool_returns": [
                    {"tool_call_id": "a", "status": "success", "tool_return": "1"},
                    {"tool_call_id": "b", "status": "error", "tool_return": "no"},
                ],
            },
            [ToolReturned("a", "", "success", "1"), ToolReturned("b", "", "error", "no")],
        ),
        (
            {"message_type": "tool_return_message", "tool_call_id": "a", "status": "success", "tool_return": "1"},
            [ToolReturned("a", "", "success", "1")],
        ),
        ({"message_type": "retry", "attempt": 1}, [Restarted()]),
        # How a segment stopped does not end the turn.
        ({"message_type": "stop_reason", "stop_reason": "end_turn"}, []),
        ({"message_type": "event_message", "event_type": "retry"}, []),
        ({"message_type": "something_of_next_year"}, []),
        ({}, []),
    ],
)
def test_a_delta_says_this_and_no_more(delta: dict[str, Any], events: list[Event]) -> None:
    assert events_from_delta(delta) == events


@pytest.mark.parametrize(
    ("delta", "error_type"),
    [
        ({"message_type": "error_message", "error_type": "llm_error", "message": "secret"}, "llm_error"),
        ({"message_type": "loop_error", "api_error": {"error_type": "local_backend_error"}}, "local_backend_error"),
        (
            {"message_type": "loop_error", "message": "Conversation c already has an active run (local-run-1)"},
            "conversation_wedged",
        ),
        ({"message_type": "loop_error", "message": "Unexpected stop reason: max_tokens_exceeded"}, None),
        ({"message_type": "assistant_message"}, None),
    ],
)
def test_what_went_wrong_is_a_word_and_never_the_servers_text(delta: dict[str, Any], error_type: str | None) -> None:
    assert error_type_of(delta) == error_type


def test_what_the_server_put_into_the_persons_words_is_not_theirs() -> None:
    reminder = {"type": "text", "text": "<system-reminder>\nThis is an automated message.\n</system-reminder>"}
    said = {"type": "text", "text": "hello"}
    image = {"type": "image", "source": "x"}

    entries = entries_from_messages(
        [
            {"id": "1", "message_type": "user_message", "content": [reminder, said]},
            {"id": "2", "message_type": "user_message", "content": [reminder]},
            {"id": "3", "message_type": "user_message", "content": [image, said]},
            {"id": "4", "message_type": "assistant_message", "content": [reminder]},
        ]
    )

    assert [(entry["message_type"], entry["content"]) for entry in entries] == [
        ("user_message", [said]),
        # A notice of the server's own keeps its place, since pages are counted.
        ("system_message", [reminder]),
        ("user_message", [image, said]),
        ("assistant_message", [reminder]),
    ]
