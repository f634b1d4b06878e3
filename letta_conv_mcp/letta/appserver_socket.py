"""One WebSocket to an App Server: requests and their answers, and everything else that it says.

The only importer of `websockets`. A frame that the server doesn't know gets no answer at all, so every request has a
time-out of ours.
"""

import ipaddress
import json
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit
from uuid import uuid4

import anyio

from letta_conv_mcp import errors
from letta_conv_mcp.letta.appserver_server import Endpoint
from letta_conv_mcp.letta.content import Json, objects

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

_logger = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 20.0
LONGEST_FRAME = 64 * 1024 * 1024


class Unanswered(Exception):
    """A request that went out got no answer: in time, or before the connection was lost."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class Socket:
    """One open connection.

    Args:
        connection: the library's.
        endpoint: where it leads.
        on_event: is told of everything that is no answer to a request of ours.

    Attributes:
        endpoint: where it leads.
        is_open: whether it can be used.
    """

    def __init__(
        self, connection: "ClientConnection", endpoint: Endpoint, on_event: "Callable[[Socket, Json], None]"
    ) -> None:
        self.endpoint = endpoint
        self._connection = connection
        self._on_event = on_event
        self._answers: dict[str, _Answer] = {}
        self.is_open = True

    async def ask(self, kind: str, fields: Json, *, seconds: float | None = None) -> Json:
        """What a request is answered with.

        Args:
            kind: the frame's type.
            fields: its other fields.
            seconds: how long to wait; None for the usual time.

        Raises:
            Unanswered: it was not.
        """
        request_id = uuid4().hex
        answer = self._answers[request_id] = _Answer()
        try:
            await self.tell({**fields, "type": kind, "request_id": request_id})
            with anyio.move_on_after(ANSWER_SECONDS if seconds is None else seconds):
                await answer.came.wait()
        finally:
            del self._answers[request_id]
        if answer.value is None:
            raise Unanswered("did not answer in time" if self.is_open else "dropped the connection")
        return answer.value

    async def tell(self, frame: Json) -> None:
        """Send a frame that nothing is answered to, or that is answered later.

        Raises:
            Unanswered: the connection is lost.
        """
        from websockets.exceptions import ConnectionClosed

        try:
            await self._connection.send(json.dumps(frame))
        except ConnectionClosed:
            raise Unanswered("dropped the connection") from None

    async def listen(self) -> None:
        """Take in what the server says until the connection is lost."""
        from websockets.exceptions import ConnectionClosed

        try:
            async for text in self._connection:
                self._take(text)
        except ConnectionClosed:
            # Without a goodbye. What was going on over it is looked after by whoever listens.
            pass
        finally:
            self.is_open = False
            for answer in self._answers.values():
                answer.came.set()

    async def close(self) -> None:
        """Close it."""
        await self._connection.close()

    def _take(self, text: str | bytes) -> None:
        try:
            frame = cast("object", json.loads(text))
        except (ValueError, RecursionError):
            # Not JSON, or nested too deep to be read.
            _logger.warning("An App Server sent a frame that can't be read.")
            return
        if not isinstance(frame, dict):
            return
        said = cast("dict[str, Any]", frame)
        answer = self._answers.get(str(said.get("request_id")))
        if answer is None:
            self._on_event(self, said)
            return
        answer.entries += objects(said.get("entries"))
        if said.get("done") is False:
            # A long list comes in parts.
            return
        answer.value = {**said, "entries": answer.entries} if "entries" in said else said
        answer.came.set()


class _Answer:
    def __init__(self) -> None:
        self.came = anyio.Event()
        self.entries: list[Json] = []
        self.value: Json | None = None


async def open_socket(endpoint: Endpoint, on_event: Callable[[Socket, Json], None]) -> Socket:
    """A connection to an App Server; somebody has to let it `listen`.

    Args:
        endpoint: where it listens.
        on_event: see `Socket`.

    Raises:
        LettaUnavailable: nothing answers.
        NotAllowed: the token is missing or wrong.
        NotLetta: something else answers.
    """
    # Its import takes a while, and not everybody needs it.
    from websockets.asyncio.client import connect
    from websockets.exceptions import InvalidStatus, WebSocketException

    address, token = endpoint.address, endpoint.token
    headers = {"Authorization": f"Bearer {token.get_secret_value()}"} if token else {}
    try:
        connection = await connect(
            f"{address}/ws",
            additional_headers=headers,
            open_timeout=CONNECT_SECONDS,
            close_timeout=1,
            max_size=LONGEST_FRAME,
            # What runs on this machine is behind no proxy.
            proxy=None if _is_loopback(address) else True,
        )
    except InvalidStatus as error:
        if error.response.status_code in (401, 403):
            raise errors.NotAllowed(address, has_key=token is not None) from None
        raise errors.NotLetta(address) from None
    except WebSocketException as error:
        if isinstance(error.__cause__, EOFError):
            raise errors.LettaUnavailable(address, "dropped the connection") from None
        raise errors.NotLetta(address) from None
    except (OSError, TimeoutError):
        raise errors.LettaUnavailable(address, "can't be reached") from None
    except ImportError:
        # The library speaks to such a proxy only with another one's help.
        raise errors.LettaUnavailable(address, "can't be reached through a SOCKS proxy") from None
    return Socket(connection, endpoint, on_event)


def _is_loopback(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
