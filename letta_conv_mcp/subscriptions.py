"""Telling hosts what changed, as each protocol era has it.

Up to 2025-11-25 a client subscribes to single resources, and notifications come on its connection. On 2026-07-28 it
opens a stream for what it wants to hear of, and nothing may be said outside of it.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, cast

from mcp.server.connection import Connection
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceNotFoundError
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourcesListChanged, ResourceUpdated
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    EmptyResult,
    SubscribeRequestParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    UnsubscribeRequestParams,
)

from letta_conv_mcp.app import App
from letta_conv_mcp.errors import LettaFailure, NotWatchable, TooManyWatched
from letta_conv_mcp.subscribers import Subscriber

CHANGES_LIST = frozenset(
    {
        *("create_conversation", "fork_conversation", "update_conversation", "delete_conversation"),
        *("create_agent", "delete_agent", "open_conversation", "compare_replies"),
    }
)
"""Tools by which conversations and agents come and go, and get other names."""
CHANGES_CONVERSATION = frozenset(
    {"update_conversation", "delete_conversation", "compact_conversation", "recompile_conversation"}
)
"""Tools that change one without a turn; a turn tells by itself when it is settled."""
_KEY = "letta_conv_mcp.subscriber"


class ConnectedSubscriber(Subscriber):
    """A connection of the older eras."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection

    async def tell_of_resource(self, uri: str) -> None:
        """See the base."""
        await self._connection.send_resource_updated(uri)

    async def tell_of_list(self) -> None:
        """See the base."""
        # Nothing may be said before the client is ready.
        if self._connection.initialized.is_set():
            await self._connection.send_resource_list_changed()


class ListeningSubscriber(Subscriber):
    """A stream of 2026-07-28."""

    def __init__(self) -> None:
        super().__init__()
        self.bus = InMemorySubscriptionBus()

    async def tell_of_resource(self, uri: str) -> None:
        """See the base."""
        await self.bus.publish(ResourceUpdated(uri=uri))

    async def tell_of_list(self) -> None:
        """See the base."""
        await self.bus.publish(ResourcesListChanged())


def add_subscriptions(server: MCPServer[App]) -> None:
    """Serve subscriptions in both eras, and tell of what tools change."""
    lowlevel = server._lowlevel_server  # noqa: SLF001 - the SDK's own handler watches any address for anybody
    lowlevel.add_request_handler("resources/subscribe", SubscribeRequestParams, subscribe)
    lowlevel.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, unsubscribe)
    lowlevel.add_request_handler("subscriptions/listen", SubscriptionsListenRequestParams, listen)
    server.middleware.append(tell_of_changes)


async def subscribe(ctx: ServerRequestContext[App, Any], params: SubscribeRequestParams) -> EmptyResult:
    """Up to 2025-11-25: tell this connection of changes of a resource."""
    try:
        await _subscribe(ctx.lifespan_context, _connected(ctx), params.uri)
    except LettaFailure as failure:
        is_theirs = isinstance(failure, ResourceNotFoundError | NotWatchable | TooManyWatched)
        raise MCPError(INVALID_PARAMS if is_theirs else INTERNAL_ERROR, str(failure)) from None
    return EmptyResult()


async def unsubscribe(ctx: ServerRequestContext[App, Any], params: UnsubscribeRequestParams) -> EmptyResult:
    """Up to 2025-11-25: tell it no more."""
    with suppress(TooManyWatched):
        ctx.lifespan_context.subscribers.unsubscribe(_connected(ctx), params.uri)
    return EmptyResult()


async def listen(
    ctx: ServerRequestContext[App, Any], params: SubscriptionsListenRequestParams
) -> SubscriptionsListenResult:
    """2026-07-28: a stream of changes. What can't be watched is left out of the acknowledgement."""
    subscribers = ctx.lifespan_context.subscribers
    subscriber = ListeningSubscriber()
    try:
        subscribers.join(subscriber)
    except TooManyWatched as failure:
        raise MCPError(INTERNAL_ERROR, str(failure)) from None
    try:
        watched = [
            uri
            for uri in params.notifications.resource_subscriptions or []
            if await _is_subscribed(ctx.lifespan_context, subscriber, uri)
        ]
        notifications = params.notifications.model_copy(update={"resource_subscriptions": watched})
        stream = ListenHandler(subscriber.bus, max_subscriptions=1)
        return await stream(ctx, params.model_copy(update={"notifications": notifications}))
    finally:
        subscribers.leave(subscriber)


async def tell_of_changes(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Middleware: greets connections of the older eras, and tells of what a tool changed."""
    result = await call_next(ctx)
    if ctx.method == "initialize":
        with suppress(TooManyWatched):
            _connected(ctx)
        _promise_list_changes(result)
    elif ctx.method == "tools/call":
        _note_changes(ctx.lifespan_context, ctx.params or {})
    return result


async def _subscribe(app: App, subscriber: Subscriber, uri: str) -> None:
    if app.offered.isdisjoint(("retrieve_conversation", "get_history")):
        # What can't be read can't be watched.
        raise NotWatchable(uri)
    await app.subscribers.subscribe(subscriber, uri)


async def _is_subscribed(app: App, subscriber: Subscriber, uri: str) -> bool:
    try:
        await _subscribe(app, subscriber, uri)
    except LettaFailure:
        return False
    return True


def _connected(ctx: ServerRequestContext[App, Any]) -> Subscriber:
    """The subscriber that a connection of the older eras is."""
    connection = ctx.session._connection  # noqa: SLF001 - what is told outside of a request goes there
    known = connection.state.get(_KEY)
    if isinstance(known, Subscriber):
        return known
    subscriber, subscribers = ConnectedSubscriber(connection), ctx.lifespan_context.subscribers
    subscribers.join(subscriber)
    connection.state[_KEY] = subscriber
    connection.exit_stack.callback(subscribers.leave, subscriber)
    return subscriber


def _promise_list_changes(result: HandlerResult) -> None:
    # The SDK asks each transport for this; here is one place for all.
    if isinstance(result, dict):
        result["capabilities"]["resources"]["listChanged"] = True


def _note_changes(app: App, params: Mapping[str, Any]) -> None:
    tool = params.get("name")
    arguments = cast("Mapping[str, Any]", params.get("arguments") or {})
    # Also where it failed: it may have been carried out all the same, and a needless look costs little.
    if tool in CHANGES_LIST:
        app.recent.forget()
        app.subscribers.list_changed()
    if tool in CHANGES_CONVERSATION:
        app.subscribers.conversation_changed(str(arguments.get("conversation_id")))
