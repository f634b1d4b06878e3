"""Two open connections to one App Server, and the requests that go over them.

A turn is lost when the last connection that has started its conversation drops, so there are two.
"""

import logging
from collections.abc import Callable

import anyio
from anyio.abc import TaskGroup

from letta_conv_mcp import errors
from letta_conv_mcp.letta.appserver_json import PROTOCOL_VERSION
from letta_conv_mcp.letta.appserver_server import Server
from letta_conv_mcp.letta.appserver_socket import Socket, Unanswered, open_socket
from letta_conv_mcp.letta.content import Json

_logger = logging.getLogger(__name__)

CONNECTIONS = 2
CLOSE_SECONDS = 1.0
SIGN_OF_LIFE_SECONDS = 5.0


class Connections:
    """The connections to one server.

    Args:
        server: whose.
        group: owns the tasks that listen.
        on_event: is told of everything that is no answer to a request.
        on_lost: is told of a connection that was lost, after it was given up.
    """

    def __init__(
        self,
        server: Server,
        group: TaskGroup,
        on_event: Callable[[Socket, Json], None],
        on_lost: Callable[[Socket], None],
    ) -> None:
        self.server = server
        self._group = group
        self._on_event = on_event
        self._on_lost = on_lost
        self._connecting = anyio.Lock()
        self._sockets: list[Socket] = []

    @property
    def are_all_there(self) -> bool:
        """Whether none is missing."""
        return len(self._sockets) == CONNECTIONS

    async def opened(self) -> list[Socket]:
        """The open connections: two, or one where no second can be had.

        Raises:
            LettaFailure: there is none.
        """
        async with self._connecting:
            while not self.are_all_there:
                try:
                    await self._add()
                except errors.LettaFailure:
                    if not self._sockets:
                        raise
                    break
            return list(self._sockets)

    async def ask(self, kind: str, fields: Json, *, changes: bool, seconds: float | None = None) -> Json:
        """What a request is answered with.

        Args:
            kind: the frame's type.
            fields: its other fields.
            changes: whether it changes something, so that it may go out only once.
            seconds: how long to wait; None for the usual time.

        Raises:
            Unanswered: it was not.
            LettaFailure: there is no connection.
        """
        first, *others = await self.opened()
        try:
            return await self.ask_over(first, kind, fields, seconds=seconds)
        except Unanswered:
            if changes or first.is_open or not others:
                raise
        # A connection was lost just now, and there is another; a read changes nothing.
        return await self.ask_over(others[0], kind, fields, seconds=seconds)

    async def ask_over(self, socket: Socket, kind: str, fields: Json, *, seconds: float | None = None) -> Json:
        """What a request over one of them is answered with. Raises Unanswered."""
        try:
            return await socket.ask(kind, fields, seconds=seconds)
        except Unanswered:
            if socket.is_open:
                await self._look_for_life(socket)
            raise

    async def close(self) -> None:
        """Let go of them. The server then cancels what goes on over them."""
        async with anyio.create_task_group() as group:
            for socket in self._sockets:
                group.start_soon(socket.close)

    async def _look_for_life(self, socket: Socket) -> None:
        """A server may not know a request, and then says nothing; one that doesn't answer this either is stuck."""
        try:
            await socket.ask("app_server_info", {}, seconds=SIGN_OF_LIFE_SECONDS)
        except Unanswered:
            _logger.warning("The App Server at %s answers nothing any more.", self.server.name)
            await self.server.end(socket.endpoint)

    async def _add(self) -> None:
        endpoint = await self.server.endpoint()
        try:
            socket = await open_socket(endpoint, self._on_event)
        except errors.LettaUnavailable:
            # One that is stuck takes no connection, and stays so.
            await self.server.end(endpoint)
            raise
        self._group.start_soon(self._listen, socket)
        try:
            await self._check_version(socket)
        except BaseException:
            # Whoever asked for it may have gone: an unshielded close would not be finished.
            with anyio.move_on_after(CLOSE_SECONDS, shield=True):
                await socket.close()
            raise
        self._sockets.append(socket)

    async def _check_version(self, socket: Socket) -> None:
        try:
            info = await self.ask_over(socket, "app_server_info", {})
        except Unanswered as failure:
            raise errors.LettaUnavailable(self.server.name, failure.problem) from None
        if info.get("protocol_version") != PROTOCOL_VERSION:
            raise errors.AppServerVersion(self.server.name, str(info.get("protocol_version")))

    async def _listen(self, socket: Socket) -> None:
        try:
            await socket.listen()
        finally:
            if socket in self._sockets:
                self._sockets.remove(socket)
            _logger.info("A connection to the App Server was lost.")
        self._on_lost(socket)
