"""The vocabulary of the evaluation's checks, on traces written by hand."""

import re

import pytest

from evals import checks as c
from evals.trace import Call, Decision, Talk, Trace

READ = Call(0, "get_history", {"conversation_id": "conv-1"})
SENT = Call(0, "send_message", {"conversation_id": "conv-1", "message": "Yes, agreed."})
REFUSED = Call(0, "send_message", {"conversation_id": "conv-1"}, is_error=True)
LATER = Call(1, "send_message", {"conversation_id": "conv-2"})
IDS = {"one": "conv-1", "two": "conv-2"}


def trace(*calls: Call, answers: tuple[str, ...] = (), talks: tuple[Talk, ...] = ()) -> Trace:
    return Trace(calls=calls, answers=answers, talks=talks, ids=IDS)


def talk(*heard: str, key: str | None = "one", decisions: tuple[Decision, ...] = ()) -> Talk:
    return Talk("conv-1", key, "ada", heard=heard, decisions=decisions)


@pytest.mark.parametrize(
    ("wanted", "value", "fits"),
    [
        ("@one", "conv-1", True),
        ("@one", "conv-2", False),
        (re.compile("agree"), "We agreed.", True),
        (re.compile("agree"), None, False),
        ({"@one", "@two"}, "conv-2", True),
        (["@one", "@two"], ["conv-2", "conv-1"], True),
        (["@one", "@two"], ["conv-1"], False),
        (["@one"], ["conv-1", "conv-2"], False),
        (["@one"], None, False),
        (True, True, True),
        (None, None, True),
    ],
)
def test_an_argument_is_compared_as_the_check_means_it(wanted: object, value: object, fits: bool) -> None:
    assert c.fits(value, wanted, trace()) is fits


def test_a_call_that_failed_was_not_made_but_was_not_never_made_either() -> None:
    send = c.use("send_message", conversation_id="@one")

    assert c.called(send)(trace(READ, SENT))
    assert not c.called(send)(trace(READ, REFUSED))
    assert not c.never(send)(trace(REFUSED))
    assert c.never(send)(trace(READ, LATER))
    assert c.never(c.use("send_message"), turn=0)(trace(READ, LATER))
    assert not c.called(c.use("send_message"), turn=0)(trace(READ, LATER))


def test_before_wants_both_and_in_this_order() -> None:
    order = c.before(c.use("get_history"), c.use("send_message"))

    assert order(trace(READ, SENT))
    assert order(trace(READ, SENT, READ))
    assert not order(trace(SENT, READ))
    assert not order(trace(REFUSED, READ, SENT))
    assert not order(trace(READ))


def test_how_often_something_was_sent_is_counted_in_letta() -> None:
    assert c.sent_once("one", "agree")(trace(talks=(talk("I agree."),)))
    assert not c.sent_once("one", "agree")(trace(SENT, talks=(talk(),)))
    assert not c.sent_once("one")(trace(talks=(talk("I agree.", "Indeed."),)))
    assert not c.sent_once("one", "agree")(trace(talks=(talk("No."),)))
    assert c.nothing_sent("two")(trace(talks=(talk("I agree."),)))
    assert not c.nothing_sent()(trace(talks=(talk("I agree."),)))


@pytest.mark.parametrize(("again", "is_twice"), [("I agree", True), ("i  AGREE!", True), ("I agree too", False)])
def test_the_same_words_in_other_letters_are_the_same_message(again: str, is_twice: bool) -> None:
    assert c.nothing_sent_twice(trace(talks=(talk("I agree.", again),))) is not is_twice


def test_decisions_are_those_that_letta_has_and_no_others() -> None:
    yes, no = Decision("a", approve=True, reason=None), Decision("b", approve=False, reason="no backup yet")
    made = trace(talks=(talk(decisions=(no, yes)),))

    assert c.decided("one", yes, Decision("b", approve=False, reason="backup"))(made)
    assert not c.decided("one", yes)(made)
    assert not c.decided("one", yes, Decision("b", approve=True, reason=None))(made)
    assert not c.decided("one", yes, Decision("b", approve=False, reason="Friday"))(made)
    assert not c.nothing_decided(made)


def test_an_answer_that_was_not_given_says_nothing_and_is_no_silence_that_counts() -> None:
    assert c.answers("yes", turn=0)(trace(answers=("YES.", "No.")))
    assert not c.answers("yes")(trace(answers=("Yes.", "No.")))
    assert not c.answers("yes", turn=1)(trace(answers=("Yes.",)))
    assert not c.answers_nothing_of("yes")(trace(answers=()))
    assert not c.answers_nothing_of("yes")(trace(answers=(" ",)))


@pytest.mark.parametrize(
    "text",
    [
        "She is still at it.",
        "It isn't finished yet.",
        "The reply hasn\u2019t finished.",
        "It's in progress.",
        "Not done yet.",
    ],
)
def test_a_reply_that_goes_on_is_told_in_many_ways(text: str) -> None:
    assert c.answers(c.STILL_GOING)(trace(answers=(text,)))
    assert c.answers(c.UNFINISHED)(trace(answers=(text,)))


@pytest.mark.parametrize("text", ["The total is 4711.", "Here is the complete list.", "Ada has finished."])
def test_a_whole_reply_is_not_taken_for_one_that_goes_on(text: str) -> None:
    assert not c.answers(c.UNFINISHED)(trace(answers=(text,)))


def test_conversations_that_the_model_made_are_those_without_a_name_that_still_exist() -> None:
    made = talk("Hello.", key=None)
    gone = Talk("conv-3", None, "ada", is_deleted=True)

    assert c.made(1, agent="ada")(trace(talks=(talk(), made, gone)))
    assert not c.made(1, agent="bo")(trace(talks=(talk(), made)))
    assert c.made(0)(trace(talks=(talk(), gone)))
    assert c.sent_once_in_new("Hello")(trace(talks=(talk("Other."), made)))
    assert not c.sent_once_in_new()(trace(talks=(talk("Other."),)))
