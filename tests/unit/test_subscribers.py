"""How clients are told: each at its own pace, and nothing twice that it hasn't taken yet."""

from typing import cast

import anyio
import pytest

from letta_conv_mcp.errors import TooManyWatched
from letta_conv_mcp.letta.port import Letta
from letta_conv_mcp.subscribers import MEMBERS, Subscriber, Subscribers
from letta_conv_mcp.views import Conversation
from letta_conv_mcp.watches import Watches

pytestmark = pytest.mark.anyio

URI = "letta://conversations/conv-1"


class Taking(Subscriber):
    """A client that takes what it is told when it is ready to."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []
        self.is_ready = anyio.Event()

    async def tell_of_resource(self, uri: str) -> None:
        self.told.append(uri)
        await self.is_ready.wait()

    async def tell_of_list(self) -> None:
        await self.tell_of_resource("the list")


class Existing:
    """A Letta in memory in which every conversation is there."""

    is_there = True

    async def conversation(self, conversation_id: str) -> Conversation:
        await anyio.lowlevel.checkpoint()
        return Conversation(id=conversation_id, agent_id="agent-1")


async def test_a_client_that_takes_nothing_keeps_nobody_waiting_and_is_told_once_when_it_does() -> None:
    slow, quick = Taking(), Taking()
    told: list[int] = []
    quick.is_ready.set()
    async with anyio.create_task_group() as group:
        subscribers = Subscribers(Watches(cast("Letta", Existing()), group), group)
        for subscriber in (slow, quick):
            subscribers.join(subscriber)
            await subscribers.subscribe(subscriber, URI)
        for _ in range(3):
            subscribers.list_changed()
            subscribers.conversation_changed("conv-1")
            await anyio.wait_all_tasks_blocked()
        told += [len(quick.told), len(slow.told)]
        slow.is_ready.set()
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()

    assert told == [6, 1]
    assert slow.told == ["the list", URI, "the list"]


async def test_a_client_that_leaves_while_it_subscribes_leaves_nothing_behind() -> None:
    subscriber = Taking()
    with anyio.fail_after(5):
        await _left_while_subscribing(subscriber)

    assert subscriber.uris == {}


async def _left_while_subscribing(subscriber: Taking) -> None:
    async with anyio.create_task_group() as group:
        subscribers = Subscribers(Watches(cast("Letta", Existing()), group), group)
        subscribers.join(subscriber)
        async with anyio.create_task_group() as subscribing:
            subscribing.start_soon(subscribers.subscribe, subscriber, URI)
            await anyio.lowlevel.checkpoint()
            subscribers.leave(subscriber)
        # Ends only because nothing is polled and nobody waits to be told.


async def test_only_so_many_clients_are_told() -> None:
    async with anyio.create_task_group() as group:
        subscribers = Subscribers(Watches(cast("Letta", Existing()), group), group)
        members = [Taking() for _ in range(MEMBERS)]
        for member in members:
            subscribers.join(member)
        with pytest.raises(TooManyWatched):
            subscribers.join(Taking())
        subscribers.leave(members[0])
        subscribers.join(Taking())
        group.cancel_scope.cancel()
