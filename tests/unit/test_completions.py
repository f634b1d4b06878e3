"""What fits what a person has typed, and when Letta is asked for it."""

import anyio
import pytest

from letta_conv_mcp.completions import agent_candidates, conversation_candidates, matching
from letta_conv_mcp.recent import KEPT_SECONDS, Kept, Newest
from letta_conv_mcp.views import Agent, Conversation

pytestmark = pytest.mark.anyio


def agents(*names: str) -> list[Agent]:
    return [Agent(id=f"agent-{number}", name=name) for number, name in enumerate(names)]


def conversations(*summaries: str | None) -> list[Conversation]:
    return [
        Conversation(id=f"conv-{number}", agent_id="agent-0", summary=summary)
        for number, summary in enumerate(summaries)
    ]


def values(typed: str, candidates: list[tuple[str, str]]) -> list[str]:
    return matching(candidates, typed, more=False).values


def test_what_begins_so_comes_before_what_contains_it_and_the_latest_first() -> None:
    candidates = conversation_candidates(
        conversations("The trip", "Trip to Rome", "Bread", "TRIP to Oslo"), is_address=False
    )

    assert values("trip", candidates) == ["Trip to Rome", "TRIP to Oslo", "The trip"]
    assert values("", candidates) == ["The trip", "Trip to Rome", "Bread", "TRIP to Oslo"]
    assert values("cake", candidates) == []


def test_what_several_share_is_completed_by_id() -> None:
    assert values("", agent_candidates(agents("Ada", "Bo", "Ada"), is_address=False)) == ["agent-0", "Bo", "agent-2"]
    assert values("ada", agent_candidates(agents("Ada", "Bo", "Ada"), is_address=False)) == ["agent-0", "agent-2"]
    assert values("trip", conversation_candidates(conversations("Trip", "trip"), is_address=False)) == [
        "conv-0",
        "conv-1",
    ]


@pytest.mark.parametrize("summary", [None, "", " ", " padded", "two\nlines"])
def test_a_summary_that_cannot_be_typed_is_completed_by_id(summary: str | None) -> None:
    assert values("", conversation_candidates(conversations(summary), is_address=False)) == ["conv-0"]


def test_an_address_gets_ids_and_names_that_need_no_escaping() -> None:
    assert values("", agent_candidates(agents("Ada", "Ada Lovelace", "a/b"), is_address=True)) == [
        "Ada",
        "agent-1",
        "agent-2",
    ]
    assert values("trip", conversation_candidates(conversations("Trip"), is_address=True)) == ["conv-0"]


def test_an_id_is_found_too() -> None:
    assert values("conv-1", conversation_candidates(conversations("Trip", "Bread"), is_address=False)) == ["Bread"]


def test_at_most_a_hundred_are_shown_and_the_rest_is_counted() -> None:
    """MCP: the limit is a hundred values."""
    candidates = agent_candidates(agents(*(f"Ada {number}" for number in range(150))), is_address=False)

    whole = matching(candidates, "ada", more=False)
    part = matching(candidates, "ada 7", more=True)

    assert (len(whole.values), whole.total, whole.has_more) == (100, 150, True)
    assert (len(part.values), part.total, part.has_more) == (11, None, True)


class Answering:
    """A Letta that lists one agent, named after how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.answers = anyio.Event()

    async def __call__(self) -> Newest[Agent]:
        self.asked += 1
        newest = Newest(agents(f"Ada {self.asked}"), more=False)
        await self.answers.wait()
        return newest


async def test_letta_is_asked_once_however_many_keys_are_pressed(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("letta_conv_mcp.recent.anyio.current_time", lambda: now)
    letta = Answering()
    kept = Kept(letta)

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(kept.value)
        await anyio.wait_all_tasks_blocked()
        letta.answers.set()
    now = KEPT_SECONDS - 0.1
    within = (await kept.value()).items
    now = KEPT_SECONDS
    after = (await kept.value()).items

    assert (within, after, letta.asked) == (agents("Ada 1"), agents("Ada 2"), 2)


async def test_what_changed_is_asked_for_anew_even_while_the_answer_is_on_its_way() -> None:
    letta = Answering()
    kept = Kept(letta)

    async with anyio.create_task_group() as group:
        group.start_soon(kept.value)
        await anyio.wait_all_tasks_blocked()
        kept.forget()
        letta.answers.set()
    second = (await kept.value()).items
    kept.forget()
    third = (await kept.value()).items

    assert (second, third) == (agents("Ada 2"), agents("Ada 3"))
