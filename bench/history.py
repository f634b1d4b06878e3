"""How a long history is walked through get_history: each message once, in order, in as few requests as pages.

A fake Letta keeps N stored messages and counts the requests that our server makes of it while a host goes from the
newest page back to the oldest over real stdio. The budget is on the requests, ceil(N / limit) + 1; a message lost,
repeated or out of order is a failure too. `thread` is an agent's own thread, which Letta lists in another order.
"""

import sys
from dataclasses import dataclass
from math import ceil
from time import perf_counter
from typing import TypeAlias

import anyio
from mcp import Client

from bench.hosts import call, host_on_stdio
from bench.report import Report, Row, parser_for
from tests.fake import Agent, Conversation, FakeLetta

COUNTS = (1_000, 10_000)
LIMITS = (100, 20)
Entry: TypeAlias = tuple[str, str]
"""A message's id and type: one stored message can show several entries of different types."""


@dataclass(frozen=True)
class Walk:
    """What a host got to see of a history."""

    entries: list[Entry]
    """Oldest first."""
    page_seconds: list[float]
    requests: int


def main() -> int:
    """The exit status."""
    runs: int = parser_for(__doc__, runs=1).parse_args().runs
    report = Report(__doc__)
    anyio.run(_measure, report, runs)
    return report.exit_status


async def _measure(report: Report, runs: int) -> None:
    with FakeLetta() as letta:
        async with host_on_stdio(letta.base_url) as host:
            # The first call imports letta-client.
            await call(host, "list_agents", {})
            for count in COUNTS:
                agent = letta.add_agent()
                conversation = letta.add_conversation(agent)
                for name, place in (("conversation", conversation), ("thread", agent)):
                    # Each begins with a system message.
                    letta.add_messages(place, count - len(place.thread.messages))
                    for limit in LIMITS:
                        walks = [await _walk(host, letta, place, limit) for _ in range(runs)]
                        _tell(report, f"{name} of {count:,}, limit {limit}", place, limit, walks)


async def _walk(host: Client, letta: FakeLetta, place: Conversation | Agent, limit: int) -> Walk:
    conversation_id = place.id if isinstance(place, Conversation) else f"default:{place.id}"
    pages: list[list[Entry]] = []
    seconds: list[float] = []
    before, requests = None, len(letta.requests)
    while True:
        started = perf_counter()
        arguments = {"conversation_id": conversation_id, "limit": limit, "before": before}
        page = await call(host, "get_history", arguments)
        seconds.append(perf_counter() - started)
        pages.append([(message["id"], message["type"]) for message in page["messages"]])
        before = page["older_cursor"]
        if before is None:
            break
        if len(pages) > len(place.thread.messages):
            raise RuntimeError("The walk does not end.")
    entries = [entry for page in reversed(pages) for entry in page]
    return Walk(entries, seconds, len(letta.requests) - requests)


def _tell(report: Report, title: str, place: Conversation | Agent, limit: int, walks: list[Walk]) -> None:
    messages = place.thread.messages
    stored: list[Entry] = [(entry["id"], entry["message_type"]) for message in messages for entry in message.entries]
    report.table(
        title,
        Row("whole walk", [sum(walk.page_seconds) * 1000 for walk in walks]),
        Row("one page", [seconds * 1000 for walk in walks for seconds in walk.page_seconds]),
    )
    most = max(walk.requests for walk in walks)
    report.judge("requests", most, at_most=ceil(len(messages) / limit) + 1)
    report.judge("entries missing", max(len(set(stored) - set(walk.entries)) for walk in walks), at_most=0)
    report.judge("entries twice", max(len(walk.entries) - len(set(walk.entries)) for walk in walks), at_most=0)
    report.judge("walks out of order", sum(walk.entries != stored for walk in walks), at_most=0)


if __name__ == "__main__":
    sys.exit(main())
