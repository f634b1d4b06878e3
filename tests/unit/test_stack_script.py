"""The scripted model's little language."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.stack.acts import Act, Break, Call, Cut, Finish, Garble, Refuse, Say, Think, Wait
from tests.stack.script import Prompt, acts_for, prompt_from_messages


def said(*words: str) -> tuple[Say, ...]:
    return tuple(Say(word) for word in words)


@pytest.mark.parametrize(
    ("text", "acts"),
    [
        ("hello there", (*said("echo: ", "hello ", "there"), Finish("stop"))),
        ("issue #1 and #toolbox", (*said("echo: ", "issue ", "#1 ", "and ", "#toolbox"), Finish("stop"))),
        ("#reason let me see# hi", (Think("let "), Think("me "), Think("see"), *said("echo: ", "hi"), Finish("stop"))),
        ("#slow 0.5 hi", (Wait(0.5), *said("echo: ", "hi"), Finish("stop"))),
        ("#drip 0.1 #long 2", (Wait(0.1), Say("w0 "), Wait(0.1), Say("w1"), Finish("stop"))),
        ('#tool lookup {"a": {"b": 1}} please', (Call("lookup", '{"a": {"b": 1}}'), Finish("tool_calls"))),
        ("#say One moment.# #tool lookup", (*said("One ", "moment."), Call("lookup", "{}"), Finish("tool_calls"))),
        ("#answer Nine, I think.# hm", (*said("Nine, ", "I ", "think."), Finish("stop"))),
        ("#two lookup {}", (Call("lookup", "{}"), Call("lookup", "{}"), Finish("tool_calls"))),
        ("#tool lookup {} #and other", (Call("lookup", "{}"), Call("other", "{}"), Finish("tool_calls"))),
        ("#badargs lookup", (Call("lookup", '{"broken": '), Finish("tool_calls"))),
        ("#http 503", (Refuse(503),)),
        ("#slow 1 #http 429", (Wait(1), Refuse(429))),
        ("#garbage", (Garble(),)),
        ("#empty", (Finish("stop"),)),
        ("#length hi", (*said("echo: ", "hi"), Finish("length"))),
        ("#cut 2 a b c", (*said("echo: ", "a "), Cut())),
        ("#errchunk 1 a b", (Say("echo: "), Break())),
        ("#cut 0 a", (Cut(),)),
        ("#cut 9 a", (*said("echo: ", "a"), Cut())),
    ],
)
def test_a_directive_decides_what_the_model_does(text: str, acts: tuple[Act, ...]) -> None:
    """Ours: the documented language, one directive at a time."""
    assert acts_for(Prompt(text)) == acts


def test_a_tool_result_is_reported() -> None:
    """Ours: once a tool has answered, the model speaks of it, and does not wait again."""
    acts = acts_for(Prompt("#slow 3 #tool lookup {}", results=("found",)))

    assert acts == (*said("tool ", "said: ", "found"), Finish("stop"))


def test_tools_are_called_one_after_the_other() -> None:
    """Ours: every result leads to the next call of the message."""
    prompts = [Prompt("#tool first {} #tool second {}", results=results) for results in ((), ("a",), ("a", "b"))]

    firsts = [acts_for(prompt)[0] for prompt in prompts]

    assert firsts == [Call("first", "{}"), Call("second", "{}"), Say("tool ")]


def test_a_loop_never_ends() -> None:
    """Ours: `#loop` is for Letta's own limit of steps."""
    assert acts_for(Prompt("#loop lookup {}", results=("a",) * 20)) == (Call("lookup", "{}"), Finish("tool_calls"))


def test_a_failure_can_be_for_once() -> None:
    """Ours: Letta repeats a failed request by itself, and the second one is answered."""
    assert acts_for(Prompt("#once 500 hi")) == (Refuse(500),)
    assert acts_for(Prompt("#once 500 hi", is_repeat=True)) == (*said("echo: ", "hi"), Finish("stop"))


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("#recall", "You said: My name is Ada. / I like tea."),
        ("What did I tell you?", "You said: My name is Ada. / I like tea."),
        ("And what is my name?", "You said: My name is Ada."),
        ("What's my shoe size?", "You have not told me your shoe size."),
    ],
)
def test_a_question_is_answered_from_what_was_said(question: str, answer: str) -> None:
    """Ours: so a reader sees which context the model was given; questions and directives are left out."""
    earlier = ("My name is Ada.", "What is my name?", "#drip 0.1 I like tea.")

    acts = acts_for(Prompt(question, earlier=earlier))

    assert "".join(act.word for act in acts if isinstance(act, Say)) == answer


def test_nothing_said_is_nothing_recalled() -> None:
    """Ours: a new conversation knows nothing of another."""
    acts = acts_for(Prompt("What did I tell you?"))

    assert "".join(act.word for act in acts if isinstance(act, Say)) == "You have not told me anything yet."


def test_a_prompt_is_read_from_the_messages_of_a_request() -> None:
    """Letta: it wraps some user messages in JSON, and puts in some of its own."""
    messages: list[dict[str, object]] = [
        {"role": "system", "content": "You are kind."},
        {"role": "user", "content": json.dumps({"type": "user_message", "message": "first"})},
        {"role": "assistant", "content": "echo: first"},
        {"role": "user", "content": [{"type": "text", "text": "second"}]},
        {"role": "assistant", "tool_calls": []},
        {"role": "tool", "content": "found"},
        {"role": "user", "content": json.dumps({"type": "system_alert", "message": "memory is full"})},
        {"role": "user", "content": "<system-alert>ping</system-alert>"},
    ]

    assert prompt_from_messages(messages) == Prompt("second", results=("found",), earlier=("first",))


@given(st.text())
def test_any_text_is_a_script(text: str) -> None:
    """Ours: whatever a person writes, the model ends in one of its ways."""
    *acts, end = acts_for(Prompt(text))

    assert isinstance(end, Finish | Cut | Break | Refuse | Garble)
    assert not any(isinstance(act, Finish | Cut | Break | Refuse | Garble) for act in acts)
