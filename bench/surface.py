"""How many bytes of tools a host's model is shown, and how many tools/list takes.

A model reads a tool's name, description and input schema at every turn of every chat; the output schema is for the
host. `shown` is those three as compact JSON, `listed` the whole tool; the totals in the budgets are of JSON arrays,
the wire's line has the envelope round them. A KB is 1,000 bytes.
"""

import json
import sys

from bench.report import NAME_WIDTH, Report, parser_for
from bench.wire import LEGACY, MODERN, OURS, Json, compact, open_server, opening, request

FIRST_SEVEN = (
    "list_agents",
    "create_conversation",
    "list_conversations",
    "retrieve_conversation",
    "send_message",
    "wait_for_reply",
    "get_history",
)
SHOWN = ("name", "description", "inputSchema")
BUDGETS = {"seven": (6_000, 12_000), "default": (10_000, 22_000), "all": (15_000, 32_000)}


def main() -> int:
    """The exit status."""
    parser_for(__doc__, runs=1).parse_args()
    report = Report(__doc__)
    for era in (LEGACY, MODERN):
        line = _listing(era)
        tools: list[Json] = json.loads(line)["result"]["tools"]
        everything: list[Json] = json.loads(_listing(era, "--toolsets", "all"))["result"]["tools"]
        _print_tools(era, everything)
        seven = [tool for tool in tools if tool["name"] in FIRST_SEVEN]
        if len(seven) != len(FIRST_SEVEN):
            raise RuntimeError("The seven tools of the first issue are not all offered.")
        _judge(report, "seven", seven)
        _judge(report, "default", tools)
        _judge(report, "all", everything)
        report.note("the wire's line", len(line), " B")
    return report.exit_status


def _listing(era: str, *arguments: str) -> bytes:
    """The answer to tools/list as it stands on the wire."""
    with open_server(OURS, arguments=arguments) as wire:
        wire.ask(opening(era))
        if era == LEGACY:
            wire.tell("notifications/initialized")
        return wire.ask(request("tools/list", era=era))


def _print_tools(era: str, tools: list[Json]) -> None:
    heading = f"tools/list on {era} (bytes)"
    print(f"\n{heading:{NAME_WIDTH}} {'shown':>10} {'listed':>10}")
    for tool in tools:
        print(f"  {tool['name']:{NAME_WIDTH - 2}} {len(compact(_shown(tool))):10} {len(compact(tool)):10}")


def _judge(report: Report, group: str, tools: list[Json]) -> None:
    shown, listed = BUDGETS[group]
    report.judge(f"{group}: shown", len(compact([_shown(tool) for tool in tools])), at_most=shown, unit=" B")
    report.judge(f"{group}: listed", len(compact(tools)), at_most=listed, unit=" B")


def _shown(tool: Json) -> Json:
    return {name: tool[name] for name in SHOWN}


if __name__ == "__main__":
    sys.exit(main())
