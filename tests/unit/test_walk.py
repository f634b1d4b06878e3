"""A page gathered from Letta's pages, over a list of numbers."""

from collections.abc import Awaitable, Callable

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from letta_conv_mcp.walk import Gathered, gather

Fetch = Callable[[int | None, int], Awaitable[list[int]]]


def fetch_from(items: list[int], asked: list[tuple[int | None, int]]) -> Fetch:
    """Letta's side: items after a given one, and a note of each request."""

    async def fetch(last: int | None, size: int) -> list[int]:
        asked.append((last, size))
        start = 0 if last is None else items.index(last) + 1
        return items[start : start + size]

    return fetch


def gathered_from(
    items: list[int],
    keep: Callable[[int], bool] | None,
    asked: list[tuple[int | None, int]] | None = None,
    **limits: int,
) -> Gathered[int]:
    async def work() -> Gathered[int]:
        return await gather(fetch_from(items, [] if asked is None else asked), keep, **limits)

    return anyio.run(work)


def is_even(number: int) -> bool:
    return number % 2 == 0


PAGES: list[tuple[int, Gathered[int]]] = [
    (0, Gathered([], [], more=False)),
    (2, Gathered([0, 1], [0, 1], more=False)),
    (3, Gathered([0, 1, 2], [0, 1, 2], more=False)),
    (4, Gathered([0, 1, 2], [0, 1, 2], more=True)),
    (9, Gathered([0, 1, 2], [0, 1, 2], more=True)),
]


@pytest.mark.parametrize(("count", "gathered"), PAGES)
def test_without_a_filter_one_request_for_one_more_tells_whether_there_is_more(
    count: int, gathered: Gathered[int]
) -> None:
    asked: list[tuple[int | None, int]] = []

    assert gathered_from(list(range(count)), None, asked, limit=3) == gathered
    assert asked == [(None, 4)]


def test_with_a_filter_requests_go_on_until_enough_fits() -> None:
    asked: list[tuple[int | None, int]] = []

    gathered = gathered_from(list(range(20)), is_even, asked, limit=4, size=3)

    assert gathered == Gathered([0, 2, 4, 6], [0, 1, 2, 3, 4, 5, 6], more=True)
    assert asked == [(None, 3), (2, 3), (5, 3)]


def test_with_a_filter_the_requests_of_one_call_are_bounded() -> None:
    """Ours: a filter that fits nothing may not read a whole conversation in one call."""
    asked: list[tuple[int | None, int]] = []

    gathered = gathered_from(list(range(100)), lambda _: False, asked, limit=4, size=3, pages=5)

    assert gathered == Gathered([], list(range(15)), more=True)
    assert len(asked) == 5


def test_with_a_filter_the_end_of_the_list_is_known_by_a_short_page() -> None:
    assert gathered_from([0, 1, 3], is_even, limit=4, size=5) == Gathered([0], [0, 1, 3], more=False)


@given(st.sets(st.integers(0, 60)), st.integers(1, 10), st.integers(1, 10), st.integers(1, 4), st.booleans())
def test_going_on_from_the_last_item_seen_finds_every_fitting_item_once(
    numbers: set[int], limit: int, size: int, pages: int, is_filtered: bool
) -> None:
    """Ours: a page's edge is what was looked at, not what fitted."""
    items, found, rest = sorted(numbers), list[int](), sorted(numbers)

    while True:
        gathered = gathered_from(rest, is_even if is_filtered else None, limit=limit, size=size, pages=pages)
        found += gathered.kept
        assert len(gathered.kept) <= limit
        if not gathered.more:
            break
        rest = rest[len(gathered.seen) :]

    assert found == [item for item in items if not is_filtered or is_even(item)]
