"""Where an App Server is, and who looks after it."""

from dataclasses import dataclass
from typing import Protocol

from pydantic import SecretStr


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where a server listens.

    Attributes:
        address: ws:// or wss://, without the path.
        token: its capability token; sent as a bearer token, and shown nowhere.
    """

    address: str
    token: SecretStr | None = None


class Server(Protocol):
    """An App Server, seen by those who connect to it.

    Attributes:
        name: what errors call it.
        is_running: whether it is known to run, so that nobody has to wait for its start.
    """

    @property
    def name(self) -> str: ...

    @property
    def is_running(self) -> bool: ...

    async def endpoint(self) -> Endpoint:
        """Where it listens now. One of our own is started where it isn't running. Raises LettaFailure."""
        ...

    async def end(self, endpoint: Endpoint) -> None:
        """The one at this endpoint is of no more use: it answers nothing, or has lost a turn. Our own one ends."""
        ...


class ForeignServer:
    """A server that somebody else runs.

    Args:
        endpoint: where.
    """

    is_running = True

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    @property
    def name(self) -> str:
        return self._endpoint.address

    async def endpoint(self) -> Endpoint:
        return self._endpoint

    async def end(self, endpoint: Endpoint) -> None:
        """Not ours to end."""
