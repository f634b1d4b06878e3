"""What is asked of Letta before a message, and what is done then. Time is virtual, and so is Letta."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, cast

import anyio
import pytest

from letta_conv_mcp.errors import LettaUnavailable, NotLetta
from letta_conv_mcp.letta.port import Letta, MemoryState, NewConversation, Prompt, Run
from letta_conv_mcp.turns.memories import KNOWN_SECONDS, Memories
from letta_conv_mcp.views import Approval, Conversation
from tests.unit.virtual_time import virtual_loop

RUN = Run(
    id="run-1", agent_id="a", conversation_id="c", status="running", stop_reason=None, error_type=None, background=True
)
APPROVAL = Approval(tool_call_id="call-1", tool="erase", arguments="{}")


@dataclass
class MemoryLetta:
    """One agent's memory, and the prompts of its conversations."""

    value: str = "Bo"
    prompts: dict[str, Prompt] = field(default_factory=lambda: dict.fromkeys(("c", "d"), made_of("Bo")))
    active: list[Run] = field(default_factory=list[Run])
    approvals: list[Approval] = field(default_factory=list[Approval])
    asked: list[str] = field(default_factory=list[str])
    answers: bool = True
    recompiles: bool = True

    async def prompt(self, conversation_id: str) -> Prompt:
        self.asked.append("prompt")
        return self.prompts[conversation_id]

    async def memory_state(self, _: str) -> MemoryState:
        self.asked.append("memory")
        if not self.answers:
            raise LettaUnavailable("Letta", "is away")
        await anyio.sleep(0.1)
        return MemoryState(mark=self.value, values={"human": self.value})

    async def create_conversation(self, new: NewConversation) -> Conversation:
        self.asked.append("create")
        self.prompts["new"] = made_of(self.value)
        return Conversation(id="new", agent_id=new.agent_id)

    async def runs(self, *_: object, **__: object) -> list[Run]:
        return self.active

    async def pending_approvals(self, _: str) -> list[Approval]:
        return self.approvals

    async def recompile_conversation(self, conversation_id: str) -> str:
        self.asked.append("recompile")
        if not self.recompiles:
            raise NotLetta("Letta")
        if self.prompts[conversation_id].text is not None:
            self.prompts[conversation_id] = made_of(self.value)
        return self.prompts[conversation_id].text or "not shown again"

    @property
    def letta(self) -> Letta:
        """Itself, as the port: the rest of the port is not asked for here."""
        return cast("Letta", self)


def made_of(value: str) -> Prompt:
    text = f"<memory_blocks><human>\n<value>\n{value}\n</value>\n</human></memory_blocks>"
    return Prompt(agent_id="a", text=text)


def run(story: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=virtual_loop) as runner:
        runner.run(story)


def test_a_memory_is_asked_for_once_in_a_while_for_all_conversations_of_an_agent() -> None:
    async def story() -> None:
        letta = MemoryLetta()
        memories = Memories(letta.letta)
        assert not any([await memories.refresh(talk) for talk in ("c", "d", "c", "d")])
        await anyio.sleep(KNOWN_SECONDS)
        assert not await memories.refresh("c")

        assert letta.asked == ["prompt", "memory", "prompt", "memory"]

    run(story())


def test_a_change_is_seen_after_a_while_and_each_prompt_made_anew_once() -> None:
    async def story() -> None:
        letta = MemoryLetta()
        memories = Memories(letta.letta)
        await memories.refresh("c")
        letta.value = "Kim"
        assert not await memories.refresh("c")
        await anyio.sleep(KNOWN_SECONDS)
        refreshed = [await memories.refresh(talk) for talk in ("c", "d", "c", "d")]

        assert refreshed == [True, True, False, False]
        assert letta.asked.count("recompile") == 2

    run(story())


def test_a_change_of_ours_is_seen_at_once_also_while_the_memory_is_being_asked_for() -> None:
    async def story() -> None:
        letta = MemoryLetta()
        memories = Memories(letta.letta)
        async with anyio.create_task_group() as group:
            group.start_soon(memories.refresh, "c")
            await anyio.sleep(0.05)
            memories.forget(agent_id="a")
        letta.value = "Kim"

        assert await memories.refresh("c")
        letta.value = "Lee"
        memories.forget(conversation_id="c")
        assert await memories.refresh("d")

    run(story())


def test_a_conversation_in_which_something_goes_on_is_left_until_later() -> None:
    async def story() -> None:
        letta = MemoryLetta(value="Kim")
        memories = Memories(letta.letta)
        letta.active = [RUN]
        assert not await memories.refresh("c")
        letta.active, letta.approvals = [], [APPROVAL]
        assert not await memories.refresh("c")
        letta.approvals = []

        assert await memories.refresh("c")
        assert letta.asked.count("recompile") == 1

    run(story())


def test_a_conversation_with_blocks_of_its_own_is_asked_about_once_and_left() -> None:
    async def story() -> None:
        letta = MemoryLetta(value="Kim", prompts={"c": Prompt(agent_id="a", has_own_memory=True)})
        memories = Memories(letta.letta)

        assert not any([await memories.refresh("c") for _ in range(3)])
        assert letta.asked == ["prompt"]

    run(story())


def test_where_prompts_are_not_shown_they_are_made_anew_and_only_a_known_change_is_told() -> None:
    async def story() -> None:
        letta = MemoryLetta(prompts={"c": Prompt(agent_id="a")})
        memories = Memories(letta.letta)
        first = await memories.refresh("c")
        letta.value = "Kim"
        memories.forget(agent_id="a")

        assert [first, await memories.refresh("c"), await memories.refresh("c")] == [False, True, False]
        assert letta.asked.count("recompile") == 2

    run(story())


def test_a_conversation_that_is_made_here_is_looked_at_only_when_the_memory_has_changed() -> None:
    async def story() -> None:
        letta = MemoryLetta()
        memories = Memories(letta.letta)
        made = await memories.create_conversation(NewConversation(agent_id="a"))
        assert not await memories.refresh(made.id)
        assert letta.asked == ["memory", "create"]
        letta.value = "Kim"
        memories.forget(conversation_id=made.id)

        assert await memories.refresh(made.id)
        apart = await memories.create_conversation(NewConversation(agent_id="a", isolated_blocks=("human",)))
        letta.value = "Lee"
        memories.forget(agent_id="a")
        assert not await memories.refresh(apart.id)

    run(story())


def test_a_conversation_is_made_also_where_the_memory_can_not_be_told() -> None:
    async def story() -> None:
        letta = MemoryLetta(answers=False)
        memories = Memories(letta.letta)
        made = await memories.create_conversation(NewConversation(agent_id="a"))
        letta.answers = True

        assert not await memories.refresh(made.id)
        assert letta.asked == ["memory", "create", "prompt", "memory"]

    run(story())


def test_a_letta_that_can_not_be_asked_is_asked_again_the_next_time() -> None:
    async def story() -> None:
        letta = MemoryLetta(value="Kim", answers=False)
        memories = Memories(letta.letta)
        with pytest.raises(LettaUnavailable):
            await memories.refresh("c")
        letta.answers = True

        assert await memories.refresh("c")

    run(story())


def test_a_letta_that_can_not_make_a_prompt_anew_is_asked_for_that_once() -> None:
    """LETTA: servers before 0.16.7 have no such path."""

    async def story() -> None:
        letta = MemoryLetta(value="Kim", recompiles=False)
        memories = Memories(letta.letta)
        with pytest.raises(NotLetta):
            await memories.refresh("c")
        assert not await memories.refresh("c")

        assert letta.asked.count("recompile") == 1

    run(story())
