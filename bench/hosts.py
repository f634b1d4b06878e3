"""Our server as a host reaches it, and the Lettas behind it: a fake in another process, or the real one."""

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from mcp import Client, StdioServerParameters

from letta_conv_mcp.server import build_server
from letta_conv_mcp.settings import Settings
from tests.stack import open_stack
from tests.stack.seed import make_agent

EXIT_SECONDS = 10


@dataclass(frozen=True)
class Place:
    """A Letta with an agent to talk to."""

    base_url: str
    agent_id: str


@contextmanager
def fake_place() -> Generator[Place]:
    """The fake in a process of its own, so that its work is not on anybody's clock."""
    process = subprocess.Popen([sys.executable, "-m", "tests.fake"], stdout=subprocess.PIPE, text=True)
    if process.stdout is None:
        raise RuntimeError("The fake has no pipe.")
    with process.stdout as told:
        try:
            yield Place(told.readline().strip(), told.readline().strip())
        finally:
            process.terminate()
            process.wait(EXIT_SECONDS)


@contextmanager
def real_place() -> Generator[Place]:
    """The real Letta of tests/stack."""
    with open_stack() as running:
        yield Place(running.base_url, make_agent(running, f"bench {uuid4().hex[:8]}"))


def host_on_stdio(base_url: str) -> Client:
    """A host with our server as a process of its own."""
    return Client(
        StdioServerParameters(command=sys.executable, args=["-m", "letta_conv_mcp"], env={"LETTA_BASE_URL": base_url})
    )


def host_in_memory(base_url: str) -> Client:
    """A host with our server in this process. Only in the older era does its progress token reach the server."""
    return Client(build_server(Settings(base_url=base_url)), mode="legacy")


async def call(host: Client, tool: str, arguments: dict[str, Any], **options: Any) -> dict[str, Any]:
    """What a tool returns; it must not fail."""
    result = await host.call_tool(tool, arguments, **options)
    if result.is_error or result.structured_content is None:
        raise RuntimeError(f"{tool} failed: {result.content}")
    return result.structured_content
