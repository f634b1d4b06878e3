"""A host on the official Python SDK: its stdin says which calls to make and to abort, its stdout what came of them.

Its arguments are how to negotiate, and the server's command. `caller.mjs` is the same in TypeScript.
"""

import json
import sys
from functools import partial
from typing import Any, Literal, cast

import anyio
from mcp import Client, StdioServerParameters
from mcp.shared.exceptions import MCPError


async def main(mode: Literal["legacy", "auto"], command: str, *arguments: str) -> None:
    """Obey stdin until it ends; then the connection is closed, whatever still runs."""
    scopes: dict[int, anyio.CancelScope] = {}
    server = StdioServerParameters(command=command, args=list(arguments))
    async with anyio.create_task_group() as group, Client(server, mode=mode) as client:
        async for line in anyio.wrap_file(sys.stdin):
            told = json.loads(line)
            if "call" in told:
                scopes[told["call"]] = anyio.CancelScope()
                group.start_soon(partial(_call, client, scopes[told["call"]], **told))
            else:
                scopes[told["abort"]].cancel()


async def _call(client: Client, scope: anyio.CancelScope, **told: Any) -> None:
    outcome: dict[str, Any] = {"call": told["call"], "error": "cancelled"}
    # The caller's clock is a time-out of its own around the call; the SDK only sees that the call is cancelled.
    scope.deadline = anyio.current_time() + told.get("clock", float("inf"))
    with scope:
        try:
            result = await client.call_tool(told["tool"], told["arguments"], told.get("option"))
            outcome = {"call": told["call"], "result": result.structured_content}
        except MCPError as error:
            outcome["error"] = str(error)
    print(json.dumps(outcome), flush=True)  # noqa: T201


if __name__ == "__main__":
    anyio.run(main, cast("Any", sys.argv[1]), *sys.argv[2:])
