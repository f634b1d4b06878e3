"""A page gathered from Letta's pages: as many fitting items as were asked for, and where to go on."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Gathered(Generic[Item]):
    """What a walk found.

    Attributes:
        kept: the items that fit.
        seen: every item looked at, in order; the first and last are the page's edges.
        more: whether anything may come after the last one.
    """

    kept: list[Item]
    seen: list[Item]
    more: bool


async def gather(
    fetch: Callable[[Item | None, int], Awaitable[list[Item]]],
    keep: Callable[[Item], bool] | None,
    *,
    limit: int,
    size: int = 100,
    pages: int = 10,
) -> Gathered[Item]:
    """Walk a list from its start, or from wherever `fetch` puts it, until `limit` items fit.

    Args:
        fetch: asks for some items after the given one, or the first ones; fewer than asked for means the end.
        keep: whether an item fits; None keeps all, and then one request is enough.
        limit: how many items to keep.
        size: how many items to ask for at a time, where some may not fit.
        pages: how many requests to make at most, where some may not fit.
    """
    if keep is None:
        # One more than wanted tells whether there is more.
        size, pages = limit + 1, 1
    kept: list[Item] = []
    seen: list[Item] = []
    for _ in range(pages):
        page = await fetch(seen[-1] if seen else None, size)
        for item in page:
            if len(kept) == limit:
                return Gathered(kept, seen, more=True)
            seen.append(item)
            if keep is None or keep(item):
                kept.append(item)
        if len(page) < size:
            return Gathered(kept, seen, more=False)
    return Gathered(kept, seen, more=True)
