"""Passing a request on to Letta and its answer back, frame by frame.

A request reaches Letta even when its client goes away at once, since Letta too would go on with it; an answer that
nobody reads any more is dropped.
"""

import re

import anyio
import httpx
from starlette.types import Message, Receive, Scope, Send

from tests.fake.gate import Gone

CONNECT_SECONDS = 5
FRAME_END = b"\n\n"
CONVERSATION = re.compile(r"/v1/conversations/(?P<id>[^/]+)/(messages|stream)$")
RUN_ID = re.compile(rb'"run_id":"(run-[^"]+)"')
# What belongs to one connection and not to the message, and what the server in front says for itself.
HOP_HEADERS = {b"connection", b"keep-alive", b"transfer-encoding", b"host", b"date", b"server"}


class Forward:
    """An ASGI app that is another server, seen through this process.

    Args:
        upstream_url: where the other server is.

    Attributes:
        conversations: where each run was seen to be, by its id.
    """

    def __init__(self, upstream_url: str) -> None:
        # A connection for each request: one kept open may be closed by Letta just as it is used, and nobody asked for
        # that fault.
        self._client = httpx.AsyncClient(
            base_url=upstream_url,
            trust_env=False,
            timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        )
        self.conversations: dict[str, str] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = self._client.build_request(
            scope["method"],
            httpx.URL(scope["raw_path"].decode("ascii")).copy_with(query=scope["query_string"]),
            headers=_kept(scope["headers"]),
            content=await _body(receive),
        )
        try:
            answer = await self._client.send(request, stream=True)
        except httpx.TransportError:
            raise Gone from None
        try:
            await send(
                {"type": "http.response.start", "status": answer.status_code, "headers": _kept(answer.headers.raw)}
            )
            if not await self._pass_on(answer, receive, self._noting_runs(scope, send)):
                raise Gone
        finally:
            with anyio.CancelScope(shield=True):
                await answer.aclose()

    def _noting_runs(self, scope: Scope, send: Send) -> Send:
        posted = CONVERSATION.match(scope["path"])
        if posted is None:
            return send

        async def noting(message: Message) -> None:
            # The first frame of an answer names the run.
            for run_id in RUN_ID.findall(message["body"]):
                self.conversations[run_id.decode()] = posted["id"]
            await send(message)

        return noting

    async def aclose(self) -> None:
        """Lets go of the connections to Letta."""
        await self._client.aclose()

    async def _pass_on(self, answer: httpx.Response, receive: Receive, send: Send) -> bool:
        """Whether the answer came to its end; a client that goes away ends it too."""
        is_whole = True
        async with anyio.create_task_group() as group:
            group.start_soon(_cancel_when_gone, receive, group.cancel_scope)
            try:
                await _send_frames(answer, send)
            except httpx.TransportError:
                is_whole = False
            group.cancel_scope.cancel()
        return is_whole


async def _send_frames(answer: httpx.Response, send: Send) -> None:
    is_stream = answer.headers.get("content-type", "").startswith("text/event-stream")
    rest = b""
    async for raw in answer.aiter_raw():
        rest += raw
        while is_stream and FRAME_END in rest:
            frame, _, rest = rest.partition(FRAME_END)
            await send(_part(frame + FRAME_END))
    # All of what is no stream, so that a fault meets it in one piece.
    if rest:
        await send(_part(rest))
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _cancel_when_gone(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


async def _body(receive: Receive) -> bytes:
    """The gate hands a body on in one piece."""
    return (await receive()).get("body", b"")


def _kept(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [(name.lower(), value) for name, value in headers if name.lower() not in HOP_HEADERS]


def _part(body: bytes) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": True}
