"""Cancels that come at odd times or in odd forms, written to a real process as bytes, in both eras."""

import json
from collections.abc import Iterator

import pytest

from tests.fake import Conversation, FakeLetta
from tests.integration.calls import heard
from tests.integration.lines import Line, open_line
from tests.integration.reasons import STOPS

STOP = STOPS["TypeScript"]


@pytest.fixture(scope="module")
def letta() -> Iterator[FakeLetta]:
    with FakeLetta() as fake:
        yield fake


@pytest.fixture(scope="module", params=[False, True], ids=["handshake", "2026-07-28"])
def line(letta: FakeLetta, request: pytest.FixtureRequest) -> Iterator[Line]:
    with open_line(letta.base_url, is_modern=request.param) as opened:
        # The first call brings letta-client in.
        opened.answer(opened.call("list_agents"))
        yield opened


@pytest.fixture
def talk(letta: FakeLetta) -> Conversation:
    return letta.add_conversation(letta.add_agent("Ada"))


def stops(letta: FakeLetta, talk: Conversation) -> list[list[str]]:
    """The runs that Letta was asked to stop on a conversation's agent."""
    return [seen.body["run_ids"] for seen in letta.requests_to("POST", f"/v1/agents/{talk.agent_id}/messages/cancel")]


def test_a_call_that_is_taken_back_in_the_same_breath_leaves_nothing_behind(
    letta: FakeLetta, line: Line, talk: Conversation
) -> None:
    """Both frames are read at once, so the call is cancelled as it begins."""
    said = {"name": "send_message", "arguments": {"conversation_id": talk.id, "message": f"#hold {talk.id} hello"}}
    call = {"jsonrpc": "2.0", "id": talk.id, "method": "tools/call", "params": {**said, "_meta": line.meta}}

    line.write(json.dumps(call), line.cancel(talk.id, STOP))
    after = line.say(talk.id, "after")
    letta.wait_until(lambda: stops(letta, talk) or "after" in heard(letta, talk.id))
    letta.release(talk.id)
    reply = line.reply(after)

    ends = {run.id: run.status for run in letta.runs if run.conversation_id == talk.id}
    assert ends.pop(reply["run_id"]) == "completed"
    assert list(ends.values()) in ([], ["cancelled"])


def test_a_cancel_with_an_escaped_slash_is_understood(letta: FakeLetta, line: Line, talk: Conversation) -> None:
    """JSON allows for it, and Swift's encoder does it unless it is told not to."""
    said = line.say(talk.id, f"#hold {talk.id} hello")
    letta.wait_until_held(talk.id)

    line.write(line.cancel(said, STOP).replace("notifications/cancelled", r"notifications\/cancelled"))
    letta.wait_until(lambda: stops(letta, talk))

    assert [run.status for run in letta.runs if run.conversation_id == talk.id] == ["cancelled"]


def test_a_cancel_of_what_is_over_or_never_was_changes_nothing(
    letta: FakeLetta, line: Line, talk: Conversation
) -> None:
    """MCP: it is ignored. opencode does it for calls that are over."""
    over = line.say(talk.id, "hello")
    line.reply(over)
    goes_on = line.say(talk.id, f"#hold {talk.id} again")
    letta.wait_until_held(talk.id)

    for request_id in (over, over, 1_000_000, "never", str(over)):
        line.take_back(request_id, STOP)
    letta.release(talk.id)

    assert (line.reply(goes_on)["status"], stops(letta, talk)) == ("completed", [])


@pytest.mark.parametrize(
    "frame",
    [
        r'{"jsonrpc":"2.0","method":"notifications/cancelled"}',
        r'{"jsonrpc":"2.0","method":"notifications/cancelled","params":[]}',
        r'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{}}',
        r'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":null,"reason":7}}',
        r'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":{"a":[]},"reason":{}}}',
        r'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":true}}',
        '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%s}}' % ("[" * 900 + "]" * 900),
        '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%s}}' % ("[" * 9_000),
        '["notifications/cancelled"]',
        "notifications/cancelled",
        "{",
    ],
    ids=lambda frame: frame[38:70],
)
def test_a_cancel_that_makes_no_sense_hurts_nobody(
    letta: FakeLetta, line: Line, talk: Conversation, frame: str
) -> None:
    said = line.say(talk.id, f"#hold {talk.id} hello")
    letta.wait_until_held(talk.id)

    line.write(frame)
    line.catch_up()
    letta.release(talk.id)

    assert (line.reply(said)["status"], stops(letta, talk)) == ("completed", [])
