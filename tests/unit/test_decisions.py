"""A person's verdict, held against what is pending."""

import itertools

import pytest

from letta_conv_mcp.errors import ApprovalsMismatch
from letta_conv_mcp.letta.outgoing import Decision
from letta_conv_mcp.turns.decisions import Verdict, decisions_from_verdict, otid_of_decisions
from letta_conv_mcp.views import Approval

CONV = "conv-1"


def pending(*call_ids: str, client_tool: bool = False, requested_at: str = "today") -> list[Approval]:
    return [
        Approval(tool_call_id=key, tool="erase", arguments="{}", requested_at=requested_at, client_tool=client_tool)
        for key in call_ids
    ]


def test_every_pending_call_gets_its_decision_in_one_batch() -> None:
    verdict = Verdict(approve=("b",), deny=("a", "c"), reason="why")

    assert decisions_from_verdict(verdict, pending("a", "b", "c"), CONV) == (
        Decision(tool_call_id="a", approve=False, reason="why"),
        Decision(tool_call_id="b", approve=True, reason="why"),
        Decision(tool_call_id="c", approve=False, reason="why"),
    )


def test_a_call_that_is_named_twice_counts_once() -> None:
    assert len(decisions_from_verdict(Verdict(approve=("a", "a")), pending("a"), CONV)) == 1


@pytest.mark.parametrize(
    ("verdict", "problem"),
    [
        (Verdict(approve=("a",)), "'b' is also waiting and left out"),
        (Verdict(approve=("a", "b"), deny=("c",)), "'c' is not waiting, or answered already"),
        (Verdict(approve=("a", "b"), deny=("b",)), "'b' is named for both approve and deny"),
        (Verdict(), "'a' is also waiting and left out; 'b' is also waiting and left out"),
    ],
)
def test_a_verdict_that_does_not_fit_names_what_is_wrong_and_what_is_pending(verdict: Verdict, problem: str) -> None:
    """LETTA: a batch that isn't exactly what is asked for is a failed run."""
    with pytest.raises(ApprovalsMismatch) as mismatch:
        decisions_from_verdict(verdict, pending("a", "b"), CONV)

    assert f"No decision was passed on in 'conv-1': {problem}. " in str(mismatch.value)
    assert "Waiting for a decision: a (erase), b (erase)." in str(mismatch.value)


def test_a_verdict_on_nothing_where_nothing_waits_is_none() -> None:
    """LETTA: a batch without answers is a failed run."""
    with pytest.raises(ApprovalsMismatch, match=r"no tool call was named\. Nothing waits"):
        decisions_from_verdict(Verdict(), [], CONV)


def test_a_clients_tool_can_be_denied_and_not_approved() -> None:
    waiting = pending("a", client_tool=True)

    with pytest.raises(ApprovalsMismatch, match="which alone can run it"):
        decisions_from_verdict(Verdict(approve=("a",)), waiting, CONV)
    assert decisions_from_verdict(Verdict(deny=("a",)), waiting, CONV)[0].approve is False


def test_the_same_answer_to_the_same_request_has_the_same_id_and_no_other_has() -> None:
    """Ours: a repeat is harmless, also from another process. Models number their calls anew in every run."""

    def otid(conversation_id: str, waiting: list[Approval], verdict: Verdict, newest: str = "run-1") -> str:
        decisions = decisions_from_verdict(verdict, waiting, conversation_id)
        return otid_of_decisions(conversation_id, newest, waiting, decisions)

    approved = Verdict(approve=("a",))
    ids = [
        otid(CONV, pending("a"), approved),
        otid("conv-2", pending("a"), approved),
        otid(CONV, pending("a"), approved, newest="run-2"),
        otid(CONV, pending("a", requested_at="tomorrow"), approved),
        otid(CONV, pending("a"), Verdict(deny=("a",))),
        otid(CONV, pending("a"), Verdict(deny=("a",), reason="why")),
        otid(CONV, pending("a", "b"), Verdict(approve=("a", "b"))),
    ]

    assert len(set(ids)) == len(ids)
    assert otid(CONV, pending("a"), approved) == ids[0]
    orders = itertools.permutations(pending("a", "b"))
    assert len({otid(CONV, list(waiting), Verdict(approve=("b", "a"))) for waiting in orders}) == 1


def test_a_verdict_reads_like_what_was_said() -> None:
    assert str(Verdict(approve=("a", "b"), deny=("c",))) == "approve a, b; deny c"
    assert str(Verdict(deny=("c",))) == "deny c"
