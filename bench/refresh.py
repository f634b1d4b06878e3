"""What it costs a send to look whether its conversation is as new as the agent's memory.

Two servers of ours in this process, one with `--refresh-memory never`, before the real Letta of tests/stack. Their
sends take turns, each in a conversation of its own; the model answers at once, so the share is as large as it gets.
`never again` is a second arm like `never`: what differs between those two is noise.

    later   a conversation that goes on
    made    the first message to one that was made by the same server
    found   the first message to one that another client made, whose prompt is looked at
"""

import sys
from uuid import uuid4

import anyio
from mcp import Client

from bench.arms import MESSAGE, WARM_UPS, Arm, interleaved, new_conversation, open_plain
from bench.hosts import Place, call
from bench.report import Report, parser_for, ratio
from letta_conv_mcp.server import build_server
from letta_conv_mcp.settings import RefreshMemory, Settings
from tests.stack import open_stack
from tests.stack.seed import make_agent

AT_MOST = 1.05
RUNS = 40
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
    auto_settings, never_settings = [Settings(base_url=place.base_url, refresh_memory=mode) for mode in MODES]
    async with Client(build_server(auto_settings)) as auto, Client(build_server(never_settings)) as never:
        hosts = {"auto": auto, "never": never, "never again": never}

        async def made_by(host: Client) -> str:
            return (await call(host, "create_conversation", {"agent_id": place.agent_id}))["id"]

        async def compare(kind: str, talks: dict[str, list[str]]) -> None:
            arms = {name: _arm(host, talks[name]) for name, host in hosts.items()}
            ours, theirs, again = await interleaved(arms, runs)
            report.table(kind, ours, theirs, again)
            if kind == "later":
                report.judge("ratio of the medians", ratio(ours, theirs), at_most=AT_MOST)
            else:
                report.note("ratio of the medians", ratio(ours, theirs))
            report.note("the same between the arms that don't look", ratio(again, theirs))

        count = runs + WARM_UPS
        await compare("later", {name: [await new_conversation(plain, place)] * count for name in hosts})
        await compare("made", {name: [await made_by(host) for _ in range(count)] for name, host in hosts.items()})
        await compare("found", {name: [await new_conversation(plain, place) for _ in range(count)] for name in hosts})


def _arm(host: Client, talks: list[str]) -> Arm:
    """Sends each message to the next conversation."""

    async def send() -> None:
        reply = await call(host, "send_message", {"conversation_id": talks.pop(), "message": MESSAGE})
        if reply["status"] != "completed":
            raise RuntimeError(f"Not the whole reply: {reply}")

    return send


if __name__ == "__main__":
    sys.exit(main())
