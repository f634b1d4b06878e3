"""What it costs to send through our server rather than by letta-client itself.

Each table holds a send through us against the same send, with the same options, by AsyncLetta, which reads its stream
to the end; arms take turns, each in a conversation of its own, and the difference is taken pair by pair. `again` is a
second arm like the first AsyncLetta one: what differs between those two is noise. The fake runs in another process.

    watched      the host asks for progress, so tokens are streamed
    unwatched    it doesn't, so finished messages are

With `--real` the Letta of tests/stack answers. There the costs are told but not judged, since identical sends differ
by more than the budget; and a send that nobody watches is held against a plain foreground one. What AsyncLetta itself
takes in the background shows how much of that ratio is Letta's.
"""

import sys

import anyio
from letta_client import AsyncLetta
from mcp import Client

from bench.arms import by_letta_client, interleaved, open_plain, options_of, through_us
from bench.fairness import require_same_options
from bench.first_progress import measure_first_progress
from bench.hosts import Place, fake_place, host_in_memory, host_on_stdio, real_place
from bench.report import Report, differences, parser_for, ratio

MORE_MS = 5
FIRST_PROGRESS_MS = 10
FOREGROUND_RATIO = 1.05
RUNS, REAL_RUNS, PROGRESS_RUNS = 200, 30, 50


def main() -> int:
    """The exit status."""
    parser = parser_for(__doc__, runs=RUNS)
    parser.add_argument("--real", action="store_true", help=f"on the real Letta; {REAL_RUNS} runs unless told")
    parser.set_defaults(runs=None)
    options = parser.parse_args()
    runs: int = options.runs or (REAL_RUNS if options.real else RUNS)
    report = Report(__doc__)
    if options.real:
        with real_place() as place:
            anyio.run(_measure, report, place, runs, True)
    else:
        with fake_place() as place:
            anyio.run(_measure, report, place, runs, False)
        anyio.run(_measure_progress, report, runs)
    return report.exit_status


async def _measure(report: Report, place: Place, runs: int, is_real: bool) -> None:
    for host_at, how in ((host_on_stdio, "over stdio"), (host_in_memory, "in memory")):
        for watched in (False, True):
            await require_same_options(host_at, watched=watched)
        async with open_plain(place) as plain, host_at(place.base_url) as host:
            for watched in (False, True):
                judged = host_at is host_on_stdio and not is_real
                await _compare(report, how, host, plain, place, runs=runs, watched=watched, judged=judged)
            if host_at is host_on_stdio:
                await _compare_with_foreground(report, host, plain, place, runs=runs, judged=is_real)


async def _compare(
    report: Report, how: str, host: Client, plain: AsyncLetta, place: Place, *, runs: int, watched: bool, judged: bool
) -> None:
    options = options_of(watched=watched)
    arms = {
        f"through us {how}": await through_us(host, plain, place, watched=watched),
        "AsyncLetta": await by_letta_client(plain, place, **options),
        "AsyncLetta again": await by_letta_client(plain, place, **options),
    }
    ours, theirs, again = await interleaved(arms, runs)
    more = differences(ours, theirs)
    report.table(f"a send {how}, {'watched' if watched else 'unwatched'}", ours, theirs, again, more)
    if judged:
        report.judge("median difference", more.median, at_most=MORE_MS, unit=" ms")
    else:
        report.note("median difference", more.median, " ms")
    report.note("between the AsyncLetta arms", differences(again, theirs).median, " ms")


async def _compare_with_foreground(
    report: Report, host: Client, plain: AsyncLetta, place: Place, *, runs: int, judged: bool
) -> None:
    arms = {
        "through us over stdio, unwatched": await through_us(host, plain, place, watched=False),
        "AsyncLetta in the foreground": await by_letta_client(plain, place),
        "AsyncLetta in the foreground again": await by_letta_client(plain, place),
        "AsyncLetta in the background": await by_letta_client(plain, place, **options_of(watched=False)),
    }
    ours, theirs, again, background = await interleaved(arms, runs)
    report.table("an unwatched send against a plain foreground one", ours, theirs, again, background)
    if judged:
        report.judge("ratio of the medians", ratio(ours, theirs), at_most=FOREGROUND_RATIO)
    else:
        report.note("ratio of the medians", ratio(ours, theirs))
    report.note("the same between the foreground arms", ratio(again, theirs))
    report.note("the same of AsyncLetta in the background", ratio(background, theirs))


async def _measure_progress(report: Report, runs: int) -> None:
    ours, theirs = await measure_first_progress(min(runs, PROGRESS_RUNS))
    report.table("Letta's first frame leaves, until", ours, theirs)
    report.judge("first progress, median", ours.median, at_most=FIRST_PROGRESS_MS, unit=" ms")


if __name__ == "__main__":
    sys.exit(main())
