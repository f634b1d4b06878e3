"""When a draft is known to be whole, and what it takes to keep one."""

import pytest

from letta_conv_mcp.letta.events import AskedApproval, Counted, Event, Failed, Frame, Spoke, Stopped, Thought
from letta_conv_mcp.turns.draft import Draft, draft_from_frames

RUN = "run-1"
USAGE = Counted(1, 1, 2, 1)


def draft_of(*events: Event) -> Draft:
    return draft_from_frames([Frame(RUN), *(Frame(RUN, None, (event,)) for event in events)])


@pytest.mark.parametrize(
    ("events", "is_confirmed"),
    [
        ([], False),
        ([Spoke("a", "hi")], False),
        ([Stopped("end_turn")], False),
        ([Stopped("end_turn"), USAGE], True),
        ([USAGE], False),
        ([Stopped("requires_approval")], False),
        ([Stopped("cancelled")], True),
        ([Failed("internal_error")], False),
        ([Stopped("error"), Failed("llm_error")], True),
        ([Stopped("end_turn"), Failed("internal_error")], True),
    ],
)
def test_a_stop_reason_alone_is_not_yet_the_end(events: list[Event], is_confirmed: bool) -> None:
    """LETTA: an error can follow even `end_turn`, and then nothing was stored. The usage comes only where all went
    well; a cancelled run has none. An error without a stop reason is the stream's."""
    assert draft_of(*events).is_confirmed is is_confirmed


@pytest.mark.parametrize(
    ("events", "error_type"),
    [
        ([Failed("internal_error"), Stopped("end_turn"), USAGE], None),
        ([Failed("internal_error"), Stopped("requires_approval"), USAGE], None),
        ([Stopped("end_turn"), Failed("internal_error")], "internal_error"),
        ([Failed("llm_error"), Stopped("llm_api_error")], "llm_error"),
    ],
)
def test_an_error_before_a_good_end_is_not_the_runs(events: list[Event], error_type: str | None) -> None:
    """LETTA: the error of a run follows its stop reason."""
    assert draft_of(*events).error_type == error_type


@pytest.mark.parametrize(
    ("draft", "is_confirmed"),
    [
        (Draft(is_recorded=True, stop_reason="end_turn"), True),
        (Draft(is_recorded=True, error_type="llm_error"), True),
        (Draft(is_recorded=True), False),
    ],
)
def test_lettas_record_of_a_run_confirms_its_end(draft: Draft, is_confirmed: bool) -> None:
    assert draft.is_confirmed is is_confirmed


@pytest.mark.parametrize(
    ("numbers", "has_gap"), [([1, 2, 3], False), ([1, 3], True), ([2, 3], True), ([1, 2, 2, 1, 3], False)]
)
def test_frames_that_are_missing_are_noticed(numbers: list[int], has_gap: bool) -> None:
    """LETTA: after a restart of its Redis a run is replayed from there on."""
    assert draft_from_frames(Frame(RUN, number) for number in numbers).has_gap is has_gap


def test_a_compacted_draft_says_the_same() -> None:
    pieces = [Thought("t", "h"), Thought("t", "m"), *(Spoke("a", letter) for letter in "hello"), Spoke("b", "you")]
    draft, compacted = draft_of(*pieces), draft_of(*pieces)

    compacted.compact()
    compacted.add(Frame(RUN, None, (Spoke("b", " too"),)))

    assert (compacted.text, compacted.reasoning) == (f"{draft.text} too", draft.reasoning)


def test_the_size_of_a_draft_counts_all_that_it_holds() -> None:
    draft = draft_of(Thought("t", "hmm"), Spoke("a", "hello"), AskedApproval("call_1", "erase", "{}", None))

    assert draft.size == len("hmm") + len("hello") + len("{}")
