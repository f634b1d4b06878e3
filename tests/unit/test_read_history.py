"""Reading a conversation page by page: every message once, either way in time.

The Letta behind it is `thread_letta`, whose cursors behave as measured on the real one.
"""

from collections.abc import Awaitable, Callable
from itertools import groupby
from json import loads
from math import ceil
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from letta_conv_mcp.errors import ConversationNotFound, HistoryTooLong, InvalidArguments, UnknownCursor
from letta_conv_mcp.history import MESSAGE_CHARS, PAGE_CHARS, SHORTEST_CUT, read_history
from letta_conv_mcp.letta.paging import cursor_at
from letta_conv_mcp.views import Message, MessagePage
from tests.fake.state import StoredMessage, Thread
from tests.unit.thread_letta import (
    CONV,
    TYPES,
    Compaction,
    ThreadLetta,
    compacted,
    compacted_lettas,
    letta_after,
    plain_thread,
    stored,
    summary,
    thread_of,
    threads,
)

LIMITS = st.integers(1, 30)
MANY_PAGES = 200
"""A walk that takes more is one that goes round in circles."""


def run(work: Callable[[], Awaitable[Any]]) -> Any:
    return anyio.run(work)


def read(letta: ThreadLetta, **arguments: Any) -> MessagePage:
    return run(lambda: read_history(letta.letta, CONV, **arguments))


def said_in(thread: Thread, types: frozenset[str] | None = None) -> list[tuple[str, str, str]]:
    """What tells the entries of a conversation apart, oldest first."""
    shown = [(entry["id"], *shown_as(entry)) for message in thread.messages for entry in message.entries]
    return [entry for entry in shown if types is None or entry[1] in types]


def shown_as(entry: dict[str, Any]) -> tuple[str, str]:
    """The type and the text of an entry. A compaction's summary is stored as a user's message in JSON."""
    if entry["content"].startswith("{"):
        return "system_alert", loads(entry["content"])["message"]
    return entry["message_type"], entry["content"]


def cursor_of(message: StoredMessage, conversation_id: str = CONV, *, compacted: bool = False) -> str:
    return cursor_at(conversation_id, list(message.entries), compacted=compacted)


def shown_on(page: MessagePage) -> list[tuple[str, str, str]]:
    return [(message.id, message.type, message.text) for message in page.messages]


def walk_back(letta: ThreadLetta, start: str | None = None, **arguments: Any) -> list[MessagePage]:
    """The pages from a place to the oldest message, newest page first."""
    pages: list[MessagePage] = []
    cursor = start
    while not pages or cursor is not None:
        pages.append(read(letta, before=cursor, **arguments))
        cursor = pages[-1].older_cursor
        assert len(pages) < MANY_PAGES
    return pages


def walk_forward(letta: ThreadLetta, start: str, **arguments: Any) -> list[MessagePage]:
    """The pages from a place to the newest message, oldest page first."""
    pages: list[MessagePage] = []
    cursor: str | None = start
    while cursor is not None:
        pages.append(read(letta, after=cursor, **arguments))
        cursor = pages[-1].newer_cursor
        assert len(pages) < MANY_PAGES
    return pages


def shown_in_order(pages: list[MessagePage]) -> list[tuple[str, str, str]]:
    return [entry for page in pages for entry in shown_on(page)]


@settings(max_examples=200, deadline=None)
@given(threads(), LIMITS)
def test_walking_back_shows_every_entry_once_and_in_order(thread: Thread, limit: int) -> None:
    """Ours: any number of messages, entries and seconds, with any page size."""
    letta = ThreadLetta(thread)

    pages = walk_back(letta, limit=limit)

    assert shown_in_order(pages[::-1]) == said_in(thread)
    assert all(len({message.id for message in page.messages}) <= limit for page in pages)


@settings(max_examples=200, deadline=None)
@given(threads(), LIMITS)
def test_walking_back_asks_letta_no_oftener_than_there_are_pages(thread: Thread, limit: int) -> None:
    """Ours: a budget of one request a page, and one more."""
    letta = ThreadLetta(thread)

    walk_back(letta, limit=limit)

    assert letta.requests <= max(1, ceil(len(thread.messages) / limit)) + 1


@settings(max_examples=200, deadline=None)
@given(threads(), LIMITS, LIMITS, st.data())
def test_walking_forward_from_any_page_shows_the_rest_once_and_in_order(
    thread: Thread, back: int, limit: int, data: st.DataObject
) -> None:
    """Ours: the page after a page starts right behind it."""
    letta = ThreadLetta(thread)
    pages = [page for page in walk_back(letta, limit=back) if page.newer_cursor]
    if not pages:
        return
    page = data.draw(st.sampled_from(pages))

    rest = walk_forward(letta, page.newer_cursor or "", limit=limit)

    last = said_in(thread).index(shown_on(page)[-1])
    assert shown_in_order(rest) == said_in(thread)[last + 1 :]


@settings(max_examples=150, deadline=None)
@given(threads(), LIMITS, LIMITS, st.data())
def test_turning_back_from_any_page_of_a_walk_forward_shows_all_that_is_older(
    thread: Thread, limit: int, back: int, data: st.DataObject
) -> None:
    letta = ThreadLetta(thread)
    if not thread.messages:
        return
    pages = [page for page in walk_forward(letta, thread.messages[0].id, limit=limit) if page.older_cursor]
    if not pages:
        return
    page = data.draw(st.sampled_from(pages))

    older = walk_back(letta, page.older_cursor, limit=back)

    first = said_in(thread).index(shown_on(page)[0])
    assert shown_in_order(older[::-1]) == said_in(thread)[:first]


@settings(max_examples=200, deadline=None)
@given(threads(), LIMITS, st.frozensets(st.sampled_from(TYPES), min_size=1))
def test_a_walk_with_a_filter_shows_exactly_the_wanted_entries(
    thread: Thread, limit: int, types: frozenset[str]
) -> None:
    """Letta filters after it has counted the limit; ours looks further."""
    pages = walk_back(ThreadLetta(thread), limit=limit, types=types)

    assert shown_in_order(pages[::-1]) == said_in(thread, types)


def test_a_filter_that_fits_next_to_nothing_goes_on_from_where_it_stopped_looking() -> None:
    """Ours: one call reads at most ten of Letta's pages, and a page of ours may be empty before the end."""
    rare = stored(0, 0, ["system_message"])
    thread = thread_of([rare, *(stored(number, number, ["user_message"]) for number in range(1, 1_500))])
    letta = ThreadLetta(thread)

    pages = walk_back(letta, limit=5, types=frozenset({"system_message"}))

    assert [shown_on(page) for page in pages] == [[], [("message-0", "system_message", "0.0")]]
    # Ten and six, and the look whether the list was compacted.
    assert letta.requests <= 16 + 1


@settings(max_examples=150, deadline=None)
@given(threads(), LIMITS, st.data())
def test_the_id_of_a_message_is_as_good_as_a_cursor(thread: Thread, limit: int, data: st.DataObject) -> None:
    """Ours: a model that has seen an id may go on from it."""
    if not thread.messages:
        return
    letta = ThreadLetta(thread)
    place = data.draw(st.integers(0, len(thread.messages) - 1))
    start = thread.messages[place].id

    older = walk_back(letta, start, limit=limit)
    newer = walk_forward(letta, start, limit=limit)

    assert shown_in_order(older[::-1]) == said_in(thread_of(thread.messages[:place]))
    assert shown_in_order(newer) == said_in(thread_of(thread.messages[place + 1 :]))


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("per_second", [1, 100])
@pytest.mark.parametrize("limit", [1, 3, 100])
@pytest.mark.parametrize("cursor", ["junk", "message-99", "conv-1", "default", "9"])
def test_an_unknown_id_is_an_error_and_not_the_first_page(side: str, per_second: int, limit: int, cursor: str) -> None:
    """Letta answers an unknown cursor with the first page, and a walk that trusts it never ends."""
    letta = ThreadLetta(plain_thread(10, per_second=per_second))

    with pytest.raises(UnknownCursor) as caught:
        read(letta, limit=limit, **{side: cursor})

    assert str(caught.value) == f"The cursor {side}={cursor!r} is not from this list. Leave it out to start again."


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("compacted", [False, True])
def test_a_cursor_of_another_conversation_is_an_error_after_a_look(side: str, compacted: bool) -> None:
    """Letta ignores it; the cursor's own mark makes it an id that is verified before it is believed."""
    letta = ThreadLetta(plain_thread(10))

    with pytest.raises(UnknownCursor):
        read(letta, **{side: cursor_of(letta.thread.messages[5], "conv-2", compacted=compacted)})

    assert letta.requests == 3


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["before", "after"]), st.integers(0, 100), st.characters(codec="ascii"))
def test_a_cursor_with_one_letter_changed_is_an_error_or_the_same_place(side: str, place: int, letter: str) -> None:
    letta = ThreadLetta(plain_thread(10))
    cursor = cursor_of(letta.thread.messages[5])
    place %= len(cursor)
    right = read(letta, limit=3, **{side: cursor})

    try:
        page = read(letta, limit=3, **{side: cursor[:place] + letter + cursor[place + 1 :]})
    except UnknownCursor:
        return

    assert page == right


@settings(max_examples=200, deadline=None)
@given(threads(distinct_seconds=True), st.sampled_from(["before", "after"]), LIMITS, st.data())
def test_a_cursor_whose_message_has_gone_is_an_error_or_still_the_right_place(
    thread: Thread, side: str, limit: int, data: st.DataObject
) -> None:
    """Ours: the cursor's date shows that Letta ignored it; only at the very end is its place known without it."""
    if not thread.messages:
        return
    place = data.draw(st.integers(0, len(thread.messages) - 1))
    cursor = cursor_of(thread.messages[place])
    left, right = thread.messages[:place], thread.messages[place + 1 :]

    try:
        page = read(ThreadLetta(thread_of(left + right)), limit=limit, **{side: cursor})
    except UnknownCursor:
        return

    wanted = left[-limit:] if side == "before" else right[:limit]
    assert shown_on(page) == said_in(thread_of(wanted))


@pytest.mark.parametrize("limit", [1, 3])
def test_a_walk_from_a_message_that_has_gone_ends_within_a_crowded_second_too(limit: int) -> None:
    """Letta's dates are whole seconds, so that there a date alone can't show an ignored cursor."""
    thread = plain_thread(10, per_second=100)
    cursor = cursor_of(thread.messages[5])
    rest = thread_of(thread.messages[:5] + thread.messages[6:])

    pages = walk_back(ThreadLetta(rest), cursor, limit=limit)

    assert len(pages) <= ceil(len(rest.messages) / limit)


COMPACTED = pytest.mark.parametrize(("kept", "times"), [(0, 1), (6, 1), (0, 2), (6, 2), (30, 3)])


@COMPACTED
@pytest.mark.parametrize("limit", [1, 2, 3, 5, 20, 100])
def test_a_walk_back_through_a_compacted_conversation_shows_every_entry_once(kept: int, times: int, limit: int) -> None:
    """Letta numbers messages anew when it compacts: dates no longer rise along the list, and places are shared."""
    letta = compacted(kept=kept, times=times)

    pages = walk_back(letta, limit=limit)

    assert shown_in_order(pages[::-1]) == said_in(letta.thread)
    assert letta.requests <= ceil(len(letta.thread.messages) / limit) + 1


@COMPACTED
@pytest.mark.parametrize("limit", [1, 2, 3, 5, 20, 100])
def test_a_walk_forward_through_a_compacted_conversation_shows_every_entry_once(
    kept: int, times: int, limit: int
) -> None:
    letta = compacted(kept=kept, times=times)

    pages = walk_forward(letta, letta.thread.messages[0].id, limit=limit)

    assert shown_in_order(pages) == said_in(letta.thread)[1:]
    assert letta.requests <= ceil(len(letta.thread.messages) / limit) + 1


@COMPACTED
@pytest.mark.parametrize("limit", [1, 2, 5])
@pytest.mark.parametrize("types", [{"system_alert"}, {"user_message"}, {"system_alert", "user_message"}, {"nothing"}])
def test_a_filter_finds_everything_in_a_compacted_conversation(
    kept: int, times: int, limit: int, types: set[str]
) -> None:
    """Ours: the summary counts as a notice of Letta's, and not as the person's words."""
    letta = compacted(kept=kept, times=times)

    back = walk_back(letta, limit=limit, types=frozenset(types))
    forward = walk_forward(letta, letta.thread.messages[0].id, limit=limit, types=frozenset(types))

    assert shown_in_order(back[::-1]) == said_in(letta.thread, frozenset(types))
    assert shown_in_order(forward) == said_in(thread_of(letta.thread.messages[1:]), frozenset(types))


def test_a_filter_that_fits_next_to_nothing_in_a_long_compacted_conversation_goes_on_too() -> None:
    """Ours: such a list is read at once, and looked through a hundred messages at a time."""
    long = [stored(number, number, ["user_message"]) for number in range(1, 1_500)]
    letta = letta_after([stored(0, 0, ["system_message"]), *long, Compaction(summary(1_500, 1_500), 700)])

    pages = walk_back(letta, limit=5, types=frozenset({"system_message"}))

    assert [shown_on(page) for page in pages] == [[], [("message-0", "system_message", "0.0")]]
    assert letta.requests == 3


@COMPACTED
def test_the_newest_page_of_a_compacted_conversation_holds_what_was_said_last(kept: int, times: int) -> None:
    """Letta lists what is said after a compaction among the old messages, where few were kept."""
    letta = compacted(kept=kept, times=times)

    page = read(letta, limit=2)

    assert shown_on(page) == said_in(letta.thread)[-2:]


@settings(max_examples=200, deadline=None)
@given(compacted_lettas(distinct_seconds=True), LIMITS, st.data())
def test_a_walk_by_cursors_over_any_compacted_list_shows_every_entry_once_in_order_of_date(
    letta: ThreadLetta, limit: int, data: st.DataObject
) -> None:
    """Ours: however often it was compacted, and from any place in it."""
    place = data.draw(st.integers(0, len(letta.thread.messages) - 1))
    start = letta.thread.messages[place].id

    back = walk_back(letta, limit=limit)
    budget = ceil(len(letta.thread.messages) / limit) + 1
    assert letta.requests <= budget
    older, newer = walk_back(letta, start, limit=limit), walk_forward(letta, start, limit=limit)

    assert shown_in_order(back[::-1]) == said_in(letta.thread)
    assert shown_in_order(older[::-1]) == said_in(thread_of(letta.thread.messages[:place]))
    assert shown_in_order(newer) == said_in(thread_of(letta.thread.messages[place + 1 :]))
    assert all(len({message.id for message in page.messages}) <= limit for page in (*back, *older, *newer))


@settings(max_examples=200, deadline=None)
@given(compacted_lettas(), LIMITS, st.none() | st.frozensets(st.sampled_from((*TYPES, "system_alert")), min_size=1))
def test_a_compacted_list_with_many_messages_in_a_second_loses_and_repeats_none(
    letta: ThreadLetta, limit: int, types: frozenset[str] | None
) -> None:
    """Letta's dates are whole seconds; within one nobody knows the order, which a compaction has changed."""
    pages = walk_back(letta, limit=limit, types=types)

    shown = [message for page in pages[::-1] for message in page.messages]
    assert sorted(shown_in_order(pages)) == sorted(said_in(letta.thread, types))
    assert [message.date for message in shown] == sorted(message.date or "" for message in shown)
    assert len(list(groupby(message.id for message in shown))) == len({message.id for message in shown})


@settings(max_examples=150, deadline=None)
@given(compacted_lettas(), LIMITS, LIMITS, st.data())
def test_turning_round_on_any_page_of_a_compacted_list_goes_on_right_beside_it(
    letta: ThreadLetta, limit: int, other: int, data: st.DataObject
) -> None:
    whole = shown_in_order(walk_back(letta, limit=100)[::-1])
    pages = [page for page in walk_back(letta, limit=limit) if page.newer_cursor]
    if not pages:
        return
    page = data.draw(st.sampled_from(pages))

    newer = walk_forward(letta, page.newer_cursor or "", limit=other)
    older = walk_back(letta, newer[0].older_cursor, limit=other)

    first_newer = whole.index(shown_on(page)[-1]) + 1
    assert shown_in_order(newer) == whole[first_newer:]
    assert shown_in_order(older[::-1]) == whole[:first_newer]


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("limit", [1, 3, 100])
@pytest.mark.parametrize("cursor", ["junk", "message-99", "conv-1"])
def test_an_unknown_id_in_a_compacted_conversation_is_an_error_too(side: str, limit: int, cursor: str) -> None:
    with pytest.raises(UnknownCursor):
        read(compacted(kept=3), limit=limit, **{side: cursor})


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("place", [0, 5, 12])
def test_a_cursor_in_a_compacted_conversation_whose_message_has_gone_is_an_error(side: str, place: int) -> None:
    letta = compacted(kept=3)
    cursor = cursor_of(letta.thread.messages.pop(place), compacted=True)

    with pytest.raises(UnknownCursor):
        read(letta, **{side: cursor})


@pytest.mark.parametrize("limit", [1, 4])
def test_a_notice_at_the_beginning_that_is_no_compactions_changes_nothing(limit: int) -> None:
    """Ours: a list that was taken for a spoilt one is still read right, and within the same budget."""
    happened = [
        *plain_thread(2).messages,
        summary(2, 2),
        *(stored(number, number, TYPES[:2]) for number in range(3, 9)),
    ]
    letta = ThreadLetta(thread_of(happened))

    pages = walk_back(letta, limit=limit)

    assert shown_in_order(pages[::-1]) == said_in(letta.thread)
    assert letta.requests <= ceil(len(happened) / limit) + 1


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("is_compacted", [False, True])
def test_only_the_first_page_of_a_walk_is_looked_at_twice(side: str, is_compacted: bool) -> None:
    """Ours: a cursor remembers whether its list is a compacted one."""
    letta = compacted(kept=3) if is_compacted else ThreadLetta(plain_thread(13))
    cursor = cursor_of(letta.thread.messages[6], compacted=is_compacted)

    read(letta, limit=3, **{side: cursor})

    assert letta.requests == 1


def test_a_page_has_a_cursor_for_each_side_that_may_hold_more() -> None:
    """Ours: None means that there is nothing more that way, or nothing newer yet."""
    letta = ThreadLetta(plain_thread(6))

    newest, middle, oldest = walk_back(letta, limit=2)

    assert [(page.older_cursor is not None, page.newer_cursor is not None) for page in (newest, middle, oldest)] == [
        (True, False),
        (True, True),
        (False, True),
    ]


def test_a_page_that_holds_all_there_is_has_no_cursors() -> None:
    letta = ThreadLetta(plain_thread(3))

    assert read(letta, limit=3) == MessagePage(
        conversation_id=CONV,
        messages=[
            Message(
                id=f"message-{number}",
                type=TYPES[number % 2],
                role=("user", "assistant")[number % 2],
                text=f"{number}.0",
                date=f"2026-11-22T12:00:0{number}+00:00",
            )
            for number in range(3)
        ],
    )


def test_an_empty_conversation_is_an_empty_page() -> None:
    assert read(ThreadLetta(Thread())) == MessagePage(conversation_id=CONV, messages=[])


@pytest.mark.parametrize("arguments", [{}, {"before": "message-1"}, {"after": "message-1"}])
def test_an_unknown_conversation_is_an_error_and_not_an_empty_page(arguments: dict[str, str]) -> None:
    """Letta answers for it with an empty list."""
    letta = ThreadLetta(plain_thread(3), known=set())

    with pytest.raises(ConversationNotFound):
        read(letta, **arguments)


def test_both_cursors_at_once_are_refused() -> None:
    with pytest.raises(InvalidArguments) as caught:
        read(ThreadLetta(plain_thread(3)), before="message-1", after="message-1")

    assert "give either before or after, not both" in str(caught.value)


@pytest.mark.parametrize("chars", [MESSAGE_CHARS, MESSAGE_CHARS + 1])
def test_a_long_text_is_cut_and_the_page_says_how_to_get_it_whole(chars: int) -> None:
    letta = ThreadLetta(thread_of([long_message(0, chars)]))

    page, whole = read(letta), read(letta, whole=True)

    is_cut = chars > MESSAGE_CHARS
    assert [message.text for message in whole.messages] == ["x" * chars]
    assert [message.text for message in page.messages] == [
        "x" * MESSAGE_CHARS + (f"… [cut: {MESSAGE_CHARS} of {chars} characters]" if is_cut else "")
    ]
    assert whole.note is None
    assert (page.note is not None) is is_cut
    assert not is_cut or "detail 'full'" in str(page.note)


@pytest.mark.parametrize("count", [10, 20, 60])
def test_the_texts_of_a_crowded_page_share_its_room(count: int) -> None:
    """Ours: a default result stays under about 8,000 tokens."""
    letta = ThreadLetta(thread_of(long_message(number, 5_000) for number in range(count)))

    page = read(letta, limit=count)

    room = max(SHORTEST_CUT, min(MESSAGE_CHARS, PAGE_CHARS // count))
    assert {message.text for message in page.messages} == {"x" * room + f"… [cut: {room} of 5000 characters]"}


def long_message(number: int, chars: int) -> StoredMessage:
    message = stored(number, number, ["user_message"])
    message.entries[0]["content"] = "x" * chars
    return message


@pytest.mark.parametrize("kept", [2, 3, 6])
@pytest.mark.parametrize("limit", [1, 2, 3])
def test_a_compaction_in_the_middle_of_a_walk_loses_nothing(limit: int, kept: int) -> None:
    """Ours: a cursor made before it says that the list is in order; the dates of the next page betray that it isn't."""
    before = [stored(number, number, ["system_message" if number == 0 else "user_message"]) for number in range(10)]
    later = [Compaction(summary(10, 10), kept), stored(11, 11, ["user_message"])]
    newest = read(letta_after(before), limit=limit)
    spoilt = letta_after([*before, *later])

    pages = walk_back(spoilt, newest.older_cursor, limit=limit)

    walked = [message.id for page in reversed(pages) for message in page.messages]
    assert walked == [message.id for message in before[: len(before) - limit]]


@pytest.mark.parametrize("cap", [50, 100])
def test_a_compacted_list_that_a_letta_cuts_off_is_refused_and_not_shown_in_part(cap: int) -> None:
    """Ours: 0.16.8 lists any number at once; one that doesn't would have its newest messages left out."""
    said = [stored(number, number, ["user_message"]) for number in range(1, 120)]
    letta = letta_after([stored(0, 0, ["system_message"]), *said, Compaction(summary(120, 120), 5)])
    letta.most = cap

    with pytest.raises(HistoryTooLong):
        read(letta, limit=5)
