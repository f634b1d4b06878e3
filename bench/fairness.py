"""Whether the arms of a comparison really ask Letta for the same: sends that differ would prove nothing."""

from collections.abc import Callable
from typing import Any

from mcp import Client

from bench.arms import by_letta_client, open_plain, options_of, through_us
from bench.hosts import Place
from tests.fake import FakeLetta


async def require_same_options(host_at: Callable[[str], Client], *, watched: bool) -> None:
    """Send once through us and once by letta-client, and compare what a fake was asked.

    Raises:
        RuntimeError: the two differ in more than the message's otid.
    """
    with FakeLetta() as letta:
        place = Place(letta.base_url, letta.add_agent().id)
        async with open_plain(place) as plain, host_at(place.base_url) as host:
            for arm in (
                await through_us(host, plain, place, watched=watched),
                await by_letta_client(plain, place, **options_of(watched=watched)),
            ):
                await arm()
        ours, theirs = [_without_otid(seen.body) for seen in letta.requests_to("POST", "/v1/conversations/*/messages")]
    if ours != theirs:
        raise RuntimeError(f"The sends are not the same: {ours} through us, {theirs} by letta-client.")


def _without_otid(body: dict[str, Any]) -> dict[str, Any]:
    messages: list[dict[str, Any]] = body["messages"]
    bare = [{key: value for key, value in message.items() if key != "otid"} for message in messages]
    return {**body, "messages": bare}
