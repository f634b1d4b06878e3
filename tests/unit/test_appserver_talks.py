"""A conversation as two connections tell of it: frames in, legs out."""

from collections.abc import Iterable
from typing import Any

import anyio
import pytest

from letta_conv_mcp.letta.appserver_legs import Leg
from letta_conv_mcp.letta.appserver_talks import Talk
from letta_conv_mcp.letta.content import Json as Told
from letta_conv_mcp.letta.outgoing import Decision
from letta_conv_mcp.turns.draft import Draft

RUNTIME = {"agent_id": "agent-1", "conversation_id": "conv-1"}
Json = dict[str, Any]


def loop(run_id: str, *otids: str) -> Json:
    loop_status = {"active_run_ids": [run_id], "client_message_ids_by_run_id": {run_id: list(otids)}}
    return {"type": "update_loop_status", "loop_status": loop_status}


def delta(**fields: Any) -> Json:
    return {"type": "stream_delta", "delta": fields}


def word(text: str, seq_id: int, run_id: str = "run-1") -> Json:
    content = [{"type": "text", "text": text}]
    return delta(message_type="assistant_message", id=f"m-{run_id}", content=content, run_id=run_id, seq_id=seq_id)


def call(call_id: str, seq_id: int, run_id: str = "run-1") -> Json:
    tool_call = {"tool_call_id": call_id, "name": "Read", "arguments": "{}"}
    return delta(
        message_type="approval_request_message", tool_call=tool_call, run_id=run_id, seq_id=seq_id, date="2026-11-24"
    )


def needed(*call_ids: str) -> Json:
    return delta(message_type="approval_classification_end", id="life-1", user_input_tool_call_ids=list(call_ids))


def asked(call_id: str) -> Json:
    request: Json = {"tool_call_id": call_id, "tool_name": "Read", "input": {}}
    return {"type": "control_request", "request_id": f"perm-{call_id}", "request": request}


def returned(call_id: str, text: str) -> Json:
    result = {"tool_call_id": call_id, "status": "success", "tool_return": text}
    return delta(message_type="tool_return_message", id=f"return-{call_id}", run_id="run-1", tool_returns=[result])


def finished(*otids: str, stop_reason: str = "end_turn", turn_id: str = "turn-1", run_id: str = "run-1") -> Json:
    return {
        "type": "turn_finished",
        "turn_id": turn_id,
        "stop_reason": stop_reason,
        "run_id": run_id,
        "terminal_consumer_ids": list(otids),
    }


def status(*, is_processing: bool, pending: Iterable[Json] = ()) -> Json:
    device_status = {"is_processing": is_processing, "pending_control_requests": list(pending)}
    return {"type": "update_device_status", "device_status": device_status}


def sent(otid: str = "otid-1") -> tuple[Talk, Leg]:
    """A conversation in which a message of ours was taken."""
    talk = Talk("conv-1", RUNTIME)
    leg = talk.expect(otid)
    talk.accepted(leg, "hello", is_started=True)
    return talk, leg


def hear(talk: Talk, *events: Json) -> list[Told]:
    return [answer for event in events for answer in talk.hear(event)]


def draft_of(leg: Leg) -> Draft:
    """What its frames say so far."""

    async def read() -> Draft:
        draft = Draft()
        with anyio.move_on_after(0 if not leg.is_over and not leg.is_cut else 1):
            async for frame in leg.follow(0):
                draft.add(frame)
        return draft

    return anyio.run(read)


def test_a_turn_ends_when_it_is_finished_and_not_when_a_segment_stops() -> None:
    talk, leg = sent()

    hear(talk, loop("run-1", "otid-1"), word("echo: ", 1), word("hi", 2))
    hear(talk, delta(message_type="stop_reason", stop_reason="end_turn", run_id="run-1", seq_id=3))
    before = leg.is_over
    hear(talk, finished("otid-1"))

    draft = draft_of(leg)
    assert (before, leg.is_over, talk.active) == (False, True, None)
    assert (draft.heard, draft.text, draft.stop_reason, draft.is_confirmed) == ("hello", "echo: hi", "end_turn", True)


def test_what_both_connections_tell_counts_once() -> None:
    talk, leg = sent()
    told = [loop("run-1", "otid-1"), word("a", 1), word("b", 2), call("c", 3), finished("otid-1")]

    for first, second in zip(told, [*told[1:], told[0]], strict=True):
        hear(talk, first, second, first)

    assert draft_of(leg).text == "ab"
    assert list(draft_of(leg).calls) == ["c"]
    assert talk.active is None


def test_usage_of_all_segments_is_counted_together() -> None:
    talk, leg = sent()
    for run_id, tokens in (("run-1", 10), ("run-2", 5)):
        hear(talk, loop(run_id, "otid-1"), word("x", 1, run_id))
        hear(talk, delta(message_type="usage_statistics", total_tokens=tokens, run_id=run_id, seq_id=2))
    hear(talk, finished("otid-1", run_id="run-2"))

    usage = draft_of(leg).usage
    assert usage is not None
    assert (usage.total_tokens, usage.steps) == (15, 2)


def test_a_question_ends_a_leg_and_names_all_calls_that_wait() -> None:
    talk, leg = sent()

    hear(talk, loop("run-1", "otid-1"), call("a", 1), call("b", 2), call("free", 3), needed("a", "b"), asked("a"))

    assert leg.is_over
    assert [approval.tool_call_id for approval in talk.questions.approvals] == ["a", "b"]
    draft = draft_of(leg)
    assert draft.stop_reason == "requires_approval"
    assert list(draft.pending) == ["a", "b"]
    # Announced before, so nothing of its arguments stands there twice.
    assert draft.calls["a"].arguments == "{}"


def test_decisions_are_passed_on_one_by_one_as_they_are_asked_for() -> None:
    """APP SERVER: it asks for the second call's when it has the first one's."""
    talk, _ = sent()
    hear(talk, loop("run-1", "otid-1"), call("a", 1), call("b", 2), needed("a", "b"), asked("a"))
    decisions = [Decision(tool_call_id="a", approve=True), Decision(tool_call_id="b", approve=False, reason="no")]

    leg, first = talk.decide("otid-2", decisions)
    second = hear(talk, asked("b"))
    # The other connection still tells of it as open.
    late = hear(talk, status(is_processing=True, pending=[{"request_id": "perm-a", "request": {"tool_call_id": "a"}}]))
    hear(talk, returned("a", "found"), word("done", 1, "run-2"), finished("otid-1", run_id="run-2"))

    assert [answer["payload"]["request_id"] for answer in (*first, *second)] == ["perm-a", "perm-b"]
    assert late == []
    draft = draft_of(leg)
    assert (draft.text, draft.stop_reason) == ("done", "end_turn")
    assert (draft.calls["a"].name, draft.calls["a"].result) == ("Read", "found")


def test_a_question_that_is_decided_and_listed_before_it_is_put_halts_nothing() -> None:
    talk, _ = sent()
    hear(talk, loop("run-1", "otid-1"), call("a", 1), call("b", 2), needed("a", "b"), asked("a"))
    decisions = [Decision(tool_call_id="a", approve=True), Decision(tool_call_id="b", approve=True)]
    leg, _ = talk.decide("otid-2", decisions)

    listed = {"request_id": "perm-b", "request": {"tool_call_id": "b"}}
    early = hear(talk, status(is_processing=True, pending=[listed]))
    answers = hear(talk, asked("b"))

    assert (early, leg.is_over) == ([], False)
    assert [answer["payload"]["request_id"] for answer in answers] == ["perm-b"]


def test_a_decision_is_for_one_question_only() -> None:
    """Ours: nothing is approved by default. Models number their calls anew in every step."""
    talk, _ = sent()
    hear(talk, loop("run-1", "otid-1"), call("a", 1), needed("a"), asked("a"))
    leg, first = talk.decide("otid-2", [Decision(tool_call_id="a", approve=True)])

    hear(talk, returned("a", "found"), call("a", 1, "run-2"), needed("a"))
    # APP SERVER: a question's id is made of its call's.
    second = hear(talk, asked("a"))

    assert len(first) == 1
    assert second == []
    assert (leg.is_over, leg.stop_reason) == (True, "requires_approval")
    assert [approval.tool_call_id for approval in talk.questions.approvals] == ["a"]


def test_a_decision_that_did_not_reach_the_server_is_asked_for_again() -> None:
    talk, _ = sent()
    hear(talk, loop("run-1", "otid-1"), call("a", 1), needed("a"), asked("a"))
    leg, _ = talk.decide("otid-2", [Decision(tool_call_id="a", approve=True)])

    talk.undecide()
    again = hear(talk, status(is_processing=True, pending=[{"request_id": "perm-a", "request": {"tool_call_id": "a"}}]))

    assert again == []
    assert leg.is_cut
    assert [approval.tool_call_id for approval in talk.questions.approvals] == ["a"]


def test_what_somebody_else_has_answered_goes_on_in_a_leg_of_its_own() -> None:
    talk, leg = sent()
    hear(talk, loop("run-1", "otid-1"), call("a", 1), needed("a"), asked("a"))

    hear(talk, returned("a", "found"), word("done", 1, "run-2"))
    following = talk.active
    hear(talk, finished("otid-1", run_id="run-2"))

    assert leg.stop_reason == "requires_approval"
    assert following is not None
    assert (following.message_id, draft_of(following).text) == ("otid-1", "done")
    assert talk.questions.approvals == []


def test_a_question_that_is_heard_of_before_its_turn_halts_it_all_the_same() -> None:
    """APP SERVER: who comes later is told of the question first."""
    talk = Talk("conv-1", RUNTIME)

    hear(talk, asked("a"), status(is_processing=True), loop("run-1", "otid-9"))

    assert talk.active is None
    assert [approval.tool_call_id for approval in talk.questions.approvals] == ["a"]
    assert talk.current is not None
    assert talk.current.stop_reason == "requires_approval"


def test_a_turn_of_another_clients_is_told_from_ours() -> None:
    talk, ours = sent()

    hear(talk, loop("run-9", "theirs"), word("not ours", 1, "run-9"))
    theirs = talk.active
    hear(talk, finished("theirs", turn_id="turn-9", run_id="run-9"))
    hear(talk, delta(message_type="user_message", id="u", otid="otid-1"), word("ours", 1), finished("otid-1"))

    assert theirs is not None
    assert (theirs.id, draft_of(theirs).text) == ("theirs", "not ours")
    assert draft_of(ours).text == "ours"


def test_a_message_that_is_put_to_the_model_anew_forgets_what_was_said() -> None:
    talk, leg = sent()

    hear(talk, loop("run-1", "otid-1"), word("half a", 1), delta(message_type="retry", id="life-2", run_id="run-1"))
    hear(talk, loop("run-2", "otid-1"), word("whole", 1, "run-2"), finished("otid-1", run_id="run-2"))

    assert (draft_of(leg).text, draft_of(leg).is_repeated) == ("whole", True)


@pytest.mark.parametrize("stop_reason", ["error", "llm_api_error", "max_tokens_exceeded"])
def test_a_failure_is_told_by_its_word(stop_reason: str) -> None:
    talk, leg = sent()

    hear(talk, loop("run-1", "otid-1"), delta(message_type="error_message", id="e", error_type="llm_error"))
    hear(talk, finished("otid-1", stop_reason=stop_reason))

    assert (leg.stop_reason, leg.error_type) == (stop_reason, "llm_error")
    assert draft_of(leg).error_type == "llm_error"


def test_a_leg_that_was_cut_ends_without_an_end_and_begins_anew_when_the_server_does() -> None:
    """APP SERVER: after its own crash it does the message again, and numbers its runs anew."""
    talk, leg = sent()
    hear(talk, loop("run-1", "otid-1"), word("half a", 1))

    talk.cut()
    cut = draft_of(leg)
    hear(talk, delta(message_type="user_message", id="u", otid="otid-1"))
    hear(talk, loop("run-1", "otid-1"), word("whole", 1), finished("otid-1", turn_id="turn-2"))

    assert (cut.text, cut.stop_reason) == ("half a", None)
    assert (draft_of(leg).text, draft_of(leg).stop_reason) == ("whole", "end_turn")
    assert draft_of(leg).is_repeated


def test_a_leg_that_went_on_while_nobody_listened_says_that_something_is_missing() -> None:
    """Another client's connection kept the turn alive."""
    talk, leg = sent()
    hear(talk, loop("run-1", "otid-1"), word("one ", 1))

    talk.cut()
    hear(talk, loop("run-1", "otid-1"), word("three", 3), finished("otid-1"))

    draft = draft_of(leg)
    assert (draft.has_gap, draft.is_repeated, draft.stop_reason) == (True, False, "end_turn")


def test_what_an_ended_turn_is_told_late_begins_nothing() -> None:
    talk, leg = sent()
    hear(talk, loop("run-1", "otid-1"), word("hi", 1), finished("otid-1"))

    hear(talk, loop("run-1", "otid-1"), word("hi", 1), finished("otid-1"))

    assert (talk.active, talk.current) == (None, None)
    assert draft_of(leg).text == "hi"


def test_the_end_of_another_clients_turn_does_not_end_ours() -> None:
    talk, ours = sent()

    hear(talk, finished("a name of theirs", turn_id="turn-9", run_id="run-9"))
    before = ours.is_over
    hear(talk, loop("run-1", "otid-1"), word("hi", 1), finished("otid-1"))

    assert (before, draft_of(ours).text, draft_of(ours).stop_reason) == (False, "hi", "end_turn")


def test_a_connection_that_lags_behind_brings_no_ended_turn_back() -> None:
    talk, ours = sent()
    hear(talk, loop("run-1", "otid-1"), word("hi", 1), finished("otid-1"))

    hear(talk, status(is_processing=True))
    supposed = talk.suppose("otid-1")
    hear(talk, status(is_processing=False))

    assert supposed is ours
    assert talk.active is None


def test_a_turn_that_was_only_supposed_is_let_go_of() -> None:
    talk = Talk("conv-1", RUNTIME)
    hear(talk, status(is_processing=True))
    talk.suppose("otid-9")

    hear(talk, status(is_processing=False))

    assert (talk.active, talk.leg("otid-9")) == (None, None)


def test_a_question_that_somebody_else_has_answered_is_not_asked_again_by_a_late_echo() -> None:
    talk, _ = sent()
    hear(talk, loop("run-1", "otid-1"), call("a", 1), needed("a"), asked("a"), returned("a", "found"))

    hear(talk, status(is_processing=True, pending=[{"request_id": "perm-a", "request": {"tool_call_id": "a"}}]))

    assert talk.questions.approvals == []
    assert talk.active is not None


def test_only_so_many_ended_legs_are_remembered() -> None:
    talk = Talk("conv-1", RUNTIME)
    for number in range(30):
        leg = talk.expect(f"otid-{number}")
        talk.accepted(leg, "hello", is_started=True)
        hear(talk, finished(f"otid-{number}", turn_id=f"turn-{number}", run_id=f"run-{number}"))

    assert talk.leg("otid-0") is None
    assert talk.leg("otid-29") is not None
