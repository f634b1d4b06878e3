"""What it costs a send to look whether its conversation is as new as the agent's memory.

Two servers of ours in this process, one with `--refresh-memory never`, before the real Letta of tests/stack. Their
sends take turns, each in a conversation of its own; the model answers at once, so the share is as large as it gets.
`first` is the first send to a conversation, which looks at the prompt too.
"""

import sys
from typing import Any
from uuid import uuid4

import anyio
from mcp import Client

from bench.arms import MESSAGE, Arm, interleaved, new_conversation, open_plain
from bench.hosts import Place, call
from bench.report import Report, parser_for, ratio
from letta_conv_mcp.server import build_server
from letta_conv_mcp.settings import RefreshMemory, Settings
from tests.stack import open_stack
from tests.stack.seed import make_agent

AT_MOST = 1.05
RUNS = 60
MODES: tuple[RefreshMemory, ...] = ("auto", "never")
BLOCKS = {"persona": "I am Ada. " * 50, "human": "This is Bo. " * 50}


def main() -> int:
    """The exit status."""
    runs: int = parser_for(__doc__, runs=RUNS).parse_args().runs
    report = Report(__doc__)
    with open_stack() as running:
        agent_id = make_agent(running, f"bench {uuid4().hex[:8]}", blocks=BLOCKS)
        anyio.run(_measure, report, Place(running.base_url, agent_id), runs)
    return report.exit_status


async def _measure(report: Report, place: Place, runs: int) -> None:
    plain = open_plain(place)
    settings = [Settings(base_url=place.base_url, refresh_memory=mode) for mode in MODES]
    async with Client(build_server(settings[0])) as auto, Client(build_server(settings[1])) as never:
        hosts = dict(zip(MODES, (auto, never), strict=True))

        def arm(host: Client, talk: str | None) -> Arm:
            async def send() -> None:
                about: dict[str, Any] = {"conversation_id": talk or fresh.pop(), "message": MESSAGE}
                reply = await call(host, "send_message", about)
                if reply["status"] != "completed":
                    raise RuntimeError(f"Not the whole reply: {reply}")

            return send

        talks = {mode: await new_conversation(plain, place) for mode in MODES}
        later = await interleaved({mode: arm(hosts[mode], talks[mode]) for mode in MODES}, runs)
        report.table("a send", *later)
        report.judge("ratio of the medians", ratio(*later), at_most=AT_MOST)
        fresh = [await new_conversation(plain, place) for _ in range(2 * (runs + 5))]
        first = await interleaved({mode: arm(hosts[mode], None) for mode in MODES}, runs)
        report.table("the first send to a conversation", *first)
        report.note("ratio of the medians", ratio(*first))


if __name__ == "__main__":
    sys.exit(main())
