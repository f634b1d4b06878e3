"""The fake Letta is held to the real one: the same talk with both leaves the same notes.

No scenario is allowed to differ; what two talks with one server never have in common is masked by `tests.fake.talk`.
"""

from collections.abc import Iterator
from typing import Any

import anyio
import httpx
import pytest

from tests.contract import approvals, cancelling, meanwhile, reading, turns, variants
from tests.contract.scenario import PASSWORD, Scenario, scenarios_of
from tests.fake import FakeLetta, Tool
from tests.fake.seed import TOOLS
from tests.fake.talk import Json, Talk, difference
from tests.stack import NO_REDIS, Running, Variant, open_stack, seed

pytestmark = pytest.mark.real_letta


@pytest.fixture(scope="session")
def fake_letta() -> Iterator[FakeLetta]:
    with FakeLetta(ping_seconds=0.5) as letta:
        yield letta


@pytest.fixture(scope="session")
def real_agent_id(real_letta: Running) -> str:
    return seed.make_agent(real_letta, "contract", tools=seed.TOOLS)


async def slow_lookup(arguments: Json) -> object:
    """Takes a while, as Letta's tools do: a scenario cancels a turn meanwhile."""
    await anyio.sleep(0.1)
    return f"found {arguments['query']}"


FAKE_TOOLS = [Tool("lookup", slow_lookup) if tool.name == "lookup" else tool for tool in TOOLS]
SCENARIOS = scenarios_of(turns, approvals, meanwhile, cancelling, reading)


@pytest.mark.parametrize("play", SCENARIOS, ids=lambda play: play.__name__)
def test_the_fake_does_what_letta_does(
    play: Scenario, fake_letta: FakeLetta, real_letta: Running, real_agent_id: str
) -> None:
    """Ours: a fault that is tested on the fake must be one that Letta can have."""
    with (
        httpx.Client(base_url=fake_letta.base_url, timeout=30) as fake,
        httpx.Client(base_url=real_letta.base_url, timeout=60, trust_env=False) as real,
    ):
        of_fake = Talk(fake, fake_letta.add_agent("contract", tools=FAKE_TOOLS).id)
        of_real = Talk(real, real_agent_id, pause="1.5")

        play(of_fake)
        play(of_real)

    assert difference(of_fake, of_real) == ""


@pytest.mark.parametrize(
    ("play", "variant", "settings"),
    [
        (
            variants.a_password_is_asked_of_all_but_the_health_check,
            Variant(password=PASSWORD),
            {"password": PASSWORD},
        ),
        (variants.nothing_is_locked_or_replayed_without_redis, NO_REDIS, {"redis": False}),
    ],
    ids=["password", "no redis"],
)
def test_the_fake_set_up_another_way_does_what_letta_does(
    play: Scenario, variant: Variant, settings: dict[str, Any]
) -> None:
    headers = {"Authorization": f"Bearer {PASSWORD}"}
    with (
        open_stack(variant) as running,
        FakeLetta(ping_seconds=0.5, **settings) as letta,
        httpx.Client(base_url=letta.base_url, headers=headers, timeout=30) as fake,
        httpx.Client(base_url=running.base_url, headers=headers, timeout=60, trust_env=False) as real,
    ):
        of_fake = Talk(fake, letta.add_agent("contract").id)
        of_real = Talk(real, seed.make_agent(running, "contract"), pause="1.5")

        play(of_fake)
        play(of_real)

    assert difference(of_fake, of_real) == ""
