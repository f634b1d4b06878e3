"""Images and options that go with a message, on a real Letta server and a real App Server: what the model gets."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest
from mcp import Client

from letta_conv_mcp.server import build_server
from tests.conftest import Place
from tests.integration.calls import call, failure

pytestmark = [pytest.mark.anyio, pytest.mark.real_letta]

PNG = (
    "data:image/png;base64,"
    + base64.b64encode(
        bytes.fromhex(
            "89504e470d0a1a0a0000000d49484452000000010000000108020000009077"
            "53de0000000c49444154789c63f8cfc000000301010018dd8db00000000049454e44ae426082"
        )
    ).decode()
)
SHOWN = "look at this[image: image/png]"


@pytest.fixture
def place(real_place_of_each_kind: Place) -> Place:
    return real_place_of_each_kind


@pytest.fixture
async def client(place: Place) -> AsyncIterator[Client]:
    async with Client(build_server(place.settings)) as connected:
        yield connected


@pytest.fixture
async def talk(client: Client, place: Place) -> str:
    return await place.new_conversation(client)


def requests_of(place: Place, message: str) -> list[dict[str, Any]]:
    """What the model was asked about a message."""
    assert place.prompts is not None
    return [prompt["request"] for prompt in place.prompts() if prompt["text"] == message]


async def history_of(client: Client, talk: str) -> list[str]:
    page = await call(client, "get_history", conversation_id=talk)
    return [message["text"] for message in page["messages"] if message["type"] in ("user_message", "assistant_message")]


async def test_the_model_sees_an_image_and_the_history_tells_that_it_was_there(
    client: Client, talk: str, place: Place
) -> None:
    """APP SERVER: it takes the scripted model for one that sees nothing, and tells it so in the image's place."""
    reply = await call(client, "send_message", conversation_id=talk, message="look at this", images=[PNG])
    await call(client, "send_message", conversation_id=talk, message="and now?")

    heard = "look at this (image omitted: model does not support images)" if place.rig else "look at this"
    assert (reply["status"], reply["text"], reply["in_reply_to"]) == ("completed", f"echo: {heard}", SHOWN)
    for message in (heard, "and now?"):
        assert (PNG in str(requests_of(place, message)[-1]["messages"])) == (place.rig is None)
    assert await history_of(client, talk) == [SHOWN, f"echo: {heard}", "and now?", "echo: and now?"]


async def test_a_reply_to_an_image_is_found_again_by_another_server(client: Client, talk: str, place: Place) -> None:
    sent = await call(client, "send_message", conversation_id=talk, message="look at this", images=[PNG])
    async with Client(build_server(place.settings)) as other:
        found = await call(other, "wait_for_reply", conversation_id=talk)

    assert (found["text"], found["in_reply_to"]) == (sent["text"], SHOWN)


async def test_an_image_that_letta_can_not_fetch_is_a_failure_and_leaves_nothing_behind(
    client: Client, talk: str, place: Place
) -> None:
    about: dict[str, Any] = {"conversation_id": talk, "message": "look", "images": ["https://127.0.0.1:1/a.png"]}
    if place.rig:
        assert "can't fetch images from an address" in await failure(client, "send_message", **about)
    else:
        reply = await call(client, "send_message", **about)
        assert reply["status"] == "failed"
        assert "it is safe to send it again" in reply["next_step"]

    assert await history_of(client, talk) == []


async def test_an_image_that_is_none_is_named_and_nothing_is_sent(client: Client, talk: str, place: Place) -> None:
    said = await failure(client, "send_message", conversation_id=talk, message="bad", images=[PNG, "a.png"])

    assert said.startswith("send_message was not run: images[1] is neither an https address nor a data: URL.")
    assert requests_of(place, "bad") == []


async def test_an_agent_stops_at_the_limit_of_steps_that_a_message_sets(
    client: Client, talk: str, place: Place
) -> None:
    about: dict[str, Any] = {"conversation_id": talk, "message": "#loop lookup", "max_steps": 2}
    if place.rig:
        assert "can't limit an agent's steps" in await failure(client, "send_message", **about)
        assert requests_of(place, "#loop lookup") == []
        return
    reply = await call(client, "send_message", **about, detail="full")

    assert (reply["status"], reply["stop_reason"], reply["usage"]["steps"]) == ("failed", "max_steps", 2)
    assert len(reply["tool_uses"]) == 2


async def test_another_model_answers_one_message(client: Client, talk: str, place: Place) -> None:
    about: dict[str, Any] = {"conversation_id": talk, "message": f"who are you in {talk}?"}
    if place.rig:
        refused = await failure(client, "send_message", **about, override_model=f"{place.model}-other")
        assert "can't take another model for one message" in refused
        return
    await call(client, "send_message", **about, override_model=f"{place.model}-other")
    await call(client, "send_message", **about)
    unknown = await failure(client, "send_message", **about, override_model="openai-proxy/nosuch")

    assert [request["model"] for request in requests_of(place, about["message"])] == ["scripted-other", "scripted"]
    assert unknown.startswith("This Letta can't use the model 'openai-proxy/nosuch', so nothing was sent.")
