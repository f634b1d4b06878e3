"""How much time a reply loses when something breaks on its way: each case against the same send undisturbed.

A case breaks one request, the send's, in one way; the cut comes after another number of frames each time. Every reply
must be whole all the same, and every message stand in the conversation once, counted in Letta. The cases take turns.
What is lost is the seconds until the reply, less those of an undisturbed one (the median). There is no budget on it:
most of it is the pauses that we make between tries.

The fake answers, or with `--real` the Letta of tests/stack, behind the fault proxy of tests/proxy.
"""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median, quantiles
from time import perf_counter
from typing import Protocol, TypeAlias
from uuid import uuid4

import anyio
from mcp import Client

from bench.arms import MESSAGE, REPLY, WORDS
from bench.hosts import call, host_on_stdio
from bench.report import Report, Row, parser_for
from tests.fake import Answer, Close, Cut, FakeLetta, Fault
from tests.integration.ledger import Ledger
from tests.proxy import FaultProxy
from tests.stack import NO_REDIS, OPEN, open_stack
from tests.stack.seed import make_agent

RUNS, REAL_RUNS = 20, 5
SEND = ("POST", "/v1/conversations/*/messages")
HTML = b"<html><body><h1>502 Bad Gateway</h1></body></html>"

Breaks: TypeAlias = Callable[[int], Fault | None]
"""What goes wrong with a send in the round of this number."""


@dataclass(frozen=True)
class Case:
    """One way for a send to break, and whether the host asks for progress, so that words are streamed."""

    name: str
    breaks: Breaks
    is_watched: bool = False
    message: str = MESSAGE


# Words that come while they are read, so that the run goes on when its stream is cut.
SLOWLY = f"#drip 0.02 {MESSAGE}"
UNDISTURBED = (
    Case("undisturbed, steps", lambda _: None),
    Case("undisturbed, words", lambda _: None, is_watched=True),
    Case("undisturbed, slow words", lambda _: None, is_watched=True, message=SLOWLY),
)
# A stream of steps has five frames: ping, message, stop reason, usage, end.
CUTS = (
    Case("cut among the steps", lambda number: Cut(1 + number % 4, into_bytes=20)),
    Case("cut among the words", lambda number: Cut(1 + number % WORDS, into_bytes=20), is_watched=True),
    Case(
        "cut among slow words", lambda number: Cut(1 + number % WORDS, into_bytes=20), is_watched=True, message=SLOWLY
    ),
)
UNCLEAR = (
    Case("500", lambda _: Answer(500, {"detail": "An unknown error occurred"})),
    Case("502 with a page", lambda _: Answer(502, HTML, {"content-type": "text/html"})),
    Case("reset before Letta has it", lambda _: Close(by_reset=True)),
    Case("reset when Letta has it", lambda _: Close(is_received=True, by_reset=True)),
    Case("closed when Letta has it", lambda _: Close(is_received=True)),
)
REFUSED = (
    Case("429, Retry-After 1", lambda _: Answer(429, {"detail": "Too many requests"}, {"retry-after": "1"})),
    Case("429", lambda _: Answer(429, {"detail": "Too many requests"})),
)
WITH_REDIS = (*UNDISTURBED, *CUTS, *UNCLEAR, *REFUSED)
# What never reached Letta can't be told from what did, and is not sent again.
WITHOUT_REDIS = (*UNDISTURBED, *CUTS, *(case for case in UNCLEAR if "when Letta has it" in case.name))


class Breakable(Protocol):
    """A Letta whose answers can be made to go wrong: the fake, or the real one behind the fault proxy."""

    @property
    def base_url(self) -> str: ...

    def fail(self, method: str, path: str, *faults: Fault, times: int | None = 1) -> object: ...

    def heal(self) -> None: ...


def main() -> int:
    """The exit status."""
    parser = parser_for(__doc__, runs=RUNS)
    parser.add_argument("--real", action="store_true", help=f"on the real Letta; {REAL_RUNS} runs unless told")
    parser.set_defaults(runs=None)
    options = parser.parse_args()
    is_real: bool = options.real
    runs: int = options.runs or (REAL_RUNS if is_real else RUNS)
    report = Report(__doc__)
    for has_redis, cases in ((True, WITH_REDIS), (False, WITHOUT_REDIS)):
        with (_real if is_real else _fake)(has_redis=has_redis) as (letta, agent_id):
            anyio.run(_measure, report, letta, agent_id, cases, "with Redis" if has_redis else "without Redis", runs)
    return report.exit_status


@contextmanager
def _fake(*, has_redis: bool) -> Generator[tuple[Breakable, str]]:
    with FakeLetta(redis=has_redis) as letta:
        yield letta, letta.add_agent().id


@contextmanager
def _real(*, has_redis: bool) -> Generator[tuple[Breakable, str]]:
    with open_stack(OPEN if has_redis else NO_REDIS) as running, FaultProxy(running.base_url) as proxy:
        yield proxy, make_agent(running, f"bench {uuid4().hex[:8]}")


async def _measure(
    report: Report, letta: Breakable, agent_id: str, cases: tuple[Case, ...], where: str, runs: int
) -> None:
    seconds = {case.name: list[float]() for case in cases}
    broken = 0
    async with host_on_stdio(letta.base_url) as host:
        # The first one imports letta-client, and finds out whether there is Redis.
        await call(host, "send_message", {"conversation_id": await _new_talk(host, agent_id), "message": "hello"})
        talks = {case.name: await _new_talk(host, agent_id) for case in cases}
        for number in range(runs):
            for case in cases if number % 2 else reversed(cases):
                if (fault := case.breaks(number)) is not None:
                    letta.fail(*SEND, fault)
                begun = perf_counter()
                broken += not await _is_whole(host, talks[case.name], case)
                seconds[case.name].append(perf_counter() - begun)
                letta.heal()
    with Ledger(letta.base_url) as ledger:
        astray = sum(ledger.said(talks[case.name]) != [case.message] * runs for case in cases)
    usual = {(case.message, case.is_watched): median(seconds[case.name]) for case in UNDISTURBED}
    rows = [
        Row(case.name, [(taken - usual[case.message, case.is_watched]) * 1000 for taken in seconds[case.name]])
        for case in cases
    ]
    report.table(f"lost {where}", *rows)
    for row in rows[len(UNDISTURBED) :]:
        report.note(f"{row.name}: p95", quantiles(row.samples, n=20)[-1], " ms")
    report.judge("replies that are not whole", broken, at_most=0)
    report.judge("conversations with a message lost or doubled", astray, at_most=0)


async def _new_talk(host: Client, agent_id: str) -> str:
    return (await call(host, "create_conversation", {"agent_id": agent_id}))["id"]


async def _is_whole(host: Client, talk: str, case: Case) -> bool:
    options = {"progress_callback": _unread} if case.is_watched else {}
    reply = await call(host, "send_message", {"conversation_id": talk, "message": case.message}, **options)
    return (reply["status"], reply["text"]) == ("completed", REPLY)


async def _unread(progress: float, total: float | None, message: str | None) -> None:
    """A progress callback that only makes the host ask for progress."""
    del progress, total, message


if __name__ == "__main__":
    sys.exit(main())
