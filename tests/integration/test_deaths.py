"""Processes that die in mid-turn: ours, and the host above it. Each time the turn is found again by another one.

What became of a message is read in Letta and not in what we say of it.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from tests.integration.doomed_host import MESSAGE, REPLY, begin_turn
from tests.integration.ledger import Ledger
from tests.integration.processes import processes_with, wait_until_gone
from tests.integration.stdio import Host, started
from tests.integration.test_stdio import ENDS_WITHIN
from tests.stack import Running
from tests.stack.seed import make_agent, make_conversation

pytestmark = pytest.mark.real_letta

MARK = "STARTED_BY_A_TEST"
ROUNDS = 3
MOMENTS = ((0.0, 0.005), (0.005, 0.05), (0.05, 0.3), (0.3, 1.0), (1.0, 2.0))
"""Seconds from the message to the death: before its POST, while it is made, and later and later in the turn."""
WORDS = 8


@dataclass(frozen=True)
class Sent:
    """A message of a process that is killed, and how long before."""

    conversation_id: str
    message: str
    is_watched: bool
    seconds_before: float

    @property
    def reply(self) -> str:
        return "echo: " + self.message.partition(" ")[2].partition(" ")[2]


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Marks the processes that a test starts; none of them may be left at its end."""
    value = uuid4().hex
    monkeypatch.setenv(MARK, value)
    yield value
    assert processes_with(MARK, value) == []


@pytest.mark.parametrize("stack", ["real_letta", "letta_without_redis"])
def test_whenever_our_process_is_killed_another_brings_the_whole_reply(
    request: pytest.FixtureRequest, stack: str, mark: str
) -> None:
    """Ours: nothing is lost, nothing is sent twice. `DEATHS_SEED` plays a schedule again."""
    letta: Running = request.getfixturevalue(stack)
    seed = int(os.environ.get("DEATHS_SEED", random.randrange(1_000_000)))
    print(f"DEATHS_SEED={seed}")  # noqa: T201 - for whoever has to look into a failure
    chance = random.Random(seed)
    agent_id = make_agent(letta, "Ada")
    endings: dict[Sent, str] = {}

    with Ledger(letta.base_url) as ledger:
        for _ in range(ROUNDS):
            schedule = [
                Sent(
                    conversation_id=make_conversation(letta, agent_id),
                    message=f"#drip 0.15 {' '.join(f'{uuid4().hex[:4]}' for _ in range(WORDS))}",
                    is_watched=chance.random() < 0.5,
                    seconds_before=chance.uniform(*moment),
                )
                for moment in MOMENTS
            ]
            _send_and_be_killed(letta, make_conversation(letta, agent_id), schedule)
            with started(letta.base_url) as host:
                host.initialize()
                for sent in schedule:
                    endings[sent] = _ending_of(sent, host, ledger)
        said = {sent: ledger.said(sent.conversation_id) for sent in endings}

    for sent, ending in endings.items():
        print(f"{sent.seconds_before:.3f} s, {'tokens' if sent.is_watched else 'steps'}: {ending}")  # noqa: T201
        # What nobody knew of yet may have been under way to Letta all the same.
        assert said[sent] == [sent.message] or (ending == "never sent" and not said[sent])
    # What was in Letta's hands for that long is never lost.
    assert all(ending == "whole" for sent, ending in endings.items() if sent.seconds_before > 0.3)


def _send_and_be_killed(letta: Running, conversation_id: str, schedule: list[Sent]) -> None:
    with started(letta.base_url) as host:
        host.initialize()
        # The first message imports the client, and finds out whether there is Redis.
        assert _call(host, "send_message", conversation_id=conversation_id, message="hello")["status"] == "completed"
        dies_at = time.monotonic() + max(sent.seconds_before for sent in schedule)
        for sent in sorted(schedule, key=lambda sent: -sent.seconds_before):
            _sleep_until(dies_at - sent.seconds_before)
            arguments = {"conversation_id": sent.conversation_id, "message": sent.message}
            meta = {"_meta": {"progressToken": sent.conversation_id}} if sent.is_watched else {}
            host.send("tools/call", {"name": "send_message", "arguments": arguments, **meta})
        _sleep_until(dies_at)
        host.process.send_signal(signal.SIGKILL)
        host.ended(within=10)


def _ending_of(sent: Sent, host: Host, ledger: Ledger) -> str:
    """What another process says of the turn, given nothing but the conversation."""
    arguments = {"conversation_id": sent.conversation_id, "wait_seconds": 60}
    result = host.ask("tools/call", {"name": "wait_for_reply", "arguments": arguments})
    ledger.wait_until_idle(sent.conversation_id)
    if result["isError"]:
        assert "Nothing has been sent" in result["content"][0]["text"]
        if not ledger.said(sent.conversation_id):
            return "never sent"
        # It was on its way to Letta's list of runs while we asked.
        result = host.ask("tools/call", {"name": "wait_for_reply", "arguments": arguments})
    reply = result["structuredContent"]
    assert (reply["status"], reply["text"], reply["in_reply_to"]) == ("completed", sent.reply, sent.message)
    return "whole"


@pytest.mark.parametrize("how", ["EOF", "SIGTERM"])
def test_an_end_in_mid_turn_is_quick_and_leaves_the_run_to_go_on(real_letta: Running, how: str, mark: str) -> None:
    """Ours: closing detaches. The run goes on to its end in Letta, and another process reads it."""
    conversation_id = make_conversation(real_letta, make_agent(real_letta, "Ada"))
    with started(real_letta.base_url) as host:
        host.initialize()
        begin_turn(host, conversation_id)

        begun = time.monotonic()
        if how == "EOF":
            assert host.process.stdin is not None
            host.process.stdin.close()
            host.process.stdin = None
        else:
            host.process.send_signal(signal.SIGTERM)
        status, errors = host.ended(within=10)
        seconds = time.monotonic() - begun

    assert (status, errors) == (0, "")
    assert seconds < ENDS_WITHIN
    _check_goes_on_to_its_end(real_letta, conversation_id)


@pytest.mark.parametrize("when", ["idle", "in mid-turn"])
def test_a_host_that_is_killed_leaves_no_process_behind(real_letta: Running, when: str, mark: str) -> None:
    """Nobody tells our process: it learns it from its pipes."""
    conversation_id = make_conversation(real_letta, make_agent(real_letta, "Ada"))
    command = [sys.executable, "-m", "tests.integration.doomed_host", real_letta.base_url]
    if when == "in mid-turn":
        command.append(conversation_id)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout is not None
        server = int(host.stdout.readline())

        host.kill()
        wait_until_gone(server, within=5 * ENDS_WITHIN)

    if when == "in mid-turn":
        _check_goes_on_to_its_end(real_letta, conversation_id)


def _check_goes_on_to_its_end(letta: Running, conversation_id: str) -> None:
    with Ledger(letta.base_url) as ledger:
        # Letta alone, without a client of ours.
        ledger.wait_until_answered(conversation_id, REPLY)
        assert ledger.said(conversation_id) == [MESSAGE]
    with started(letta.base_url) as host:
        host.initialize()
        reply = _call(host, "wait_for_reply", conversation_id=conversation_id)
    assert (reply["status"], reply["text"], reply["in_reply_to"]) == ("completed", REPLY, MESSAGE)


def _call(host: Host, tool: str, **arguments: Any) -> dict[str, Any]:
    return host.ask("tools/call", {"name": tool, "arguments": arguments})["structuredContent"]


def _sleep_until(moment: float) -> None:
    # A moment of a schedule is no event that could be awaited.
    time.sleep(max(0.0, moment - time.monotonic()))
