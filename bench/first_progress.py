"""From Letta's first event to a host's first progress notification.

The fake is in this process, so that one clock serves both ends: it notes when it hands the first frame of an answer to
its HTTP server, and the host's callback notes when it is called. In between are the fake's socket, our server process
and the client library. The model is held until the host was told, so neither end does anything else meanwhile.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from time import perf_counter

from bench.arms import new_conversation, open_plain
from bench.hosts import Place, host_on_stdio
from bench.report import Row
from tests.fake import FakeLetta, Fault

WARM_UPS = 5


@dataclass(frozen=True)
class NoteDeparture(Fault):
    """Nothing goes wrong; the times at which first frames leave are noted."""

    departures: list[float] = field(default_factory=list[float])

    def edit(self, number: int, frame: bytes) -> Iterable[bytes]:
        if number == 0:
            self.departures.append(perf_counter())
        return (frame,)


async def measure_first_progress(runs: int) -> list[Row]:
    """Milliseconds until a host was told, and until plain AsyncLetta gave out the first chunk."""
    told: list[float] = []
    read: list[float] = []
    with FakeLetta() as letta:
        departed = NoteDeparture()
        letta.fail("POST", "*/messages", departed, times=None)
        place = Place(letta.base_url, letta.add_agent().id)
        async with host_on_stdio(place.base_url) as host, open_plain(place) as plain:
            ours, theirs = [await new_conversation(plain, place) for _ in range(2)]
            for number in range(-WARM_UPS, runs):
                arrived = await _first_progress(letta, host, ours, f"ours{number}", departed)
                if number >= 0:
                    told.append((arrived - departed.departures[-1]) * 1000)
                arrived = await _first_chunk(letta, plain, theirs, f"theirs{number}")
                if number >= 0:
                    read.append((arrived - departed.departures[-1]) * 1000)
    return [Row("first progress at the host", told), Row("first chunk at AsyncLetta", read)]
