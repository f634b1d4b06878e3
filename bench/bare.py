"""The least that an MCP server can be: what `bench.startup` holds ours against."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from mcp.server.mcpserver import MCPServer


@asynccontextmanager
async def lifespan(_: MCPServer[None]) -> AsyncGenerator[None]:
    yield None


if __name__ == "__main__":
    MCPServer[None]("bare", lifespan=lifespan).run("stdio")
