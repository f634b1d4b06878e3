"""Cursors: what they name, when one may have been ignored, and what a compaction does to a list."""

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from letta_conv_mcp.letta.content import Json
from letta_conv_mcp.letta.paging import (
    Position,
    Side,
    Stored,
    cursor_at,
    is_compacted,
    may_be_ignored,
    neighbours,
    newest_first,
    oldest_first,
    position_from_cursor,
    stored_messages,
)

CONV = "conv-1"
NOON = 1_795_348_800
MESSAGE = {"id": "message-1", "date": "2026-11-22T12:00:00+00:00"}
IDS = st.text(min_size=1, max_size=20)
DATES = st.none() | st.datetimes().map(lambda moment: moment.isoformat() + "+00:00")


def dated(message_id: str, second: int) -> Json:
    return {"id": message_id, "date": f"2026-11-22T12:00:{second:02}+00:00"}


@given(IDS, IDS, DATES, st.booleans())
def test_a_cursor_leads_back_to_its_message(
    conversation_id: str, message_id: str, date: str | None, compacted: bool
) -> None:
    """Ours: ids are opaque, so any id can stand in a cursor; and it remembers what was found out about its list."""
    cursor = cursor_at(conversation_id, [{"id": message_id, "date": date}], compacted=compacted)

    position = position_from_cursor(conversation_id, cursor)

    assert position.message_id == message_id
    assert (position.second is None) == (date is None)
    assert position.compacted is compacted


@given(IDS, IDS, IDS, DATES, st.booleans())
def test_a_cursor_of_another_conversation_names_no_place_of_this_one(
    one: str, other: str, message_id: str, date: str | None, compacted: bool
) -> None:
    """Letta ignores it and answers with the first page; it counts as an id that is to be verified."""
    assume(one != other)
    cursor = cursor_at(one, [{"id": message_id, "date": date}], compacted=compacted)

    assert position_from_cursor(other, cursor) == Position(cursor)


@given(st.integers(0, 200), st.characters(codec="ascii"), st.booleans())
def test_a_cursor_with_one_letter_changed_leads_nowhere_else(place: int, letter: str, compacted: bool) -> None:
    cursor = cursor_at(CONV, [MESSAGE], compacted=compacted)
    place %= len(cursor)
    changed = cursor[:place] + letter + cursor[place + 1 :]
    assume(changed != cursor)

    assert position_from_cursor(CONV, changed) == Position(changed)


def test_a_cursor_is_that_of_the_stored_message_and_not_of_one_of_its_parts() -> None:
    """Letta: the parts of a stored message share its id, and its date."""
    parts: Stored = [{**MESSAGE, "part": 0}, {**MESSAGE, "part": 1}]

    assert cursor_at(CONV, parts, compacted=False) == cursor_at(CONV, [MESSAGE], compacted=False)


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
    cursor = cursor_at(CONV, [{"id": "message-1", "date": date}], compacted=False)

    assert position_from_cursor(CONV, cursor) == Position("message-1", second, compacted=False)


@pytest.mark.parametrize(
    ("side", "seconds", "is_suspected"),
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
def test_messages_of_the_wrong_side_make_one_suspect_that_a_cursor_was_ignored(
    side: Side, seconds: list[int], is_suspected: bool
) -> None:
    """Letta begins at an end of the list where it doesn't know the cursor."""
    page = [[dated(f"other-{number}", second)] for number, second in enumerate(seconds)]

    assert may_be_ignored(page, Position("message-1", NOON + 10), side) is is_suspected


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("second", [None, NOON])
def test_its_own_message_on_the_page_makes_one_suspect_that_a_cursor_was_ignored(
    side: Side, second: int | None
) -> None:
    page = [[dated("other", 0)], [dated("message-1", 0), dated("message-1", 0)]]

    assert may_be_ignored(page, Position("message-1", second), side)


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_bare_id_is_always_to_be_verified_unless_nothing_came(side: Side) -> None:
    """Ours: it has no date to judge by."""
    assert may_be_ignored([[dated("other", 0)]], Position("message-1"), side)
    assert may_be_ignored([[{"id": "undated", "date": None}]], Position("message-1"), side)
    assert not may_be_ignored([], Position("message-1"), side)


@pytest.mark.parametrize("side", ["before", "after"])
def test_what_has_no_date_makes_nobody_suspicious(side: Side) -> None:
    assert not may_be_ignored([[{"id": "undated", "date": None}]], Position("message-1", NOON), side)


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


ALERT = {"message_type": "user_message", "content": '{"type": "system_alert", "message": "Messages were hidden."}'}
SUMMARY = {"message_type": "summary_message", "summary": "They talked."}
SYSTEM = {"message_type": "system_message", "content": "You are a helpful agent."}
WORDS = {"message_type": "user_message", "content": "hello"}


@pytest.mark.parametrize(
    ("oldest", "is_spoilt"),
    [
        ([SYSTEM, ALERT, WORDS], True),
        ([SYSTEM, WORDS, ALERT], True),
        ([SYSTEM, SUMMARY], True),
        ([SUMMARY], True),
        ([SYSTEM, WORDS, WORDS], False),
        ([SYSTEM, {**WORDS, "content": "system_alert"}], False),
        ([SYSTEM], False),
        ([], False),
    ],
)
def test_a_compaction_shows_by_its_summary_among_the_oldest(oldest: list[dict[str, Any]], is_spoilt: bool) -> None:
    """Letta server 0.16.8 puts the summary right behind the system message, before all that was said."""
    assert is_compacted(oldest) is is_spoilt


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 3)), max_size=12))
def test_a_spoilt_list_is_put_in_order_of_date_and_stays_as_it_is_where_nothing_else_is_known(
    shapes: list[tuple[int, int]],
) -> None:
    """Letta's dates are whole seconds."""
    groups: list[Stored] = [
        [{**dated(f"message-{number}", second), "part": part} for part in range(size)]
        for number, (second, size) in enumerate(shapes)
    ]

    ordered = oldest_first([entry for parts in groups for entry in parts])

    assert ordered == [
        parts for second in range(10) for parts in groups if parts[0]["date"].endswith(f"{second}+00:00")
    ]


KINDS = st.sampled_from(["user_message", "assistant_message"])
RUNS = st.sampled_from([None, "run-1", "run-2"])


@given(st.lists(st.tuples(st.integers(0, 2), RUNS, KINDS), max_size=12))
def test_within_a_second_runs_of_a_spoilt_list_are_kept_apart_and_begin_with_what_the_person_said(
    shapes: list[tuple[int, str | None, str]],
) -> None:
    """Letta: where places are taken twice, two runs of one second stand among each other."""
    entries: list[Json] = [
        {**dated(f"message-{number}", second), "run_id": run_id or f"alone-{number}", "message_type": kind}
        for number, (second, run_id, kind) in enumerate(shapes)
    ]
    met = list(dict.fromkeys(entry["run_id"] for entry in entries))

    ordered = oldest_first([{**entry, "run_id": named(entry["run_id"])} for entry in entries])

    wanted = sorted(entries, key=lambda entry: entry["message_type"] != "user_message")
    wanted = sorted(wanted, key=lambda entry: (entry["date"], met.index(entry["run_id"])))
    assert [parts[0]["id"] for parts in ordered] == [entry["id"] for entry in wanted]


def named(run_id: str) -> str | None:
    """Messages of no run have none in common."""
    return None if run_id.startswith("alone") else run_id


def test_the_neighbours_of_a_place_come_nearest_first() -> None:
    one, two, three, four = whole = [[dated(f"message-{number}", number)] for number in range(4)]
    place = Position("message-2", NOON + 2)

    assert neighbours(whole, place, "before") == [two, one]
    assert neighbours(whole, place, "after") == [four]
    assert neighbours(whole, Position("message-0"), "before") == []
    assert neighbours(whole, Position("message-3"), "after") == []
    assert neighbours(whole, None, "before") == [four, three, two, one]
    assert neighbours(whole, None, "after") == whole


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("whole", [[], [[dated("message-1", 0)]]])
def test_a_place_that_is_not_in_the_list_has_no_neighbours(side: Side, whole: list[Stored]) -> None:
    """Ours: that isn't an empty page."""
    assert neighbours(whole, Position("message-2", NOON), side) is None
    assert neighbours([], None, side) == []
