"""Calling our tools as a host does."""

from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.to_thread
from mcp import Client
from mcp_types import CallToolResult, TextContent

from tests.fake import FakeLetta

KEY = "sk-let-me-in-0123456789"


@dataclass
class Progress:
    """What a host was told while a tool ran."""

    numbers: list[float] = field(default_factory=list[float])
    lines: list[str] = field(default_factory=list[str])
    _told: anyio.Event = field(default_factory=anyio.Event)

    async def until(self, beginning: str) -> None:
        """Wait until a line that begins so was told."""
        while not any(line.startswith(beginning) for line in self.lines):
            await self._told.wait()

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        assert total is None
        self.numbers.append(progress)
        self.lines.append(message or "")
        self._told.set()
        self._told = anyio.Event()


def text_of_result(result: CallToolResult) -> str:
    """The text that a host would show."""
    return "".join(part.text for part in result.content if isinstance(part, TextContent))


async def call(client: Client, tool: str, progress: Progress | None = None, **arguments: Any) -> dict[str, Any]:
    """The structure that a tool returns; it must not fail."""
    result = await client.call_tool(tool, arguments, progress_callback=progress)
    assert not result.is_error, text_of_result(result)
    assert result.structured_content is not None
    return result.structured_content


async def failure(client: Client, tool: str, **arguments: Any) -> str:
    """The sentence that a tool fails with; it must fail."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error, f"{tool} did not fail: {text_of_result(result)}"
    return text_of_result(result)


async def new_conversation(client: Client, agent_id: str, summary: str | None = None) -> str:
    """A fresh conversation's id."""
    return (await call(client, "create_conversation", agent_id=agent_id, summary=summary))["id"]


def heard(fake: FakeLetta, conversation_id: str) -> list[str]:
    """The messages that a conversation holds from us, counted in Letta."""
    said = fake.store.conversations[conversation_id].thread.messages
    return [message.text for message in said if message.role == "user"]


def posts(fake: FakeLetta) -> int:
    """How often a message was sent."""
    return len(fake.requests_to("POST", "*/messages"))


async def held(fake: FakeLetta, name: str) -> None:
    """Until a turn has come to this hold."""
    await anyio.to_thread.run_sync(fake.wait_until_held, name)
