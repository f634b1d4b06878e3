"""Frames folded into a draft: however they are cut, repeated or mixed with what we don't know."""

from itertools import pairwise
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
    Restarted,
    Spoke,
    Stopped,
    Thought,
    ToolReturned,
    frame_from_json,
)
from letta_conv_mcp.turns.draft import Call, Draft, draft_from_frames
from letta_conv_mcp.turns.reply import reply_from_draft, status_of
from letta_conv_mcp.views import Reply

RUN = "run-1"
IDS = st.sampled_from(["a", "b", "c"])
TEXTS = st.text(max_size=8)
REST_EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(Heard, TEXTS),
    st.builds(Thought, IDS, TEXTS),
    st.builds(Spoke, IDS, TEXTS),
    st.builds(CalledTool, IDS, TEXTS, TEXTS),
    st.builds(AskedApproval, IDS, TEXTS, TEXTS, st.none() | st.just("2026-11-22T22:04:47+00:00")),
    st.builds(ToolReturned, IDS, TEXTS, st.sampled_from(["success", "error"]), TEXTS),
    st.builds(Stopped, st.sampled_from(["end_turn", "error", "requires_approval"])),
    st.builds(Failed, st.sampled_from(["llm_error", "internal_error"])),
    st.builds(Counted, st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)),
)
# Only an App Server says that it starts anew, and its frames are never picked up by number.
EVENTS = st.one_of(REST_EVENTS, st.builds(Restarted))


def foreground(*events: Event) -> list[Frame]:
    """A stream as Letta sends it in the foreground: a ping first, and no numbers."""
    return [Frame(RUN), *(Frame(RUN, None, (event,)) for event in events)]


def background(*events: Event) -> list[Frame]:
    """The same in the background: numbered from the ping, but for the stop reason and the usage."""
    frames = [Frame(RUN, 1)]
    for number, event in enumerate(events, 2):
        is_bare = isinstance(event, Stopped | Counted)
        frames.append(Frame(None, None, (event,)) if is_bare else Frame(RUN, number, (event,)))
    return frames


def reply_of(draft: Draft) -> Reply:
    return reply_from_draft(draft, status_of(draft), conversation_id="conv-1", detail="full")


def pieces_of(text: str, cuts: list[int]) -> list[str]:
    edges = [0, *sorted(cuts), len(text)]
    return [text[start:end] for start, end in pairwise(edges)]


@st.composite
def texts_in_pieces(draw: st.DrawFn) -> tuple[str, list[str]]:
    text = draw(st.text(max_size=60))
    return text, pieces_of(text, draw(st.lists(st.integers(0, len(text)), max_size=8)))


@given(texts_in_pieces())
def test_any_cut_of_the_same_text_gives_the_same_reply(cut: tuple[str, list[str]]) -> None:
    """Ours: tokens and steps are two ways to say one thing."""
    text, pieces = cut

    whole = draft_from_frames(foreground(Spoke("m", text), Stopped("end_turn")))
    streamed = draft_from_frames(foreground(*(Spoke("m", piece) for piece in pieces), Stopped("end_turn")))

    assert streamed.text == text
    assert reply_of(streamed) == reply_of(whole)


@given(texts_in_pieces())
def test_fragments_of_a_tool_calls_arguments_join(cut: tuple[str, list[str]]) -> None:
    """Letta: the name comes first, then the arguments in fragments without it."""
    arguments, pieces = cut

    called = draft_from_frames(
        foreground(CalledTool("call_1", "add_up", ""), *(CalledTool("call_1", "", piece) for piece in pieces))
    )
    asked = draft_from_frames(
        foreground(
            AskedApproval("call_1", "add_up", "", "today"),
            *(AskedApproval("call_1", "", piece, "today") for piece in pieces),
        )
    )

    assert called.calls == {"call_1": Call(name="add_up", arguments=arguments)}
    assert asked.calls == {
        "call_1": Call(name="add_up", arguments=arguments, needs_approval=True, requested_at="today")
    }


def test_fragments_of_parallel_calls_go_each_to_its_own() -> None:
    """Letta: fragments name their call by its id."""
    draft = draft_from_frames(
        foreground(
            CalledTool("call_1", "add", '{"a'),
            CalledTool("call_2", "drop", "{"),
            CalledTool("call_1", "", '": 1}'),
            CalledTool("call_2", "", "}"),
            ToolReturned("call_2", "drop", "success", "gone"),
        )
    )

    assert draft.calls == {
        "call_1": Call(name="add", arguments='{"a": 1}'),
        "call_2": Call(name="drop", arguments="{}", status="success", result="gone"),
    }


@given(st.lists(EVENTS, max_size=10), st.data())
def test_a_chunk_of_an_unknown_kind_changes_nothing(events: list[Event], data: st.DataObject) -> None:
    """Ours: Letta adds kinds of chunk every year."""
    frames = foreground(*events)
    unknown = frame_from_json(
        {"message_type": "chunk_of_next_year", "id": "message-1", "run_id": RUN, "seq_id": None, "content": "?"}
    )
    place = data.draw(st.integers(1, len(frames)))

    assert draft_from_frames([*frames[:place], unknown, *frames[place:]]) == draft_from_frames(frames)


@given(st.lists(REST_EVENTS, max_size=12), st.data())
def test_a_background_stream_picked_up_anywhere_before_its_break_gives_the_same_draft(
    events: list[Event], data: st.DataObject
) -> None:
    """Ours: a resumed stream repeats frames, and what was counted once isn't counted again."""
    frames = background(*events)
    broke = data.draw(st.integers(0, len(frames)))
    resumed = data.draw(st.integers(0, broke))

    draft = draft_from_frames([*frames[:broke], *frames[resumed:]])

    assert draft == draft_from_frames(frames)


@given(st.lists(EVENTS, max_size=12))
def test_a_frame_that_was_counted_before_says_so(events: list[Event]) -> None:
    frames = [frame for frame in background(*events) if frame.seq_id is not None]
    draft = draft_from_frames(frames)

    assert [draft.add(frame) for frame in frames] == [False] * len(frames)


def test_numbers_start_again_with_each_run() -> None:
    """Letta: seq_id counts from 1 in every run."""
    draft = draft_from_frames([Frame("run-1", 1), Frame("run-1", 2, (Spoke("a", "one"),))])

    counted = [draft.add(frame) for frame in (Frame("run-2", 1), Frame("run-2", 2, (Spoke("b", "two"),)))]

    assert counted == [True, True]
    assert (draft.run_id, draft.last_seq, draft.text) == ("run-2", 2, "one\n\ntwo")


def test_the_same_words_twice_in_a_foreground_run_are_two_pieces() -> None:
    """Letta: a foreground run has no numbers, so nothing in it can be told for a repetition."""
    draft = draft_from_frames(foreground(Spoke("m", "ha "), Spoke("m", "ha ")))

    assert draft.text == "ha ha "


@given(st.lists(st.tuples(IDS, st.text(min_size=1, max_size=4)), max_size=10))
def test_messages_are_set_apart_and_keep_the_order_in_which_they_began(said: list[tuple[str, str]]) -> None:
    """Ours: an empty line stands between two messages, and never within one."""
    draft = draft_from_frames(foreground(*(Spoke(key, text) for key, text in said)))

    in_order = list(dict.fromkeys(key for key, _ in said))
    assert draft.text == "\n\n".join("".join(text for key, text in said if key == wanted) for wanted in in_order)


def test_two_texts_of_one_step_are_set_apart_by_their_otid() -> None:
    """Letta: the parts of one step share an id; only the otid tells them apart."""
    first: dict[str, Any] = {"message_type": "assistant_message", "id": "message-1", "run_id": RUN}

    draft = draft_from_frames(
        frame_from_json({**first, "otid": otid, "content": content})
        for otid, content in [("…80", "Let me "), ("…80", "see."), ("…81", "Found it.")]
    )

    assert draft.text == "Let me see.\n\nFound it."


def test_two_thoughts_of_different_steps_do_not_run_into_one_another() -> None:
    """Ours: what is said is set apart by message, and what is thought should be no harder to read."""
    step: dict[str, Any] = {"message_type": "reasoning_message", "run_id": RUN}

    draft = draft_from_frames(
        frame_from_json({**step, "id": key, "otid": key, "reasoning": text})
        for key, text in [("a", "I should "), ("a", "add."), ("b", "Now I answer.")]
    )

    assert draft.reasoning == "I should add.\n\nNow I answer."


def test_a_message_without_words_leaves_no_gap() -> None:
    draft = draft_from_frames(foreground(Spoke("a", "one"), Spoke("b", ""), Spoke("c", "two")))

    assert draft.text == "one\n\ntwo"


def test_a_whole_turn_with_a_tool_folds_into_one_draft() -> None:
    """Letta: the order of a turn with a thought, words, a tool and an answer."""
    frames = foreground(
        Heard("add"),
        Thought("t", "hm"),
        Thought("t", "m"),
        Spoke("a", "let me add"),
        CalledTool("call_1", "add_up", '{"a": 1}'),
        ToolReturned("call_1", "add_up", "success", "50"),
        Spoke("b", "It is 50."),
        Stopped("end_turn"),
        Counted(7, 2, 9, 2),
    )

    assert draft_from_frames(frames) == Draft(
        run_id=RUN,
        heard="add",
        calls={"call_1": Call(name="add_up", arguments='{"a": 1}', status="success", result="50")},
        stop_reason="end_turn",
        usage=Counted(7, 2, 9, 2),
        last=Spoke("b", "It is 50."),
        _spoken={"a": ["let me add"], "b": ["It is 50."]},
        _thoughts={"t": ["hm", "m"]},
    )


@pytest.mark.parametrize(
    ("events", "is_over"),
    [
        ([], False),
        ([Spoke("a", "words")], False),
        ([Counted(1, 1, 2, 1)], False),
        ([Stopped("end_turn")], True),
        ([Failed("llm_error")], True),
    ],
)
def test_only_a_stop_reason_or_an_error_ends_a_turn(events: list[Event], is_over: bool) -> None:
    """Letta: usage can come without an end, and a stream can end without one."""
    assert draft_from_frames(foreground(*events)).is_over is is_over


def test_of_two_stop_reasons_the_last_one_counts() -> None:
    """Letta: a model cut off in mid-stream gives `error` and then `llm_api_error`."""
    draft = draft_from_frames(foreground(Stopped("error"), Stopped("llm_api_error"), Failed("internal_error")))

    assert (draft.stop_reason, draft.error_type) == ("llm_api_error", "internal_error")


def test_a_call_waits_for_a_person_until_it_returned() -> None:
    asked = foreground(AskedApproval("call_1", "add", "{}", None), AskedApproval("call_2", "drop", "{}", None))

    before = draft_from_frames(asked)
    after = draft_from_frames([*asked, Frame(RUN, None, (ToolReturned("call_1", "add", "success", ""),))])

    assert list(before.pending) == ["call_1", "call_2"]
    assert list(after.pending) == ["call_2"]


def test_a_tool_that_returns_in_the_answering_run_is_still_named() -> None:
    """Letta: after an approval the answering run holds the tool's return, with its name, and no call."""
    frame = frame_from_json(
        {
            "message_type": "tool_return_message",
            "id": "message-1",
            "name": "add_guarded",
            "run_id": RUN,
            "tool_return": "5",
            "status": "success",
            "tool_call_id": "call_1",
        }
    )

    assert draft_from_frames([frame]).calls["call_1"].name == "add_guarded"


def test_a_call_that_has_the_number_of_an_earlier_one_is_another_call() -> None:
    """Models may number their calls anew in every step."""
    draft = draft_from_frames(
        foreground(
            CalledTool("call_0", "erase", '{"where":"a"}'),
            ToolReturned("call_0", "erase", "success", "erased"),
            CalledTool("call_0", "erase", '{"where":"b"}'),
            AskedApproval("call_0", "erase", "", None),
            Stopped("requires_approval"),
        )
    )

    assert {key: call.arguments for key, call in draft.pending.items()} == {"call_0": '{"where":"b"}'}
    assert [(call.arguments, call.result) for call in draft.calls.values()] == [
        ('{"where":"a"}', "erased"),
        ('{"where":"b"}', None),
    ]


def test_what_is_said_anew_replaces_what_was_said() -> None:
    draft = draft_from_frames(
        foreground(
            Heard("hi"),
            Thought("a", "hm"),
            Spoke("a", "half"),
            CalledTool("c", "x", "{}"),
            Restarted(),
            Spoke("b", "whole"),
            Stopped("end_turn"),
        )
    )

    assert (draft.heard, draft.reasoning, draft.text, draft.calls) == ("hi", "", "whole", {})
    assert draft.is_repeated


def test_what_was_begun_before_a_restart_is_not_what_the_agent_does_now() -> None:
    draft = draft_from_frames(foreground(CalledTool("call_1", "erase", "{}"), Restarted()))

    assert (draft.last, draft.calls) == (None, {})
