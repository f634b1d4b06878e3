"""How long a conversation of 10,000 messages takes to export, and what it costs in memory.

A fake Letta keeps the messages and counts requests; our server is a process of its own on real stdio, whose peak of
memory the system tells. Each number is of a fresh process; the short export shows what a process takes anyway.
"""

import json
import sys
import tempfile
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from time import perf_counter

from bench.report import Report, Row, parser_for
from letta_conv_mcp.history import WHOLE_PAGE
from tests.fake import Conversation, FakeLetta
from tests.integration.stdio import started

_OPTIONS = ("--toolsets", "core,patterns", "--state-dir")
SHORT, LONG = 100, 10_000


@dataclass(frozen=True)
class Export:
    """What one export took."""

    seconds: float
    peak: int
    """Bytes."""
    requests: int
    is_whole: bool


def main() -> int:
    """The exit status."""
    runs: int = parser_for(__doc__, runs=3).parse_args().runs
    report = Report(__doc__)
    with FakeLetta() as letta:
        agent = letta.add_agent()
        short, long = (letta.add_conversation(agent) for _ in range(2))
        for conversation, count in ((short, SHORT), (long, LONG)):
            # It begins with a system message.
            letta.add_messages(conversation, count - 1)
        for name in ("markdown", "jsonl"):
            few = [_export(letta, short, name) for _ in range(runs)]
            many = [_export(letta, long, name) for _ in range(runs)]
            report.table(
                f"{name}, fresh processes",
                Row(f"{SHORT} messages", [each.seconds * 1000 for each in few]),
                Row(f"{LONG:,} messages", [each.seconds * 1000 for each in many]),
            )
            report.note("peak of memory, short", max(each.peak for each in few) / 1e6, " MB")
            report.note("peak of memory, long", max(each.peak for each in many) / 1e6, " MB")
            growth = max(each.peak for each in many) - min(each.peak for each in few)
            report.judge("more memory for more messages", growth / 1e6, at_most=10, unit=" MB")
            # A look whether it was compacted, before and after; one page beyond the end; the conversation itself.
            report.judge("requests", max(each.requests for each in many), at_most=ceil(LONG / WHOLE_PAGE) + 4)
            report.judge("incomplete", sum(not each.is_whole for each in many), at_most=0)
    return report.exit_status


def _export(letta: FakeLetta, conversation: Conversation, name: str) -> Export:
    with tempfile.TemporaryDirectory() as folder, started(letta.base_url, *_OPTIONS, folder) as host:
        host.initialize()
        # The first call imports letta-client.
        host.ask("tools/call", {"name": "list_agents", "arguments": {}})
        requests, began = len(letta.requests), perf_counter()
        arguments = {"conversation_id": conversation.id, "format": name}
        host.send("tools/call", {"name": "export_conversation", "arguments": arguments})
        made = next(frame for frame in host.frames() if "result" in frame)["result"]["structuredContent"]
        seconds = perf_counter() - began
        text = Path(made["path"]).read_text(encoding="utf-8")
        ids = [message.id for message in conversation.thread.messages for _ in message.entries]
        is_whole = name != "jsonl" or [json.loads(line)["id"] for line in text.splitlines()] == ids
        return Export(seconds, _peak_of(host.process.pid), len(letta.requests) - requests, is_whole)


def _peak_of(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


if __name__ == "__main__":
    sys.exit(main())
