"""What stands in a message, whichever way a server wrote it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from letta_conv_mcp.letta.content import (
    arguments_text,
    content_text,
    first_object,
    objects,
    text_or_none,
    tool_calls,
    tool_returns,
)

CALL = {"name": "add_up", "arguments": '{"a": 20}', "tool_call_id": "call_1"}
RETURN = {"type": "tool", "tool_return": "5", "status": "success", "tool_call_id": "call_1"}
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


FOUND: list[tuple[object, list[object]]] = [
    ([CALL, RETURN], [CALL, RETURN]),
    (CALL, [CALL]),
    ([CALL, None, "words", 3, [RETURN]], [CALL]),
    ({}, [{}]),
    ([], []),
    (None, []),
    ("words", []),
    (3, []),
]


@pytest.mark.parametrize(("value", "found"), FOUND)
def test_objects_are_found_in_a_list_alone_or_nowhere(value: object, found: list[object]) -> None:
    """Letta: one field is a list on one server and one object on another."""
    assert objects(value) == found


def test_the_first_object_is_empty_where_there_is_none() -> None:
    assert first_object([CALL, RETURN]) == CALL
    assert first_object(None) == {}
    assert first_object([]) == {}


@pytest.mark.parametrize(("value", "text"), [("words", "words"), (" ", " "), ("", None), (None, None), (7, None)])
def test_a_text_field_counts_only_where_something_is_in_it(value: object, text: str | None) -> None:
    assert text_or_none(value) == text


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("plain words", "plain words"),
        ([{"type": "text", "text": "plain "}, {"type": "text", "text": "words"}], "plain words"),
        ({"type": "text", "text": "plain words"}, "plain words"),
        ([{"type": "text", "text": None}], ""),
        ([{"type": "refusal", "refusal": "I won't"}], "I won't"),
        ([], ""),
        (None, ""),
    ],
)
def test_a_message_says_the_same_as_a_string_or_as_parts(content: object, text: str) -> None:
    """Letta: content is a string on one server and a list of parts on another, for the same message."""
    assert content_text(content) == text


@pytest.mark.parametrize(
    ("part", "named"),
    [
        ({"type": "image", "source": {"type": "url", "url": "https://a.example/cat.png"}}, "https://a.example/cat.png"),
        ({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBOR"}}, "image/png"),
        ({"type": "image", "source": {"type": "letta", "file_id": "file-1"}}, "file-1"),
        ({"type": "image_url", "image_url": {"url": "https://a.example/cat.png"}}, "https://a.example/cat.png"),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBOR"}}, "embedded"),
        ({"type": "image", "source": {"type": "url", "url": "https://a.example/" + "x" * 200}}, "embedded"),
        ({"type": "image"}, "of unknown type"),
    ],
)
def test_an_image_is_named_and_never_shown_byte_for_byte(part: object, named: str) -> None:
    """Ours: a reader must see that an image was there, and no more of it than fits in a line."""
    assert content_text([{"type": "text", "text": "Look: "}, part]) == f"Look: [image: {named}]"


@pytest.mark.parametrize(
    ("part", "named"),
    [({"type": "hologram", "data": "…"}, "[hologram]"), ({"type": None}, "[unnamed part]"), ({}, "[unnamed part]")],
)
def test_a_part_of_a_kind_we_do_not_know_is_named_rather_than_dropped(part: object, named: str) -> None:
    assert content_text([part, {"type": "text", "text": " and words"}]) == f"{named} and words"


@given(st.text(), st.data())
def test_any_cut_of_a_text_into_parts_says_the_same(text: str, data: st.DataObject) -> None:
    """Letta streams parts as fragments, so nothing may come between two texts."""
    cut = data.draw(st.integers(0, len(text)))

    parts = [{"type": "text", "text": text[:cut]}, {"type": "text", "text": text[cut:]}]

    assert content_text(parts) == content_text(text) == text


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ('{"a": 20, "b', '{"a": 20, "b'),
        ("", ""),
        (None, ""),
        ({"city": "Zürich"}, '{"city": "Zürich"}'),
        ({}, "{}"),
        ([1, 2], "[1, 2]"),
    ],
)
def test_arguments_are_the_json_text_that_the_agent_wrote(arguments: object, text: str) -> None:
    """Letta: fragments are text, and a name comes first with no arguments at all."""
    assert arguments_text(arguments) == text


@given(st.dictionaries(st.text(), JSON_VALUES, max_size=3))
def test_arguments_given_as_an_object_can_be_read_back(arguments: dict[str, object]) -> None:
    assert json.loads(arguments_text(arguments)) == arguments


@pytest.mark.parametrize(
    ("message", "calls"),
    [
        ({"tool_call": CALL, "tool_calls": [CALL]}, [CALL]),
        ({"tool_call": CALL, "tool_calls": CALL}, [CALL]),
        (
            {"tool_call": CALL, "tool_calls": [CALL, {**CALL, "tool_call_id": "call_2"}]},
            [CALL, CALL | {"tool_call_id": "call_2"}],
        ),
        ({"tool_call": CALL}, [CALL]),
        ({"tool_call": CALL, "tool_calls": None}, [CALL]),
        ({"tool_call": CALL, "tool_calls": []}, [CALL]),
        ({}, []),
    ],
)
def test_each_tool_call_is_found_once_in_step_mode_token_mode_and_old_style(
    message: dict[str, object], calls: list[object]
) -> None:
    """Letta: `tool_calls` is a list in step mode and one object in token mode; `tool_call` repeats the first."""
    assert tool_calls(message) == calls


def test_each_tool_return_is_found_once_in_new_and_old_style() -> None:
    """Letta: a tool_return_message carries its first return again in its own fields."""
    old = {"tool_return": "5", "status": "success", "tool_call_id": "call_1"}

    assert tool_returns({**old, "tool_returns": [RETURN]}) == [RETURN]
    assert tool_returns({**old, "tool_returns": None}) == [{**old, "tool_returns": None}]
    assert tool_returns(old) == [old]
    assert tool_returns({"tool_returns": [], "tool_call_id": None}) == []


@given(JSON_VALUES)
def test_no_json_at_all_upsets_a_reader(value: object) -> None:
    """Ours: Letta's JSON changes from version to version; reading it can't fail."""
    assert isinstance(content_text(value), str)
    assert isinstance(arguments_text(value), str)
    assert all(isinstance(call, dict) for call in tool_calls({"tool_calls": value, "tool_call": value}))
