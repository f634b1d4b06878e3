"""Making an agent, on every Letta that there is."""

from typing import Any

import pytest
from mcp import Client

from letta_conv_mcp.server import build_server
from tests.conftest import Place
from tests.integration.calls import call, failure

pytestmark = pytest.mark.anyio


async def test_a_new_agent_is_there_and_answers(client: Client, place: Place) -> None:
    agent = await call(
        client, "create_agent", name="Kim", model=place.model, persona="I am Kim.", human="The human is Bo."
    )
    listed = await call(client, "list_agents", limit=5)
    conversation_id = await place.new_conversation(client, agent["id"])
    reply = await call(client, "send_message", conversation_id=conversation_id, message="hello")

    assert (agent["name"], agent["model"]) == ("Kim", place.model)
    assert agent["id"] in [known["id"] for known in listed["agents"]]
    assert (reply["status"], reply["text"]) == ("completed", "echo: hello")


@pytest.mark.real_letta
@pytest.mark.parametrize("kind", ["real", "app_server"])
async def test_what_it_was_made_with_is_in_its_prompt(request: pytest.FixtureRequest, kind: str) -> None:
    """The fake has neither memory blocks nor a prompt."""
    place: Place = request.getfixturevalue(f"{kind}_place")
    assert place.prompts is not None
    about: dict[str, Any] = {
        "persona": "I am Lea the gardener.",
        "human": "The human is Bo.",
        "system": "You are in a test about gardens.",
    }
    async with Client(build_server(place.settings)) as client:
        agent = await call(client, "create_agent", name="Lea", model=place.model, **about)
        conversation_id = await place.new_conversation(client, agent["id"])
        await call(client, "send_message", conversation_id=conversation_id, message="who are you in gardens")
    asked = next(prompt for prompt in reversed(place.prompts()) if prompt["text"] == "who are you in gardens")

    for words in about.values():
        assert words in str(asked["request"])


@pytest.mark.parametrize("model", [None, "nobody/knows"])
async def test_without_a_model_that_there_is_no_agent_is_made_and_the_models_are_named(
    client: Client, place: Place, model: str | None
) -> None:
    before = await call(client, "list_agents", limit=1)
    said = await failure(client, "create_agent", name="Nobody", model=model)
    after = await call(client, "list_agents", limit=1)

    assert said.startswith("This Letta offers no model 'nobody/knows'" if model else "The new agent needs a model")
    assert "Offered: " in said
    assert place.model in said
    assert said.endswith("Call create_agent with one of them as model.")
    assert after == before
