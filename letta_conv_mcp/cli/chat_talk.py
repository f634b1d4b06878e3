"""One reply: asked for, shown as it comes, stopped by Ctrl-C."""

from typing import Any

import anyio
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import RequestParamsMeta

from letta_conv_mcp.cli.chat_feed import Feed
from letta_conv_mcp.cli.chat_screen import Screen
from letta_conv_mcp.cli.chat_text import for_people
from letta_conv_mcp.cli.chat_views import Structure
from letta_conv_mcp.cli.own_server import CallFailed, call
from letta_conv_mcp.settings import MAX_WAIT_SECONDS
from letta_conv_mcp.views import LIVE

STOPPING = "stopping … (Ctrl-C again: leave it)"


class Talk:
    """Calls of tools that return a reply, one at a time.

    Args:
        client: the connection to our server.
        screen: where replies are shown.
    """

    def __init__(self, client: Client, screen: Screen) -> None:
        self._client = client
        self._screen = screen
        self._stop: anyio.Event | None = None
        self._scope: anyio.CancelScope | None = None

    def interrupt(self) -> bool:
        """Stop the reply that comes, or, where that was asked for already, wait for it no longer.

        Returns False where none comes.
        """
        if self._stop is None:
            return False
        if self._stop.is_set():
            self.leave()
        self._stop.set()
        return True

    def leave(self) -> None:
        """Wait no longer. The agent's run goes on."""
        if self._scope is not None:
            self._scope.cancel()

    async def reply(self, tool: str, conversation_id: str, agent_name: str, **arguments: Any) -> Structure | None:
        """The reply when it is over, shown but for how it ended; None where it was left.

        Raises:
            CallFailed: the tool refused or failed.
            MCPError: the connection ended.
        """
        feed = Feed(agent_name)
        self._stop, self._scope = anyio.Event(), anyio.CancelScope()
        outcome: Structure | CallFailed | MCPError | None = None
        try:
            with self._screen.quiet():
                async with anyio.create_task_group() as group:
                    group.start_soon(self._stop_when_asked, conversation_id, self._stop, self._scope)
                    with self._scope:
                        # As a value: the group would wrap it.
                        outcome = await self._outcome(feed, tool, {"conversation_id": conversation_id, **arguments})
                    group.cancel_scope.cancel()
        finally:
            self._stop = self._scope = None
        self._screen.show(feed.ends(outcome) if isinstance(outcome, dict) else feed.breaks())
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def _outcome(self, feed: Feed, tool: str, arguments: dict[str, Any]) -> Structure | CallFailed | MCPError:
        try:
            reply = await self._call(feed, tool, arguments)
            while reply["status"] == "running":
                run = {"conversation_id": reply["conversation_id"], "run_id": reply["run_id"]}
                reply = await self._call(feed, "wait_for_reply", run)
        except (CallFailed, MCPError) as failure:
            return failure
        return reply

    async def _call(self, feed: Feed, tool: str, arguments: dict[str, Any]) -> Structure:
        async def show(progress: float, total: float | None, message: str | None) -> None:
            del progress, total
            pieces, doing = feed.shows(message or "")
            self._screen.show(pieces)
            if not feed.is_open:
                is_stopping = self._stop is not None and self._stop.is_set()
                self._screen.status(STOPPING if is_stopping else doing)

        # The message stays in the queue as long as its person waits.
        asked = {**arguments, "wait_seconds": MAX_WAIT_SECONDS, "detail": "full"}
        meta: RequestParamsMeta = {LIVE: True}
        return await call(self._client, tool, asked, progress=show, meta=meta)

    async def _stop_when_asked(self, conversation_id: str, stop: anyio.Event, scope: anyio.CancelScope) -> None:
        await stop.wait()
        try:
            # What was waited for then ends by itself.
            await call(self._client, "cancel_reply", {"conversation_id": conversation_id})
        except (CallFailed, MCPError) as failure:
            scope.cancel()
            self._screen.wrong(for_people(str(failure)))
