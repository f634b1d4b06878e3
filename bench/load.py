"""What 200 turns at once cost: every one completes, little memory each, and reads stay quick.

    at once      200 messages to 50 conversations, four each, in one go; what came of them is read in Letta itself
    held         200 turns that the agent does not go on with: the memory of our process, over what it had before
    streaming    200 turns that speak two words a second each, to a host that asked for progress; reads meanwhile
    deaf         the same, and the host reads nothing for a minute: the turns go on, and our process doesn't grow

Our server is a process of its own on real pipes, the Letta another one. A read is also made of Letta directly, which
shows how much of its slowness is Letta's. With `--real` the Letta of tests/stack answers the first; beside 200 streams
it takes seconds to answer a read, whoever asks.
"""

import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import quantiles
from typing import TypeAlias

import anyio
import httpx
from letta_client import LettaError

from bench.arms import open_plain
from bench.crowd import Crowd, open_crowd
from bench.hosts import Place, fake_place, real_place
from bench.report import Report, Row, parser_for
from tests.fake import FakeLetta
from tests.integration.ledger import Ledger

TURNS = 200
TALKS, EACH = 50, 4
KB_PER_TURN = 150
READ_RATIO = 3
DIRECTLY = "Letta directly"
WORD_SECONDS = 0.5
STREAM_SECONDS, DEAF_SECONDS = 40, 60
READS = 100
WITHIN = 900.0
KB = 1000


Read: TypeAlias = Callable[[], float]
"""Reads once; how many milliseconds it took."""


@dataclass(frozen=True)
class Talks:
    """A host, the Letta behind its server, and conversations to talk in."""

    host: Crowd
    place: Place
    ids: list[str]
    aside: str
    """One more, in which a little was said."""

    def speak(self, words: int) -> list[int]:
        """A long turn in each."""
        message = f"#drip {WORD_SECONDS} #long {words}"
        return [self.say(talk, message, is_watched=True) for talk in self.ids]

    def say(self, talk: str, message: str, *, is_watched: bool = False) -> int:
        """A message; the call's number."""
        arguments = {"conversation_id": talk, "message": message, "wait_seconds": WITHIN}
        return self.host.start("send_message", arguments, is_watched=is_watched)


def main() -> int:
    """The exit status."""
    parser = parser_for(__doc__, runs=1)
    parser.add_argument("--real", action="store_true", help="on the real Letta")
    options = parser.parse_args()
    is_real: bool = options.real
    report, place_of = Report(__doc__), real_place if is_real else fake_place
    with place_of() as place:
        _all_at_once(report, place, options.runs)
    if not is_real:
        _streaming(report)
        for is_watched in (False, True):
            _held(report, is_watched=is_watched)
        _deaf(report)
    return report.exit_status


def _all_at_once(report: Report, place: Place, runs: int) -> None:
    ours: list[float] = []
    theirs: list[float] = []
    unfinished = doubled = wrong = failed = 0
    for _ in range(runs):
        with _talks(place, TALKS) as talks, Ledger(place.base_url) as ledger:
            said = {talk: [f"{number} in {talk}" for number in range(EACH)] for talk in talks.ids}
            begun = time.perf_counter()
            calls = [talks.say(talk, said[talk][number]) for number in range(EACH) for talk in talks.ids]
            replies = [talks.host.result(call, WITHIN) for call in calls]
            ours.append(time.perf_counter() - begun)
            stored = {talk: ledger.said(talk) for talk in talks.ids}
        unfinished += sum(reply["status"] != "completed" for reply in replies)
        doubled += sum(len(messages) - len(set(messages)) for messages in stored.values())
        wrong += sum(stored[talk] != said[talk] for talk in said)
        seconds, failures = anyio.run(_by_letta_client, place)
        theirs.append(seconds)
        failed += failures
    report.table(
        f"{TURNS} turns at once", Row("through us", ours), Row("AsyncLetta, a task a conversation", theirs), unit="s"
    )
    report.judge("turns that did not complete", unfinished, at_most=0)
    report.judge("messages twice in Letta", doubled, at_most=0)
    report.judge("conversations that lack one or are out of order", wrong, at_most=0)
    report.note("sends that fail by AsyncLetta", failed)


async def _by_letta_client(place: Place) -> tuple[float, int]:
    """Seconds that the same takes without us, and how many sends fail."""
    failures: list[LettaError] = []

    async def talk_alone(talk: str) -> None:
        for number in range(EACH):
            message = {"role": "user", "content": f"{number} in {talk}"}
            try:
                stream = await plain.conversations.messages.create(
                    talk,
                    messages=[message],  # type: ignore[reportArgumentType]
                    background=True,
                    include_pings=True,
                )
                async for _ in stream:
                    pass
            except LettaError as failure:
                failures.append(failure)

    async with open_plain(place) as plain:
        talks = [(await plain.conversations.create(agent_id=place.agent_id)).id for _ in range(TALKS)]
        begun = time.perf_counter()
        async with anyio.create_task_group() as group:
            for talk in talks:
                group.start_soon(talk_alone, talk)
        return time.perf_counter() - begun, len(failures)


def _held(report: Report, *, is_watched: bool) -> None:
    # In this process, so that the turns can be held and let go: nothing is timed.
    with FakeLetta() as letta:
        place = Place(letta.base_url, letta.add_agent().id)
        with _talks(place, TURNS) as talks:
            before = talks.host.memory
            calls = [talks.say(talk, "#hold all@3 one two three four", is_watched=is_watched) for talk in talks.ids]
            letta.wait_until(lambda: letta.holds.waiting["all"] == TURNS, WITHIN)
            if is_watched:
                talks.host.wait_until(lambda: min(talks.host.told[call] for call in calls) > 1, WITHIN)
            each = (talks.host.memory - before) / TURNS / KB
            letta.release("all")
            completed = sum(talks.host.result(call, WITHIN)["status"] == "completed" for call in calls)
    kind = "watched" if is_watched else "unwatched"
    report.table(f"memory of a live turn, {kind}, of {TURNS}", Row("resident, over before", [each]), unit="KB")
    report.judge("memory", each, at_most=KB_PER_TURN, unit=" KB")
    report.judge("turns that did not complete", TURNS - completed, at_most=0)


def _streaming(report: Report) -> None:
    with fake_place() as place, _talks(place, TURNS) as talks, httpx.Client(trust_env=False) as letta:
        host, kinds = talks.host, _reads_of(talks, letta)
        idle = _taken(kinds)
        before = host.memory
        calls = talks.speak(int(STREAM_SECONDS / WORD_SECONDS))
        host.wait_until(lambda: min(host.told[call] for call in calls) > 2, WITHIN)
        each, told, begun = (host.memory - before) / TURNS / KB, host.told.total(), time.perf_counter()
        busy = _taken(kinds)
        rate = (host.told.total() - told) / (time.perf_counter() - begun)
        if any(host.is_over(call) for call in calls):
            raise RuntimeError("Turns ended before the reads did: they are too short.")
        unfinished = sum(host.result(call, WITHIN)["status"] != "completed" for call in calls)
    rows = [Row(f"{kind}, {when}", taken[kind]) for kind in kinds for when, taken in (("idle", idle), ("busy", busy))]
    report.table(f"a read while {TURNS} turns stream", *rows)
    for kind in kinds:
        one, other = _p95(idle[kind]), _p95(busy[kind])
        told_of = f"{kind}: p95 {one:.1f} -> {other:.1f} ms"
        if kind == DIRECTLY:
            report.note(told_of, other / one)
        else:
            report.judge(told_of, other / one, at_most=READ_RATIO)
    report.note("progress notifications a second", rate)
    report.note("memory of a streaming turn", each, " KB")
    report.judge("turns that did not complete", unfinished, at_most=0)


def _reads_of(talks: Talks, letta: httpx.Client) -> dict[str, Read]:
    """The reads, of a conversation in which something was said."""
    path = f"{talks.place.base_url}/v1/conversations/{talks.aside}/messages?limit=20"

    def by(tool: str) -> Read:
        def read() -> float:
            call = talks.host.start(tool, {"conversation_id": talks.aside})
            talks.host.result(call, WITHIN)
            return talks.host.milliseconds(call)

        return read

    def directly() -> float:
        begun = time.perf_counter()
        letta.get(path).raise_for_status()
        return (time.perf_counter() - begun) * 1000

    return {**{tool: by(tool) for tool in ("get_history", "retrieve_conversation")}, DIRECTLY: directly}


def _taken(kinds: dict[str, Read]) -> dict[str, list[float]]:
    """Milliseconds of each kind; they take turns."""
    samples = {kind: list[float]() for kind in kinds}
    for _ in range(READS):
        for kind, read in kinds.items():
            samples[kind].append(read())
    return samples


def _p95(samples: list[float]) -> float:
    return quantiles(samples, n=20)[-1]


def _deaf(report: Report) -> None:
    words = int(DEAF_SECONDS / WORD_SECONDS)
    whole = " ".join(f"w{number}" for number in range(words))
    with fake_place() as place, _talks(place, TURNS) as talks, Ledger(place.base_url) as ledger:
        before = peak = talks.host.memory
        begun = time.perf_counter()
        with talks.host.deaf():
            calls = talks.speak(words)
            for talk in talks.ids:
                while ledger.answered(talk) != [whole]:
                    peak = max(peak, talks.host.memory)
                    if time.perf_counter() - begun > WITHIN:
                        raise RuntimeError("The turns did not end while the host read nothing.")
                    time.sleep(1)
            seconds = time.perf_counter() - begun
        unfinished = sum(talks.host.result(call, WITHIN)["text"] != whole for call in calls)
    report.table(f"a host that reads nothing while {TURNS} turns stream", Row("deaf", [seconds]), unit="s")
    report.judge("turns that did not complete", unfinished, at_most=0)
    report.judge("memory of a turn at most", (peak - before) / TURNS / KB, at_most=KB_PER_TURN, unit=" KB")


@contextmanager
def _talks(place: Place, count: int) -> Generator[Talks]:
    """A server that has been at work before: what it needs only once is no turn's memory."""
    with open_crowd(place.base_url) as host:
        ids: list[str] = [host.call("create_conversation", agent_id=place.agent_id)["id"] for _ in range(count)]
        aside: str = host.call("create_conversation", agent_id=place.agent_id)["id"]
        talks = Talks(host, place, ids, aside)
        for is_watched in (False, True) * 5:
            host.result(talks.say(aside, "hello", is_watched=is_watched))
        yield talks


if __name__ == "__main__":
    sys.exit(main())
