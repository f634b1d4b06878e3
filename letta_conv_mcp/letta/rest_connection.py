"""The connection to a Letta REST server: letta-client, imported late and read as plain JSON.

letta-client makes the requests; its answers are read as JSON because its models turn unfamiliar chunks into
other message classes. Its own retries are off for whatever changes something: it would post a message three
times.
"""

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import anyio
import anyio.to_thread
from pydantic import SecretStr

from letta_conv_mcp import errors
from letta_conv_mcp.letta.events import Frame, frame_from_json
from letta_conv_mcp.letta.rest_failures import Question, letta_failures, no_answer, not_letta

if TYPE_CHECKING:
    from letta_client import AsyncLetta, AsyncStream

_logger = logging.getLogger(__name__)

READ_SECONDS = 15.0
"""For one try; letta-client tries a read three times, and pauses as long as Letta asks it to."""
ANSWER_SECONDS = 45.0
"""For all tries together: hosts give up at 60 s."""
SILENCE_SECONDS = 60.0
"""Between two chunks of a stream. Letta pings every 20 s."""
CLOSE_SECONDS = 2.0

Call: TypeAlias = Callable[["AsyncLetta"], Awaitable[Any]]
"""Makes one request through a `with_raw_response` method of the client it is given."""


class RestConnection:
    """One client for one address and key, made at the first request.

    Args:
        base_url: the address; None answers every request with NotConfigured.
        api_key: sent as a bearer token, and shown nowhere.
    """

    def __init__(self, base_url: str | None, api_key: SecretStr | None) -> None:
        self.address = base_url
        self.has_key = api_key is not None
        self._api_key = api_key
        self._connecting = anyio.Lock()
        self._client: AsyncLetta | None = None

    async def ask(self, call: Call, question: Question) -> object:
        """The JSON that a request is answered with. A request that changes something is made only once."""
        client = await self._connected()
        if question.check is not None:
            client = client.with_options(max_retries=0)
        with anyio.move_on_after(ANSWER_SECONDS), letta_failures(question):
            response = await call(client)
            return cast("object", await response.json())
        raise no_answer(question, "did not answer in time", maybe_done=True)

    async def fetch(self, path: str, question: Question) -> object:
        """The JSON, or else the text, at a path that letta-client has no method for."""
        client = (await self._connected()).with_options(max_retries=0)
        with letta_failures(question):
            return await client.get(path, cast_to=object)

    @asynccontextmanager
    async def stream(
        self, call: Call, question: Question, *, must_begin: bool = False
    ) -> AsyncGenerator[AsyncIterator[Frame]]:
        """The frames that a request is answered with. Made only once; see `letta.port.Frames` for how it ends.

        Args:
            call: the request.
            question: what is asked.
            must_begin: a stream whose first frame doesn't name its run is no answer. Letta's always does.
        """
        client = (await self._connected()).with_options(max_retries=0, timeout=_stream_timeout())
        from letta_client import AsyncStream

        asked = replace(question, streams=True)
        with letta_failures(asked):
            response = await call(client)
            if "text/event-stream" not in response.headers.get("content-type", ""):
                with anyio.move_on_after(CLOSE_SECONDS, shield=True):
                    await response.http_response.aclose()
                raise not_letta(asked)
            stream = cast("AsyncStream[object]", await response.parse(to=AsyncStream[object]))
        try:
            frames = _frames(stream)
            if must_begin:
                first = await anext(frames, None)
                if first is None or first.run_id is None:
                    raise no_answer(asked, "broke off its answer", maybe_done=True)
                frames = _with_first(first, frames)
            yield frames
        finally:
            # The reader may be cancelled: unshielded, the connection would stay open.
            with anyio.move_on_after(CLOSE_SECONDS, shield=True):
                await stream.close()

    async def aclose(self) -> None:
        """Close the connections, if any were opened."""
        if self._client is not None:
            await self._client.close()

    async def _connected(self) -> "AsyncLetta":
        if self.address is None:
            raise errors.NotConfigured
        async with self._connecting:
            if self._client is None:
                # In a thread, because the import would stop the event loop for half a second.
                self._client = await anyio.to_thread.run_sync(_new_client, self.address, self._api_key)
        return self._client


def _new_client(address: str, api_key: SecretStr | None) -> "AsyncLetta":
    import httpx
    from letta_client import AsyncLetta, DefaultAsyncHttpxClient, omit

    http = DefaultAsyncHttpxClient(
        # A redirected POST becomes a GET: a list of conversations would be taken for the one that was to be created.
        follow_redirects=False,
        # letta-client stops at a hundred connections. Each live turn holds one, and the next read would wait for it.
        # Letta closes one that was idle for five seconds, perhaps just as a message goes out on it.
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=3),
    )
    if api_key is not None:
        key = api_key.get_secret_value()
        return AsyncLetta(base_url=address, api_key=key, timeout=READ_SECONDS, http_client=http)
    # Empty rather than None, for which letta-client would look into the environment, at every copy anew. The header
    # it would make of it is not allowed.
    headers = cast("dict[str, str]", {"Authorization": omit})
    return AsyncLetta(base_url=address, api_key="", default_headers=headers, timeout=READ_SECONDS, http_client=http)


def _stream_timeout() -> Any:
    # httpx comes with letta-client.
    import httpx

    return httpx.Timeout(SILENCE_SECONDS, connect=10.0)


async def _with_first(first: Frame, others: AsyncIterator[Frame]) -> AsyncGenerator[Frame]:
    yield first
    async for frame in others:
        yield frame


async def _frames(stream: "AsyncStream[object]") -> AsyncGenerator[Frame]:
    import httpx
    from letta_client import APIStatusError, LettaError

    try:
        async for chunk in stream:
            yield frame_from_json(chunk)
    except APIStatusError as error:
        # An `event: error` frame, as letta-client shows it: status 200, and the frame's data as the body.
        yield frame_from_json(error.body)
    except (LettaError, httpx.HTTPError, ValueError) as error:
        # Cut off, silent, or not JSON: the reader sees that no stop reason came.
        _logger.info("A stream from Letta broke off (%s).", type(error).__name__)
