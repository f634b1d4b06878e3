"""Prompts, completion and subscriptions on real pipes, frame by frame, in both eras."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.conftest import Place
from tests.fake import FakeLetta
from tests.fake.state import Conversation
from tests.integration.stdio import ENVELOPE, Host, started

ERAS = pytest.mark.parametrize("is_modern", [False, True], ids=["handshake", "2026-07-28"])
UPDATED = "notifications/resources/updated"
LIST_CHANGED = "notifications/resources/list_changed"
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
ENDS_WITHIN = 1.0
"""Seconds: our promise."""


@contextmanager
def opened(base_url: str, is_modern: bool) -> Generator[tuple[Host, dict[str, Any]]]:
    """A server that has been greeted, and what every request to it carries."""
    with started(base_url) as host:
        if not is_modern:
            host.initialize()
        yield host, {"_meta": ENVELOPE} if is_modern else {}


def listen(host: Host, meta: dict[str, Any], uri: str) -> int | None:
    """Ask to hear of a resource and of the list; the id of the stream where there is one."""
    if not meta:
        host.ask("resources/subscribe", {"uri": uri})
        return None
    wanted = {"resourceSubscriptions": [uri], "resourcesListChanged": True}
    stream = host.send("subscriptions/listen", {"notifications": wanted, **meta})
    first = next(host.frames())
    assert first["method"] == "notifications/subscriptions/acknowledged"
    assert first["params"]["notifications"] == wanted
    return stream


def heard(host: Host, method: str) -> dict[str, Any]:
    """The next notification of this kind; its parameters."""
    return next(frame for frame in host.frames() if frame.get("method") == method).get("params", {})


@ERAS
def test_the_server_promises_what_it_tells(fake: FakeLetta, is_modern: bool) -> None:
    with started(fake.base_url) as host:
        answer = host.ask("server/discover", {"_meta": ENVELOPE}) if is_modern else host.initialize()

    assert answer["capabilities"]["resources"] == {"subscribe": True, "listChanged": True}
    assert "completions" in answer["capabilities"]
    assert "prompts" in answer["capabilities"]


@ERAS
@pytest.mark.parametrize("kind", ["fake", pytest.param("real", marks=pytest.mark.real_letta)])
def test_what_another_client_writes_and_what_comes_to_be_is_told(
    request: pytest.FixtureRequest, kind: str, is_modern: bool
) -> None:
    place: Place = request.getfixturevalue(f"{kind}_place")
    with opened(place.base_url, is_modern) as (host, meta), opened(place.base_url, is_modern=False) as (other, _):
        arguments = {"agent_id": place.agent_id}
        made = other.ask("tools/call", {"name": "create_conversation", "arguments": arguments})
        conversation_id = made["structuredContent"]["id"]
        uri = f"letta://conversations/{conversation_id}/transcript.md"
        stream = listen(host, meta, uri)

        other.ask(
            "tools/call",
            {"name": "send_message", "arguments": {"conversation_id": conversation_id, "message": "from elsewhere"}},
        )
        update = heard(host, UPDATED)
        host.send("tools/call", {"name": "create_conversation", "arguments": arguments, **meta})
        change = heard(host, LIST_CHANGED)

        assert update["uri"] == uri
        assert update.get("_meta", {}).get(SUBSCRIPTION) == stream
        assert change.get("_meta", {}).get(SUBSCRIPTION) == stream


@ERAS
def test_a_subscription_does_not_keep_the_server_from_ending(
    fake: FakeLetta, talk: Conversation, is_modern: bool
) -> None:
    with opened(fake.base_url, is_modern) as (host, meta):
        listen(host, meta, f"letta://conversations/{talk.id}")
        began = time.monotonic()
        assert host.process.stdin is not None
        host.process.stdin.close()
        host.process.stdin = None
        status, errors = host.ended(within=ENDS_WITHIN * 5)

    assert (status, errors) == (0, "")
    assert time.monotonic() - began < ENDS_WITHIN


@ERAS
def test_a_stream_or_subscription_that_was_ended_tells_nothing_more(
    fake: FakeLetta, talk: Conversation, is_modern: bool
) -> None:
    uri = f"letta://conversations/{talk.id}"
    with opened(fake.base_url, is_modern) as (host, meta):
        stream = listen(host, meta, uri)
        if stream is None:
            host.ask("resources/unsubscribe", {"uri": uri})
        else:
            host.send("notifications/cancelled", {"requestId": stream, **meta}, notification=True)
        said = {"conversation_id": talk.id, "message": "hello"}
        asked = host.send("tools/call", {"name": "send_message", "arguments": said, **meta})
        answered = next(frame for frame in host.frames() if frame.get("id") == asked or frame.get("method") == UPDATED)

    assert answered["id"] == asked


@ERAS
def test_prompts_and_completion_go_over_the_wire(fake: FakeLetta, is_modern: bool) -> None:
    conversation = fake.add_conversation(fake.add_agent("Ada"), summary="Moon trip")
    fake.add_messages(conversation, 4)
    with opened(fake.base_url, is_modern) as (host, meta):
        listed = host.ask("prompts/list", meta)["prompts"]
        ref = {"type": "ref/prompt", "name": "brief_me"}
        typed = {"ref": ref, "argument": {"name": "conversation", "value": "moo"}, **meta}
        completion = host.ask("completion/complete", typed)["completion"]
        got = host.ask("prompts/get", {"name": "brief_me", "arguments": {"conversation": "Moon trip"}, **meta})

    assert listed[1]["arguments"][0]["title"] == "Conversation"
    assert completion == {"values": ["Moon trip"], "total": 1, "hasMore": False}
    assert [message["content"]["type"] for message in got["messages"]] == ["text", "resource"]
