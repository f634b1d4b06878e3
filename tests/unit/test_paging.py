"""Cursors: what they name, and how an ignored one shows."""

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from letta_conv_mcp.letta.paging import (
    Position,
    Side,
    cursor_at,
    newest_first,
    position_from_cursor,
    shows_ignored_cursor,
    stored_messages,
)

CONV = "conv-1"
NOON = 1_795_348_800
MESSAGE = {"id": "message-1", "date": "2026-11-22T12:00:00+00:00"}
IDS = st.text(min_size=1, max_size=20)
DATES = st.none() | st.datetimes().map(lambda moment: moment.isoformat() + "+00:00")


def dated(message_id: str, second: int) -> dict[str, Any]:
    return {"id": message_id, "date": f"2026-11-22T12:00:{second:02}+00:00"}


@given(IDS, IDS, DATES)
def test_a_cursor_leads_back_to_its_message(conversation_id: str, message_id: str, date: str | None) -> None:
    """Ours: ids are opaque, so any id can stand in a cursor."""
    position = position_from_cursor(conversation_id, cursor_at(conversation_id, {"id": message_id, "date": date}))

    assert position is not None
    assert position.message_id == message_id
    assert (position.second is None) == (date is None)


@given(IDS, IDS, IDS, DATES)
def test_a_cursor_of_another_conversation_names_nothing(
    one: str, other: str, message_id: str, date: str | None
) -> None:
    """Letta ignores it and answers with the first page; the mark shows it without a request."""
    assume(one != other)

    assert position_from_cursor(other, cursor_at(one, {"id": message_id, "date": date})) is None


@given(st.integers(0, 200), st.characters(codec="ascii", exclude_characters="."))
def test_a_cursor_with_one_letter_changed_leads_nowhere_else(place: int, letter: str) -> None:
    cursor = cursor_at(CONV, MESSAGE)
    place %= len(cursor)
    assume(cursor[place] != ".")

    position = position_from_cursor(CONV, cursor[:place] + letter + cursor[place + 1 :])

    assert position in (None, position_from_cursor(CONV, cursor))


@pytest.mark.parametrize("cursor", ["message-1", "", "default", "message-1.5f", "local/7"])
def test_what_is_no_cursor_of_ours_is_taken_for_a_messages_id(cursor: str) -> None:
    assert position_from_cursor(CONV, cursor) == Position(cursor, None)


def test_a_bare_id_may_look_like_anything() -> None:
    """Ours: ids are opaque strings and never matched with a pattern."""
    assert position_from_cursor(CONV, "turn.3.part.1") == Position("turn.3.part.1", None)


@pytest.mark.parametrize(
    ("date", "second"),
    [
        ("2026-11-22T12:00:00+00:00", NOON),
        ("2026-11-22T12:00:00.987654Z", NOON),
        ("2026-11-22T12:00:00", NOON),
        ("2026-11-22T14:00:00+02:00", NOON),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_a_place_is_dated_in_whole_seconds_of_utc(date: str | None, second: int | None) -> None:
    """Letta's own resolution; a date without a zone is UTC on 0.16.8."""
    cursor = cursor_at(CONV, {"id": "message-1", "date": date})

    assert position_from_cursor(CONV, cursor) == Position("message-1", second)


@pytest.mark.parametrize(
    ("side", "seconds", "is_shown"),
    [
        ("before", [9, 8], False),
        ("before", [10, 9], False),
        ("before", [11, 10], True),
        ("after", [11, 12], False),
        ("after", [10, 11], False),
        ("after", [9, 10], True),
        ("before", [], False),
        ("after", [], False),
    ],
)
def test_an_ignored_cursor_shows_by_messages_of_the_wrong_side(side: Side, seconds: list[int], is_shown: bool) -> None:
    """Letta begins at an end of the list where it doesn't know the cursor."""
    page = [dated(f"other-{number}", second) for number, second in enumerate(seconds)]

    assert shows_ignored_cursor(page, Position("message-1", NOON + 10), side) is is_shown


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("second", [None, NOON])
def test_an_ignored_cursor_shows_by_its_own_message_on_the_page(side: Side, second: int | None) -> None:
    assert shows_ignored_cursor([dated("message-1", 0)], Position("message-1", second), side)


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_bare_id_alone_shows_nothing(side: Side) -> None:
    page = [dated("other", 0), {"id": "undated", "date": None}]

    assert not shows_ignored_cursor(page, Position("message-1", None), side)
    assert not shows_ignored_cursor(page[1:], Position("message-1", NOON), side)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 3)), unique_by=lambda shape: shape[0], max_size=10))
def test_entries_are_grouped_by_their_stored_message_in_the_order_given(shapes: list[tuple[int, int]]) -> None:
    """Letta's `limit` counts stored messages, and one can show several entries."""
    wanted = [[{"id": f"message-{number}", "part": part} for part in range(size)] for number, size in shapes]

    assert stored_messages([entry for parts in wanted for entry in parts]) == wanted


def test_entries_that_come_oldest_first_are_turned_round_with_their_parts_in_order() -> None:
    """Letta server 0.16.8 lists an agent's own thread oldest first, whatever order was asked for."""
    one, two, three = (dated(name, second) for second, name in enumerate(["one", "two", "three"]))
    entries = [one, {**two, "part": 0}, {**two, "part": 1}, three]
    turned = [three, {**two, "part": 0}, {**two, "part": 1}, one]

    assert newest_first(entries) == turned
    assert newest_first(turned) == turned
    assert newest_first([]) == []
