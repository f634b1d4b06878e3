"""The judge of the fault matrix must see every wrong, or the matrix proves nothing."""

from dataclasses import replace
from typing import Any

import pytest

from tests.faults.schedule import schedule_from_seed
from tests.faults.shapes import APPROVAL_STEPS, STEPS, Shape
from tests.faults.tally import counted
from tests.faults.truth import Call, Truth, truth_from_entries
from tests.faults.verdict import Expected, Said, Verdict, judge, said_from_reply

SHAPE = STEPS.marked("m1")
TRUTH = Truth(1, "echo: one m1 three", ends=("end_turn",))
SAID = Said("completed", text="echo: one m1 three")
ANY = Expected(frozenset({"whole", "interrupted", "failed", "error", "running"}))
UNKNOWN = Said("interrupted", "The message may have been received.")
ABSENT = Said("error", "Letta can't be reached. Nothing was changed; it is safe to try again.")


def verdict(
    said: Said, truth: Truth, *, later: Said | None = None, expected: Expected = ANY, shape: Shape = SHAPE
) -> Verdict:
    return judge("a case", shape, said, truth, later=later, expected=expected, seconds=1)


@pytest.mark.parametrize(
    ("said", "truth", "later"),
    [
        (SAID, TRUTH, None),
        (UNKNOWN, Truth(0), None),
        (UNKNOWN, TRUTH, SAID),
        (ABSENT, Truth(0), None),
        (Said("failed", "It failed. The message was not kept."), Truth(0, ends=("llm_api_error",)), None),
        (Said("failed", "Some of it may be kept."), replace(TRUTH, ends=("max_steps",)), None),
        (Said("running", "Yours was not sent."), Truth(0), None),
    ],
)
def test_what_is_so_is_right(said: Said, truth: Truth, later: Said | None) -> None:
    assert verdict(said, truth, later=later).wrong is None


@pytest.mark.parametrize(
    ("said", "truth", "later", "wrong"),
    [
        (SAID, replace(TRUTH, times=2), None, "doubled"),
        (UNKNOWN, replace(TRUTH, times=2), SAID, "doubled"),
        (SAID, Truth(0), None, "dressed up"),
        (replace(SAID, text="echo: one"), TRUTH, None, "dressed up"),
        (replace(SAID, text="echo: one m1 one m1 three"), TRUTH, None, "dressed up"),
        (replace(SAID, text=""), replace(TRUTH, text=""), None, "dressed up"),
        (replace(SAID, reasoning="hm"), TRUTH, None, "dressed up"),
        (SAID, replace(TRUTH, calls=(Call("lookup", "{}", "found"),)), None, "dressed up"),
        (replace(SAID, status="awaiting_approval"), TRUTH, None, "dressed up"),
        (replace(UNKNOWN, words="It is safe to send it again."), TRUTH, SAID, "dressed up"),
        (ABSENT, TRUTH, None, "dressed up"),
        (Said("error", "Something broke."), Truth(0), None, "dressed up"),
        (Said("failed", "It failed."), TRUTH, None, "dressed up"),
        (UNKNOWN, TRUTH, None, "lost"),
        (UNKNOWN, TRUTH, UNKNOWN, "lost"),
        (UNKNOWN, TRUTH, replace(SAID, text="echo: one"), "lost"),
        (Said("running", "The agent is at work."), TRUTH, None, "lost"),
    ],
)
def test_what_is_not_so_is_wrong(said: Said, truth: Truth, later: Said | None, wrong: str) -> None:
    assert verdict(said, truth, later=later).wrong == wrong


def test_an_ending_that_the_faults_do_not_excuse_is_wrong() -> None:
    assert verdict(UNKNOWN, Truth(0), expected=Expected()).wrong == "unexpected"
    assert verdict(ABSENT, Truth(0), expected=replace(ANY, says="out of credits")).wrong == "unexpected"


def test_an_approval_is_whole_with_the_call_that_is_asked_for() -> None:
    asked = (Call("delete_everything", '{"where": "m1"}', None),)
    truth = Truth(1, "May I?", calls=asked, ends=("requires_approval",))
    said = Said("awaiting_approval", text="May I?", calls=asked)

    assert verdict(said, truth, shape=APPROVAL_STEPS).ending == "whole"
    assert verdict(replace(said, calls=()), truth, shape=APPROVAL_STEPS).wrong == "dressed up"
    assert verdict(replace(said, status="completed"), truth, shape=APPROVAL_STEPS).wrong == "dressed up"


def test_the_truth_is_read_from_what_letta_stored_between_one_message_and_the_next() -> None:
    entries = [
        _entry("system_message", content="You are Ada."),
        _entry("user_message", content="m0"),
        _entry("assistant_message", content="not this"),
        _entry("user_message", content="one m1"),
        _entry("reasoning_message", reasoning="hm"),
        _entry("assistant_message", content="Wait."),
        _entry("tool_call_message", tool_call={"name": "lookup", "arguments": "{}", "tool_call_id": "call-1"}),
        _entry("tool_return_message", tool_call_id="call-1", tool_return="found"),
        _entry("assistant_message", content="Done."),
        _entry("user_message", content="m2"),
        _entry("user_message", content="again m1"),
    ]

    assert truth_from_entries(entries, "m1") == Truth(2, "Wait.\n\nDone.", "hm", (Call("lookup", "{}", "found"),))
    assert truth_from_entries(entries, "m9") == Truth(0)


def test_a_reply_in_full_is_what_was_said() -> None:
    reply = {
        "status": "awaiting_approval",
        "text": "May I?",
        "next_step": "Show it.",
        "reasoning": None,
        "in_reply_to": "m1",
        "run_id": "run-1",
        "tool_uses": [{"tool": "lookup", "arguments": "{}", "status": "success", "result": "found"}],
        "approvals": [{"tool_call_id": "call-2", "tool": "erase", "arguments": "{}", "requested_at": None}],
    }

    calls = (Call("lookup", "{}", "found"), Call("erase", "{}", None))
    assert said_from_reply(reply) == Said("awaiting_approval", "Show it.", "May I?", "", calls, "m1", "run-1")


def test_a_schedule_is_all_in_its_seed() -> None:
    for is_numbered in (True, False):
        one, again, other = (schedule_from_seed(seed, is_numbered=is_numbered) for seed in (7, 7, 8))

        assert one == again != other
        cases = [case for talk in one for together in talk for case in together]
        assert all(case.faults or case.repeats or case.reads for case in cases)
        assert all(case.name.startswith("seed=7, ") for case in cases)


def test_the_count_is_one_line() -> None:
    verdicts = [
        Verdict("a", "whole", seconds=0.5),
        Verdict("b", "whole", seconds=2),
        Verdict("c", "interrupted"),
        Verdict("d", "whole", "doubled"),
    ]

    assert counted(verdicts) == (
        "4 cases: 2 whole replies (median 1.2 s, longest 2.0 s), 1 truthful other endings, 1 doubled messages, "
        "0 lost replies, 0 dressed up, 0 unexpected"
    )


def _entry(kind: str, **fields: Any) -> dict[str, Any]:
    return {"message_type": kind, **fields}
