"""Clients that want to hear of changes, in whichever way they are told of them."""

from abc import ABC, abstractmethod
from collections import defaultdict

import anyio
from anyio.abc import TaskGroup

from letta_conv_mcp.errors import NotWatchable, TooManyWatched
from letta_conv_mcp.uris import conversation_of
from letta_conv_mcp.watches import Watches

MEMBERS = 100
SUBSCRIPTIONS = 200
"""Of one client's."""


class Subscriber(ABC):
    """One client: its connection, or one of its streams. What changes twice before it is told, is told once."""

    def __init__(self) -> None:
        self.uris: defaultdict[str, set[str]] = defaultdict(set)
        """What it wants to hear of, by conversation: the addresses as it wrote them."""
        self.scope = anyio.CancelScope()
        self._untold: dict[str | None, None] = {}
        self._news = anyio.Event()

    def conversation_changed(self, conversation_id: str) -> None:
        """Something in a conversation changed."""
        self._note(*sorted(self.uris.get(conversation_id, ())))

    def list_changed(self) -> None:
        """Resources have come or gone."""
        self._note(None)

    async def run(self) -> None:
        """Tell the client as fast as it takes it. A slow one keeps nobody else waiting."""
        with self.scope:
            while True:
                await self._news.wait()
                self._news = anyio.Event()
                while self._untold:
                    uri = next(iter(self._untold))
                    del self._untold[uri]
                    await (self.tell_of_list() if uri is None else self.tell_of_resource(uri))

    @abstractmethod
    async def tell_of_resource(self, uri: str) -> None:
        """Tell it that a resource changed. Never raises, whatever has become of the client."""

    @abstractmethod
    async def tell_of_list(self) -> None:
        """Tell it that resources have come or gone. Never raises."""

    def _note(self, *untold: str | None) -> None:
        if untold:
            self._untold.update(dict.fromkeys(untold))
            self._news.set()


class Subscribers:
    """The clients of one Letta identity that are told of changes.

    Args:
        watches: the conversations that they want to hear of.
        group: the task group in which they are told; it outlives them.
    """

    def __init__(self, watches: Watches, group: TaskGroup) -> None:
        self.members: dict[Subscriber, None] = {}
        self._watches = watches
        self._group = group

    def join(self, subscriber: Subscriber) -> None:
        """Tell it when resources come and go, until it leaves. Raises TooManyWatched."""
        if len(self.members) >= MEMBERS:
            raise TooManyWatched(MEMBERS, "clients")
        self.members[subscriber] = None
        self._group.start_soon(subscriber.run)

    def leave(self, subscriber: Subscriber) -> None:
        """Tell it nothing more."""
        self.members.pop(subscriber, None)
        subscriber.scope.cancel()
        for conversation_id in subscriber.uris:
            self._watches.remove(conversation_id, subscriber.conversation_changed)
        subscriber.uris.clear()

    async def subscribe(self, subscriber: Subscriber, uri: str) -> None:
        """Tell a member of each change of a resource from now on.

        Raises:
            NotWatchable: nothing tells of changes of this resource.
            ConversationNotFound: there is no such conversation.
            TooManyWatched: it has too many already, or all have.
            LettaFailure: Letta can't be asked.
        """
        conversation_id = conversation_of(uri)
        if conversation_id is None:
            raise NotWatchable(uri)
        if sum(len(uris) for uris in subscriber.uris.values()) >= SUBSCRIPTIONS:
            raise TooManyWatched(SUBSCRIPTIONS, "resources")
        await self._watches.add(conversation_id, subscriber.conversation_changed)
        if subscriber in self.members:
            subscriber.uris[conversation_id].add(uri)
        else:
            # It left meanwhile.
            self._watches.remove(conversation_id, subscriber.conversation_changed)

    def unsubscribe(self, subscriber: Subscriber, uri: str) -> None:
        """Tell it no more of this resource."""
        conversation_id = conversation_of(uri)
        if conversation_id is None or conversation_id not in subscriber.uris:
            return
        subscriber.uris[conversation_id].discard(uri)
        if not subscriber.uris[conversation_id]:
            del subscriber.uris[conversation_id]
            self._watches.remove(conversation_id, subscriber.conversation_changed)

    def conversation_changed(self, conversation_id: str) -> None:
        """Something in a conversation was changed through this process."""
        self._watches.touch(conversation_id)

    def list_changed(self) -> None:
        """Conversations came, went, or got another name, through this process."""
        for member in self.members:
            member.list_changed()
