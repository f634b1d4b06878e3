"""`letta-conv-mcp chat` in a real terminal, before real Lettas."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.conftest import Place
from tests.integration.terminal import CTRL_C, CTRL_D, chatting
from tests.stack import Running
from tests.stack.seed import TOOLS, make_agent

pytestmark = pytest.mark.real_letta


@pytest.fixture
def agent_id(real_letta: Running) -> str:
    """An agent without conversations."""
    return make_agent(real_letta, "Ada", tools=TOOLS)


@pytest.fixture
def runs(real_letta: Running, agent_id: str) -> Callable[[], list[dict[str, Any]]]:
    """The agent's runs as Letta tells them, oldest first."""

    def ask() -> list[dict[str, Any]]:
        about = {"agent_id": agent_id, "order": "asc"}
        answer = httpx.get(f"{real_letta.base_url}/v1/runs/", params=about, timeout=30, trust_env=False)
        return answer.raise_for_status().json()

    return ask


@pytest.mark.parametrize("where", ["real_place", "app_server_place"])
def test_a_reply_is_shown_as_it_comes_and_gone_on_with_after_a_restart(
    where: str, request: pytest.FixtureRequest
) -> None:
    place: Place = request.getfixturevalue(where)
    more = {"LETTA_AGENT_ID": place.agent_id}
    with chatting(place.base_url, **more) as screen:
        screen.until_prompt()
        screen.say("/new Colours")
        screen.until(f"{place.agent_name} · Colours >")
        screen.say("#drip 0.2 My colour is green.")
        screen.until(f"{place.agent_name}: echo:")
        assert "green." not in screen.lines[-1]
        screen.until(f"{place.agent_name}: echo: My colour is green.")
        screen.until_prompt()
        screen.press(CTRL_D)
        assert screen.until_end() == 0
    with chatting(place.base_url, **more) as screen:
        screen.until(f"{place.agent_name} · Colours >")
        screen.say("What is my colour?")
        screen.until(f"{place.agent_name}: You said: My colour is green.")
        screen.until_prompt()
        screen.say("/history 2")
        screen.until("You: What is my colour?")


def test_what_the_agent_asks_for_is_decided_in_place(real_letta: Running, agent_id: str) -> None:
    with chatting(real_letta.base_url, "-a", agent_id) as screen:
        screen.until_prompt()
        screen.say('#tool delete_everything {"where": "there"} please')
        screen.until('  delete_everything({"where": "there"})')
        screen.until("[n]ot now:")
        screen.say("a")
        screen.until("tool: delete_everything -> ")
        screen.until("Ada: tool said:")
        screen.until("deleted everything there")
        screen.until_prompt()


def test_ctrl_c_stops_the_run_in_letta(
    real_letta: Running, agent_id: str, runs: Callable[[], list[dict[str, Any]]]
) -> None:
    with chatting(real_letta.base_url, "-a", agent_id) as screen:
        screen.until_prompt()
        screen.say("#drip 0.1 #long 300")
        screen.until("Ada: w0 w1 w2")
        screen.press(CTRL_C)
        screen.until("Stopped. What the agent did is not undone.")
        screen.until_prompt()
        screen.say("hello")
        screen.until("Ada: echo: hello")
        screen.until_prompt()

    assert [run["status"] for run in runs()] == ["cancelled", "completed"]
