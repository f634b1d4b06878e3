"""What each kind of chunk says. The shapes are those that Letta server 0.16.8 sent."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from letta_conv_mcp.letta.events import (
    AskedApproval,
    CalledTool,
    Counted,
    Event,
    Failed,
    Frame,
    Heard,
    Spoke,
    Stopped,
    Thought,
    ToolReturned,
    frame_from_json,
)

RUN = "run-345b7c0d-387a-46e8-91cd-c8a05b767135"
ID = "message-cd167b7b-7244-4911-9b07-94bb42c331b0"
OTID = "cd167b7b-7244-4911-9b07-94bb42c33180"
DATE = "2026-11-22T22:04:47+00:00"
COMMON: dict[str, Any] = {
    "id": ID,
    "date": DATE,
    "name": None,
    "otid": OTID,
    "sender_id": None,
    "step_id": "step-ceca9b0e",
    "is_err": None,
    "seq_id": None,
    "run_id": RUN,
}
ADD = {"name": "add_up", "arguments": '{"a": 2, "b": 3}', "tool_call_id": "call_1"}
DROP = {"name": "drop", "arguments": "{}", "tool_call_id": "call_2"}
FIVE = {"type": "tool", "tool_return": "5", "status": "success", "tool_call_id": "call_1", "stdout": ["adding\n"]}
BOOM = {
    "type": "tool",
    "tool_return": "Error: no",
    "status": "error",
    "tool_call_id": "call_2",
    "stderr": ["Traceback"],
}


def events_of(message_type: str, **fields: Any) -> tuple[Event, ...]:
    return frame_from_json({**COMMON, "message_type": message_type, **fields}).events


@pytest.mark.parametrize(
    ("message_type", "fields", "events"),
    [
        ("ping", {}, []),
        ("user_message", {"content": "hello"}, [Heard("hello")]),
        ("user_message", {"content": [{"type": "text", "text": "hello"}]}, [Heard("hello")]),
        (
            "reasoning_message",
            {"source": "reasoner_model", "reasoning": "hmm", "signature": None},
            [Thought(OTID, "hmm")],
        ),
        ("reasoning_message", {"reasoning": None}, [Thought(OTID, "")]),
        ("reasoning_message", {"reasoning": "hmm", "otid": None}, [Thought(ID, "hmm")]),
        ("reasoning_message", {"reasoning": "hmm", "otid": None, "id": None}, [Thought("", "hmm")]),
        ("assistant_message", {"content": "echo: "}, [Spoke(OTID, "echo: ")]),
        ("assistant_message", {"content": [{"type": "text", "text": "echo: "}]}, [Spoke(OTID, "echo: ")]),
        ("assistant_message", {"content": "hi", "otid": None}, [Spoke(ID, "hi")]),
        ("assistant_message", {"content": "hi", "otid": None, "id": None}, [Spoke("", "hi")]),
        (
            "tool_call_message",
            {"tool_call": ADD, "tool_calls": [ADD]},
            [CalledTool("call_1", "add_up", ADD["arguments"])],
        ),
        (
            "tool_call_message",
            {"tool_call": ADD, "tool_calls": [ADD, DROP]},
            [CalledTool("call_1", "add_up", ADD["arguments"]), CalledTool("call_2", "drop", "{}")],
        ),
        ("tool_call_message", {"tool_call": ADD}, [CalledTool("call_1", "add_up", ADD["arguments"])]),
        ("tool_return_message", {**FIVE, "tool_returns": [FIVE]}, [ToolReturned("call_1", "", "success", "5")]),
        (
            "tool_return_message",
            {**FIVE, "name": "add_up", "tool_returns": [FIVE]},
            [ToolReturned("call_1", "add_up", "success", "5")],
        ),
        (
            "tool_return_message",
            {"tool_returns": [FIVE, BOOM]},
            [ToolReturned("call_1", "", "success", "5"), ToolReturned("call_2", "", "error", "Error: no")],
        ),
        (
            "tool_return_message",
            {"tool_return": "5", "status": "success", "tool_call_id": "call_1"},
            [ToolReturned("call_1", "", "success", "5")],
        ),
        (
            "tool_return_message",
            {"tool_returns": [{"tool_call_id": "call_1", "status": "success", "func_response": "5"}]},
            [ToolReturned("call_1", "", "success", "")],
        ),
        (
            "approval_request_message",
            {"tool_call": ADD, "tool_calls": [ADD, DROP]},
            [AskedApproval("call_1", "add_up", ADD["arguments"], DATE), AskedApproval("call_2", "drop", "{}", DATE)],
        ),
        ("hidden_reasoning_message", {"state": "redacted", "hidden_reasoning": "x"}, []),
        ("approval_response_message", {"approvals": [{"type": "approval", "approve": True}]}, []),
        ("system_message", {"content": "<base_instructions>"}, []),
        ("summary_message", {"summary": "They talked."}, []),
        ("event_message", {"event_type": "compaction", "event_data": {}}, []),
        ("response_state", {}, []),
    ],
)
def test_each_kind_of_message_says_its_own_facts(
    message_type: str, fields: dict[str, Any], events: list[Event]
) -> None:
    """Letta: kinds are told apart by `message_type` and nothing else."""
    chunk = {**COMMON, "message_type": message_type, **fields}

    assert frame_from_json(chunk) == Frame(RUN, None, tuple(events))


@pytest.mark.parametrize(
    ("chunk", "event"),
    [
        ({"message_type": "stop_reason", "stop_reason": "end_turn"}, Stopped("end_turn")),
        ({"message_type": "stop_reason", "stop_reason": "a_new_reason"}, Stopped("a_new_reason")),
        ({"message_type": "stop_reason", "stop_reason": None}, Stopped("error")),
        (
            {
                "message_type": "usage_statistics",
                "completion_tokens": 4,
                "prompt_tokens": 711,
                "total_tokens": 715,
                "step_count": 1,
                "run_ids": None,
                "reasoning_tokens": None,
            },
            Counted(711, 4, 715, 1),
        ),
        ({"message_type": "usage_statistics", "completion_tokens": None}, Counted(0, 0, 0, 0)),
        ({"error": {"message": "boom", "detail": "at line 3"}}, Failed("internal_error")),
        ({"error": "boom"}, Failed("internal_error")),
        ({"error": [{"message": "boom"}]}, Failed("internal_error")),
        ({"message_type": None, "error": "boom"}, Failed("internal_error")),
        ({"message_type": None, "error": {"message": "boom"}}, Failed("internal_error")),
    ],
)
def test_what_closes_a_stream_belongs_to_no_message(chunk: dict[str, Any], event: Event) -> None:
    """Letta: stop reason, usage and a bare error carry no id, no run and no number."""
    assert frame_from_json(chunk) == Frame(None, None, (event,))


@pytest.mark.parametrize("error_type", ["llm_error", "llm_rate_limit", "llm_authentication", "internal_error"])
def test_an_error_keeps_its_type_and_loses_its_texts(error_type: str) -> None:
    """Ours: Letta's texts hold stack traces and other people's ids."""
    chunk = {
        "message_type": "error_message",
        "run_id": RUN,
        "error_type": error_type,
        "message": "An error occurred with the LLM request.",
        "detail": "INTERNAL_SERVER_ERROR: OpenAI API error: Error code: 500",
        "seq_id": None,
    }

    assert frame_from_json(chunk) == Frame(RUN, None, (Failed(error_type),))


def test_an_error_without_a_type_is_an_internal_one() -> None:
    assert frame_from_json({"message_type": "error_message"}) == Frame(events=(Failed("internal_error"),))


def test_a_tool_call_streamed_in_tokens_comes_in_pieces_that_share_its_id() -> None:
    """Letta: in token mode `tool_calls` is an object, the name comes first and the arguments in fragments."""
    pieces: list[dict[str, Any]] = [
        {"name": "add_up", "tool_call_id": "call_1"},
        {"arguments": '{"a": 20, "b', "tool_call_id": "call_1"},
        {"name": None, "arguments": '": 30}', "tool_call_id": "call_1"},
    ]

    called = [events_of("tool_call_message", tool_call=piece, tool_calls=piece) for piece in pieces]
    asked = [events_of("approval_request_message", tool_call=piece, tool_calls=piece) for piece in pieces]

    texts = [("add_up", ""), ("", '{"a": 20, "b'), ("", '": 30}')]
    assert called == [(CalledTool("call_1", *text),) for text in texts]
    assert asked == [(AskedApproval("call_1", *text, DATE),) for text in texts]


def test_a_frame_of_a_background_run_has_its_number() -> None:
    """Letta: the ping is number 1; in a foreground run no frame has a number."""
    ping = {**COMMON, "message_type": "ping", "otid": None}

    assert frame_from_json({**ping, "seq_id": 1}) == Frame(RUN, 1, ())
    assert frame_from_json({**ping, "seq_id": None}) == Frame(RUN, None, ())
    assert frame_from_json({**ping, "seq_id": "1"}) == Frame(RUN, None, ())


@pytest.mark.parametrize(
    "chunk",
    [
        *[None, "words", "[DONE]", 3, [], [{"message_type": "ping"}]],
        *[{}, {"error": None}, {"error": {}}, {"error": ""}],
    ],
)
def test_what_is_no_object_or_says_nothing_is_an_empty_frame(chunk: object) -> None:
    """letta-client hands over strings, lists and null as they came."""
    assert frame_from_json(chunk) == Frame()


@given(
    st.text().filter(lambda kind: not kind.endswith(("_message", "_reason", "_statistics"))),
    st.dictionaries(st.text(), st.none() | st.text() | st.integers(), max_size=4),
)
def test_a_kind_of_chunk_that_we_do_not_know_says_nothing(kind: str, fields: dict[str, Any]) -> None:
    """Ours: tomorrow's chunk can't break today's reply."""
    assert frame_from_json({**fields, "message_type": kind}).events == ()


@given(
    st.sampled_from(
        [
            "user_message",
            "reasoning_message",
            "assistant_message",
            "tool_call_message",
            "approval_request_message",
            "tool_return_message",
            "stop_reason",
            "error_message",
            "usage_statistics",
        ]
    ),
    st.dictionaries(
        st.sampled_from(["id", "otid", "run_id", "seq_id", "content", "tool_calls", "tool_returns", "stop_reason"]),
        st.none() | st.text() | st.integers() | st.lists(st.none() | st.dictionaries(st.text(), st.text(), max_size=2)),
    ),
)
def test_a_known_kind_with_strange_fields_can_still_be_read(kind: str, fields: dict[str, Any]) -> None:
    """Ours: fields come and go between versions of Letta."""
    assert isinstance(frame_from_json({**fields, "message_type": kind}), Frame)
