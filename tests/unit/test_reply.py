"""A draft as a reply: its status and the words for the next step."""

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from letta_conv_mcp.letta.events import Counted, frame_from_json
from letta_conv_mcp.turns.draft import Call, Draft, draft_from_frames
from letta_conv_mcp.turns.reply import HEARD_CHARS, TEXT_CHARS, reply_from_draft, status_of
from letta_conv_mcp.views import Approval, Detail, Reply, Status, ToolUse, Usage

CONV = "conv-1"
STOP_REASONS = [
    "end_turn",
    "error",
    "llm_api_error",
    "invalid_llm_response",
    "invalid_tool_call",
    "max_steps",
    "max_tokens_exceeded",
    "no_tool_call",
    "tool_rule",
    "cancelled",
    "insufficient_credits",
    "requires_approval",
    "context_window_overflow_in_system_prompt",
]
FAILURES = [reason for reason in STOP_REASONS if status_of(Draft(stop_reason=reason)) == "failed"]
ERROR_TYPES = [
    "llm_error",
    "llm_rate_limit",
    "llm_authentication",
    "llm_empty_response",
    "llm_timeout",
    "llm_insufficient_credits",
    "internal_error",
    "an_error_of_next_year",
]
FOR_THE_PERSON = ["llm_authentication", "llm_insufficient_credits"]
MOVES = ("again", "go on", "Tell the person", "get_history")
"""Every sentence on a failure offers one of these."""


def spoke(text: str, **fields: Any) -> Draft:
    draft = draft_from_frames([frame_from_json({"message_type": "assistant_message", "id": "a", "content": text})])
    for name, value in fields.items():
        setattr(draft, name, value)
    return draft


def next_step_of(draft: Draft, status: Status = "failed") -> str:
    return reply_from_draft(draft, status, conversation_id=CONV).next_step or ""


@pytest.mark.parametrize(
    ("stop_reason", "status"),
    [
        ("end_turn", "completed"),
        ("tool_rule", "completed"),
        ("no_tool_call", "failed"),
        ("requires_approval", "awaiting_approval"),
        ("cancelled", "cancelled"),
        ("error", "failed"),
        ("llm_api_error", "failed"),
        ("invalid_llm_response", "failed"),
        ("invalid_tool_call", "failed"),
        ("max_steps", "failed"),
        ("max_tokens_exceeded", "failed"),
        ("insufficient_credits", "failed"),
        ("context_window_overflow_in_system_prompt", "failed"),
        ("a_reason_of_next_year", "failed"),
        (None, "interrupted"),
    ],
)
def test_a_status_follows_from_the_stop_reason(stop_reason: str | None, status: Status) -> None:
    """Ours: a reply is completed only when Letta said so, and a stream without a stop reason is unfinished."""
    assert status_of(Draft(stop_reason=stop_reason)) == status
    assert status_of(spoke("words", stop_reason=stop_reason)) == status


@pytest.mark.parametrize("stop_reason", [None, *STOP_REASONS])
@pytest.mark.parametrize("error_type", ERROR_TYPES)
def test_an_error_is_a_failure_whatever_else_was_said(stop_reason: str | None, error_type: str) -> None:
    """Letta: an error follows a stop reason of its own, or none."""
    assert status_of(Draft(stop_reason=stop_reason, error_type=error_type)) == "failed"


def test_a_turn_that_ended_with_a_question_still_waits_for_a_person() -> None:
    """Letta Code has seen end_turn with approvals pending."""
    pending = {"call_1": Call(name="drop", needs_approval=True)}
    answered = {"call_1": Call(name="drop", needs_approval=True, result="gone")}

    assert status_of(Draft(stop_reason="end_turn", calls=pending)) == "awaiting_approval"
    assert status_of(Draft(stop_reason="end_turn", calls=answered)) == "completed"


def test_a_completed_reply_says_the_text_and_nothing_else() -> None:
    draft = spoke("Lima.", run_id="run-1", stop_reason="end_turn", usage=Counted(7, 2, 9, 1))

    assert reply_from_draft(draft, "completed", conversation_id=CONV, message="Capital of Peru?") == Reply(
        status="completed",
        text="Lima.",
        conversation_id=CONV,
        run_id="run-1",
        in_reply_to="Capital of Peru?",
        stop_reason="end_turn",
    )


def test_full_detail_adds_thoughts_tools_and_usage() -> None:
    """Ours: what `concise` leaves out is left out as a field, not as an empty one."""
    draft = spoke(
        "It is 50.",
        run_id="run-1",
        stop_reason="end_turn",
        usage=Counted(7, 2, 9, 1),
        calls={"call_1": Call(name="add", arguments="{}", status="success", result="50"), "call_2": Call(name="drop")},
        _thoughts={"t": ["hm", "m"], "u": ["so"]},
    )

    concise = reply_from_draft(draft, "completed", conversation_id=CONV)
    full = reply_from_draft(draft, "completed", conversation_id=CONV, detail="full")

    assert full == concise.model_copy(
        update={
            "reasoning": "hmm\n\nso",
            "tool_uses": [
                ToolUse(tool="add", arguments="{}", status="success", result="50"),
                ToolUse(tool="drop", arguments=""),
            ],
            "usage": Usage(prompt_tokens=7, completion_tokens=2, total_tokens=9, steps=1),
        }
    )
    assert set(full.model_dump()) - set(concise.model_dump()) == {"reasoning", "tool_uses", "usage"}


def test_an_agent_that_ended_without_a_word_is_said_to_have() -> None:
    """Letta: an empty model answer streamed in tokens ends with end_turn and no message."""
    assert next_step_of(Draft(stop_reason="end_turn"), "completed") == (
        "The agent ended its turn without saying anything."
    )


def test_a_running_reply_forbids_a_second_send() -> None:
    assert next_step_of(spoke("The capital"), "running") == (
        "The agent is still at work. Call wait_for_reply; do not send the message again."
    )


def test_an_interrupted_reply_says_that_the_message_may_have_been_received() -> None:
    """Ours: nothing is sent twice."""
    assert next_step_of(spoke("The capital"), "interrupted") == (
        "The reply broke off and could not be picked up again. The message may have been received: call "
        "wait_for_reply or get_history, and do not send it again before you know."
    )


@pytest.mark.parametrize("text", ["", "The"])
@pytest.mark.parametrize("calls", [{}, {"call_1": Call(name="add", status="success", result="5")}])
def test_a_cancelled_run_is_looked_at_before_it_is_repeated(text: str, calls: dict[str, Call]) -> None:
    """Letta stores a step when it is finished, and the message with the first; a draft can't tell whether it was."""
    assert next_step_of(spoke(text, stop_reason="cancelled", calls=calls), "cancelled") == (
        "The run was cancelled. Some of it may be kept: call get_history before you send anything again."
    )


@pytest.mark.parametrize("stop_reason", FAILURES)
@pytest.mark.parametrize("error_type", [None, *ERROR_TYPES])
@pytest.mark.parametrize("result", [None, "5"])
def test_every_failure_says_what_to_do_and_does_not_contradict_itself(
    stop_reason: str, error_type: str | None, result: str | None
) -> None:
    """Ours: `next_step` says what happened, what to do, and whether sending again is safe."""
    calls = {"call_1": Call(name="add", status="success", result=result)}

    next_step = next_step_of(Draft(stop_reason=stop_reason, error_type=error_type, calls=calls))

    assert any(move in next_step for move in MOVES)
    assert not ("is kept" in next_step and "not kept" in next_step)
    assert not ("can't help" in next_step and "safe to send" in next_step)


@pytest.mark.parametrize("error_type", [kind for kind in ERROR_TYPES if kind not in FOR_THE_PERSON])
def test_a_failure_in_the_first_step_kept_nothing_and_may_be_repeated(error_type: str) -> None:
    """Letta: after a failed model call the user's message is not stored."""
    assert next_step_of(Draft(stop_reason="error", error_type=error_type)).endswith(
        " The message was not kept; it is safe to send it again. If that fails too, tell the person."
    )


@pytest.mark.parametrize("error_type", [kind for kind in ERROR_TYPES if kind not in FOR_THE_PERSON])
def test_a_failure_in_a_later_step_is_looked_at_before_it_is_repeated(error_type: str) -> None:
    """Letta stores a step when it is finished."""
    calls = {"call_1": Call(name="add", status="success", result="")}

    assert next_step_of(Draft(stop_reason="error", error_type=error_type, calls=calls)).endswith(
        " Some of it may be kept: call get_history before you send anything again."
    )


@pytest.mark.parametrize("stop_reason", ["error", "llm_api_error"])
@pytest.mark.parametrize("error_type", FOR_THE_PERSON)
@pytest.mark.parametrize("result", [None, "5"])
def test_a_failure_that_only_the_person_can_mend_is_told_and_not_repeated(
    stop_reason: str, error_type: str, result: str | None
) -> None:
    """Ours: sending again would fail again, whatever was kept."""
    calls = {"call_1": Call(name="add", status="success", result=result)}

    assert next_step_of(Draft(stop_reason=stop_reason, error_type=error_type, calls=calls)).endswith(
        ". Tell the person; sending again can't help before that is settled."
    )


@pytest.mark.parametrize("stop_reason", ["max_steps", "max_tokens_exceeded"])
@pytest.mark.parametrize("error_type", [None, *ERROR_TYPES])
@pytest.mark.parametrize("result", [None, "5"])
def test_a_reply_that_reached_a_limit_is_kept_and_asked_to_go_on(
    stop_reason: str, error_type: str | None, result: str | None
) -> None:
    """Ours: a limit is the better reason, whatever error is named beside it."""
    calls = {"call_1": Call(name="add", status="success", result=result)}

    assert next_step_of(Draft(stop_reason=stop_reason, error_type=error_type, calls=calls)).endswith(
        " What it did is kept: ask it to go on."
    )


@pytest.mark.parametrize("error_type", ERROR_TYPES)
@pytest.mark.parametrize("detail", get_args(Detail))
def test_lettas_own_words_for_an_error_stay_out(error_type: str, detail: Detail) -> None:
    """Ours: they hold stack traces, database rows and other people's ids."""
    draft = draft_from_frames(
        [
            frame_from_json({"message_type": "stop_reason", "stop_reason": "llm_api_error"}),
            frame_from_json(
                {
                    "message_type": "error_message",
                    "run_id": "run-1",
                    "error_type": error_type,
                    "message": "secret words",
                    "detail": "secret detail",
                }
            ),
        ]
    )

    shown = reply_from_draft(draft, status_of(draft), conversation_id=CONV, detail=detail).model_dump_json()

    assert "secret" not in shown
    assert error_type not in shown


@given(st.integers(-3, 3))
def test_a_long_text_is_cut_and_says_how_to_get_the_rest(beyond: int) -> None:
    """Ours: a default result stays under about 8,000 tokens; what is cut says so."""
    text = "x" * (TEXT_CHARS + beyond)

    concise = reply_from_draft(spoke(text), "completed", conversation_id=CONV)
    full = reply_from_draft(spoke(text), "completed", conversation_id=CONV, detail="full")

    assert concise.text == text[:TEXT_CHARS]
    assert concise.next_step == (
        f"`text` is cut to {TEXT_CHARS} of {len(text)} characters: call wait_for_reply with detail 'full' for all."
        if beyond > 0
        else None
    )
    assert (full.text, full.next_step) == (text, None)


def test_a_cut_text_keeps_the_step_that_its_status_asks_for() -> None:
    draft = spoke("x" * (TEXT_CHARS + 1))

    assert next_step_of(draft, "running") == (
        "The agent is still at work. Call wait_for_reply; do not send the message again. "
        f"`text` is cut to {TEXT_CHARS} of {TEXT_CHARS + 1} characters: call wait_for_reply with detail 'full' for all."
    )


@pytest.mark.parametrize(
    ("message", "heard", "shown"),
    [
        ("ours", "theirs", "ours"),
        (None, "theirs", "theirs"),
        (None, None, None),
        ("", "theirs", ""),
        ("x" * HEARD_CHARS, None, "x" * HEARD_CHARS),
        ("x" * (HEARD_CHARS + 1), None, "x" * (HEARD_CHARS - 1) + "…"),
    ],
)
def test_a_reply_shows_the_start_of_the_message_that_it_answers(
    message: str | None, heard: str | None, shown: str | None
) -> None:
    """Ours: a caller must be able to tell another client's turn from its own."""
    reply = reply_from_draft(Draft(heard=heard), "running", conversation_id=CONV, message=message)

    assert reply.in_reply_to == shown


def test_approvals_are_those_of_the_draft_that_wait_for_an_answer() -> None:
    draft = Draft(
        stop_reason="requires_approval",
        calls={
            "call_1": Call(name="add", arguments='{"a": 1}', needs_approval=True, requested_at="today"),
            "call_2": Call(name="drop", arguments="{}", needs_approval=True, result="gone"),
            "call_3": Call(name="look", arguments="{}"),
        },
    )

    reply = reply_from_draft(draft, "awaiting_approval", conversation_id=CONV)

    assert reply.approvals == [Approval(tool_call_id="call_1", tool="add", arguments='{"a": 1}', requested_at="today")]
    assert reply.next_step is not None
    assert reply.next_step.startswith("The agent may not go on before the person decides")


def test_a_message_refused_for_a_pending_approval_says_that_it_was_not_sent() -> None:
    """Letta refuses a message while an approval is pending and stores nothing of it."""
    waiting = [Approval(tool_call_id="call_1", tool="drop", arguments="{}")]

    reply = reply_from_draft(
        Draft(stop_reason="error", error_type="internal_error"),
        "awaiting_approval",
        conversation_id=CONV,
        stage="refused",
        approvals=waiting,
    )

    assert reply.approvals == waiting
    assert reply.next_step is not None
    assert reply.next_step.startswith("Your message was NOT sent, because an earlier one still waits for a decision. ")


@pytest.mark.parametrize("status", get_args(Status))
def test_only_a_completed_reply_needs_no_next_step(status: Status) -> None:
    next_step = reply_from_draft(spoke("words"), status, conversation_id=CONV).next_step

    assert (next_step is None) == (status == "completed")
