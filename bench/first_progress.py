"""From Letta's first event to a host's first progress notification.

The fake is in this process, so that one clock serves both ends: it notes when it hands the first frame of an answer to
its HTTP server, and the host's callback notes when it is called. In between are the fake's socket, our server process
and the client library. The model is held until the host was told, so neither end does anything else meanwhile.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from time import perf_counter

from letta_client import AsyncLetta
from mcp import Client

from bench.arms import new_conversation, open_plain
from bench.hosts import Place, call, host_on_stdio
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
                hold = f"hold{number}"
                seconds = await _until_told(letta, departed, host, ours, f"ours-{hold}")
                plain_seconds = await _until_read(letta, departed, plain, theirs, f"theirs-{hold}")
                if number >= 0:
                    told.append(seconds * 1000)
                    read.append(plain_seconds * 1000)
    return [Row("first progress at the host", told), Row("first chunk at AsyncLetta", read)]


async def _until_told(
    letta: FakeLetta, departed: NoteDeparture, host: Client, conversation_id: str, hold: str
) -> float:
    """Seconds until a watching host is told anything. What it was told before Letta's first event doesn't count."""
    seen, arrivals = len(departed.departures), list[float]()

    async def note(progress: float, total: float | None, message: str | None) -> None:
        del progress, total, message
        now = perf_counter()
        if len(departed.departures) > seen and not arrivals:
            arrivals.append(now)
            letta.release(hold)

    message = {"conversation_id": conversation_id, "message": f"#hold {hold} hello"}
    await call(host, "send_message", message, progress_callback=note)
    return arrivals[0] - departed.departures[seen]


async def _until_read(
    letta: FakeLetta, departed: NoteDeparture, plain: AsyncLetta, conversation_id: str, hold: str
) -> float:
    """Seconds until letta-client gives out the first chunk of the same send."""
    seen, arrivals = len(departed.departures), list[float]()
    stream = await plain.conversations.messages.create(
        conversation_id,
        messages=[{"role": "user", "content": f"#hold {hold} hello"}],
        background=True,
        stream_tokens=True,
        include_pings=True,
    )
    async for _ in stream:
        arrivals.append(perf_counter())
        letta.release(hold)
    return arrivals[0] - departed.departures[seen]
