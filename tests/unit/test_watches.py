"""How often a watched conversation is looked at, and what survives what. Time is virtual here: nothing waits."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import anyio
import pytest

from letta_conv_mcp.errors import ConversationNotFound, LettaUnavailable, TooManyWatched
from letta_conv_mcp.letta.port import Letta
from letta_conv_mcp.subscriptions import CHANGES_CONVERSATION, CHANGES_LIST
from letta_conv_mcp.tools import CATALOG
from letta_conv_mcp.views import Conversation
from letta_conv_mcp.watches import LONGEST_PAUSE, SHORTEST_PAUSE, WATCHED, Watches
from tests.unit.virtual_time import virtual_loop

pytestmark = pytest.mark.anyio

TOLD_BY_THEIR_TURNS = {"send_message", "answer_approval", "cancel_reply"}
SEEN_IN_NO_CONVERSATION = {"update_memory"}


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"loop_factory": virtual_loop}


class OneConversation:
    """A Letta in memory, as far as it is looked at: when it was, and what it then shows."""

    def __init__(self) -> None:
        self.looks: list[float] = []
        self.count = 0
        self.failure: Exception | None = None
        self.takes = 0.0
        self.is_there = True

    async def conversation(self, conversation_id: str) -> Conversation:
        self.looks.append(anyio.current_time())
        count = self.count
        await anyio.sleep(self.takes)
        if self.failure is not None:
            raise self.failure
        return Conversation(id=conversation_id, agent_id="agent-1", in_context_count=count)


class Ear:
    """A listener: when it was told."""

    def __init__(self) -> None:
        self.told: list[float] = []

    def __call__(self, conversation_id: str) -> None:
        assert conversation_id.startswith("conv-")
        self.told.append(anyio.current_time())


@asynccontextmanager
async def watching(letta: OneConversation) -> AsyncGenerator[Watches]:
    async with anyio.create_task_group() as group:
        yield Watches(cast("Letta", letta), group)
        group.cancel_scope.cancel()


async def test_looks_slow_down_while_nothing_happens_and_quicken_when_something_does() -> None:
    letta, ear = OneConversation(), Ear()
    async with watching(letta) as watches:
        await watches.add("conv-1", ear)
        await anyio.sleep(600)
        slow = letta.looks[-1] - letta.looks[-2]
        first_minute = sum(look <= letta.looks[0] + 60 for look in letta.looks)
        letta.count += 1
        await anyio.sleep(LONGEST_PAUSE + 0.1)
        heard = ear.told[-1]
        await anyio.sleep(SHORTEST_PAUSE)

    assert slow == LONGEST_PAUSE
    assert first_minute <= 9
    assert len(ear.told) == 1
    assert next(look for look in letta.looks if look > heard) == pytest.approx(heard + SHORTEST_PAUSE)


async def test_a_touch_is_told_at_once_and_only_once() -> None:
    letta, ear = OneConversation(), Ear()
    letta.takes = 0.5
    async with watching(letta) as watches:
        await watches.add("conv-1", ear)
        letta.count += 1
        watches.touch("conv-1")
        watches.touch("conv-1")
        watches.touch("conv-unwatched")
        started = anyio.current_time()
        await anyio.sleep(SHORTEST_PAUSE * 3)

    assert ear.told == [started + 0.5]


async def test_a_touch_during_a_look_is_not_lost() -> None:
    letta, ear = OneConversation(), Ear()
    letta.takes = 0.5
    async with watching(letta) as watches:
        await watches.add("conv-1", ear)
        watches.touch("conv-1")
        await anyio.sleep(0.2)
        watches.touch("conv-1")
        await anyio.sleep(1)

    assert len(ear.told) == 2


async def test_many_listeners_share_one_poll_which_ends_with_the_last() -> None:
    letta, ears = OneConversation(), [Ear() for _ in range(10)]
    async with watching(letta) as watches:
        for ear in ears:
            await watches.add("conv-1", ear)
        letta.looks.clear()
        await anyio.sleep(SHORTEST_PAUSE + 0.1)
        together = len(letta.looks)
        for ear in ears[1:]:
            watches.remove("conv-1", ear)
        letta.count += 1
        await anyio.sleep(LONGEST_PAUSE)
        watches.remove("conv-1", ears[0])
        watches.remove("conv-1", ears[0])
        letta.looks.clear()
        await anyio.sleep(600)

    assert together == 1
    assert [len(ear.told) for ear in ears] == [1, *[0] * 9]
    assert letta.looks == []


async def test_a_conversation_that_goes_is_told_once() -> None:
    letta, ear = OneConversation(), Ear()
    async with watching(letta) as watches:
        await watches.add("conv-1", ear)
        letta.failure = ConversationNotFound("conv-1")
        await anyio.sleep(600)

    assert len(ear.told) == 1


async def test_a_letta_that_fails_tells_nothing_and_is_asked_less() -> None:
    letta, ear = OneConversation(), Ear()
    async with watching(letta) as watches:
        await watches.add("conv-1", ear)
        letta.failure = LettaUnavailable("http://x", "can't be reached")
        await anyio.sleep(600)
        slow = letta.looks[-1] - letta.looks[-2]
        told = list(ear.told)
        letta.failure, letta.count = None, 1
        await anyio.sleep(LONGEST_PAUSE)

    assert (slow, told, len(ear.told)) == (LONGEST_PAUSE, [], 1)


async def test_a_letta_is_not_started_to_be_looked_at() -> None:
    letta, ear = OneConversation(), Ear()
    async with watching(letta) as watches:
        await watches.add("conv-1", ear)
        letta.is_there = False
        letta.looks.clear()
        await anyio.sleep(600)

    assert letta.looks == ear.told == []


async def test_a_fault_of_ours_costs_one_watch_and_not_the_server(caplog: pytest.LogCaptureFixture) -> None:
    letta, ear = OneConversation(), Ear()

    def broken(_: str) -> None:
        raise RuntimeError

    async with watching(letta) as watches:
        await watches.add("conv-1", broken)
        await watches.add("conv-2", ear)
        letta.count += 1
        await anyio.sleep(SHORTEST_PAUSE * 2)
        # Whoever comes later is served again.
        await watches.add("conv-1", ear)
        watches.touch("conv-1")
        await anyio.sleep(1)

    assert len(ear.told) == 2
    assert "conv-1 is no longer watched." in caplog.text


async def test_only_so_many_are_watched_at_a_time() -> None:
    letta, ear = OneConversation(), Ear()
    async with watching(letta) as watches:
        for number in range(WATCHED):
            await watches.add(f"conv-{number}", ear)
        with pytest.raises(TooManyWatched):
            await watches.add("conv-more", ear)
        await watches.add("conv-0", Ear())
        watches.remove("conv-1", ear)
        await watches.add("conv-more", ear)


def test_of_every_tool_that_changes_something_it_is_known_what_is_told() -> None:
    """Ours: a tool that is added later is thought of."""
    changing = {entry.name for entry in CATALOG if not entry.annotations.read_only_hint}

    assert changing == CHANGES_LIST | CHANGES_CONVERSATION | TOLD_BY_THEIR_TURNS | SEEN_IN_NO_CONVERSATION
