"""Several replies made small enough to be read together."""

from hypothesis import given
from hypothesis import strategies as st

from letta_conv_mcp.branches import TEXTS_CHARS, branch_not_sent, branch_of_reply, cut_together, shares_of
from letta_conv_mcp.views import Approval, Branch, Reply


def branch(text: str, next_step: str | None = None) -> Branch:
    return Branch(name="Ada", status="completed", text=text, next_step=next_step, conversation_id="conv-1")


@given(st.lists(st.integers(0, 500), min_size=1, max_size=8), st.integers(0, 1_500))
def test_texts_share_what_there_is_and_none_is_cut_for_nothing(lengths: list[int], total: int) -> None:
    shares = shares_of([branch("x" * length) for length in lengths], total)

    assert all(share <= length for share, length in zip(shares, lengths, strict=True))
    assert sum(shares) <= total
    cut = [share for share, length in zip(shares, lengths, strict=True) if share < length]
    if cut:
        assert total - sum(shares) < len(lengths)
        assert max(shares) - min(cut) <= len(lengths)
    else:
        assert shares == lengths


def test_short_texts_leave_their_room_to_a_long_one() -> None:
    cut = cut_together([branch("short"), branch("x" * 30_000, "Look."), branch("also short")])

    assert [each.text for each in cut[::2]] == ["short", "also short"]
    assert [each.next_step for each in cut[::2]] == [None, None]
    assert len(cut[1].text) == TEXTS_CHARS - len("short") - len("also short")
    assert (cut[1].next_step or "").startswith(f"Look. `text` is cut to {len(cut[1].text)} of 30000 characters: call ")


def test_what_waits_for_the_person_is_told_with_its_ids() -> None:
    calls = [Approval(tool_call_id=f"call-{number}", tool="delete", arguments='{"n": 1}') for number in (1, 2)]
    reply = Reply(status="awaiting_approval", text="", conversation_id="conv-1", run_id="run-1", approvals=calls)

    shown = branch_of_reply("Ada", "agent-1", reply)

    assert shown.approvals == 'call-1: delete({"n": 1}); call-2: delete({"n": 1})'
    assert (shown.status, shown.run_id, shown.agent_id) == ("awaiting_approval", "run-1", "agent-1")


def test_the_largest_comparison_is_small_enough_to_read() -> None:
    calls = [Approval(tool_call_id=f"call-{'x' * 40}", tool="t" * 60, arguments="a" * 4_000) for _ in range(5)]
    reply = Reply(
        status="awaiting_approval",
        text="x" * 50_000,
        next_step="s" * 300,
        conversation_id="c" * 41,
        run_id="r" * 40,
        approvals=calls,
    )

    branches = cut_together([branch_of_reply("n" * 500, "a" * 42, reply) for _ in range(8)])

    assert sum(len(each.model_dump_json()) for each in branches) < 32_000
    assert len(branch_not_sent("n" * 500, None, None, "p" * 5_000).model_dump_json()) < 1_000


def test_no_cut_takes_away_an_id() -> None:
    """Ours: answer_approval wants every pending call at once."""
    calls = [Approval(tool_call_id=f"call-{number}", tool="t" * 60, arguments="a" * 4_000) for number in range(9)]
    reply = Reply(status="awaiting_approval", text="", conversation_id="conv-1", approvals=calls)

    shown = branch_of_reply("Ada", "agent-1", reply).approvals or ""

    assert all(f"call-{number}: " in shown for number in range(9))
    assert len(shown) < 2_000


def test_a_call_that_only_its_client_can_run_is_marked() -> None:
    call = Approval(tool_call_id="call-1", tool="open", arguments="{}", client_tool=True)
    reply = Reply(status="awaiting_approval", text="", conversation_id="conv-1", approvals=[call])

    assert branch_of_reply("Ada", None, reply).approvals == "call-1: open({}) [client_tool]"
