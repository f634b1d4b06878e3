"""Letta, Redis and PostgreSQL stopped and started under turns that go on.

The real ones, which other tests share: each test leaves them running.
"""

from collections.abc import Generator
from contextlib import contextmanager

import anyio
import pytest

from tests.integration.outages import in_a_thread, open_traffic
from tests.stack import Running
from tests.stack.running import Part

pytestmark = [pytest.mark.anyio, pytest.mark.real_letta]

DOWN_SECONDS = 3.0
AFTER = 2
SILENT_SECONDS = 4.0
"""Our ceiling for a run that only pings, made small when all is back: it is ten minutes."""


@pytest.fixture(autouse=True)
def _less_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message's fate is looked into for two minutes otherwise. This is longer than a start of Letta takes."""
    monkeypatch.setattr("letta_conv_mcp.turns.sender.UNCLEAR_SECONDS", 20.0)


@contextmanager
def left_running(letta: Running) -> Generator[None]:
    """Whatever happens within, all parts run in the end."""
    try:
        yield
    finally:
        for part in letta.programs:
            letta.start(part)


@pytest.mark.parametrize("part", ["redis", "postgres"])
async def test_a_store_that_goes_and_comes_back_costs_no_truth(
    real_letta: Running, part: Part, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Letta can't bring to an end is interrupted or failed; what is sent meanwhile arrives when it can, once."""
    with left_running(real_letta):
        async with open_traffic(real_letta) as traffic:
            await traffic.saying("before").say(traffic.client)
            _, _, queued = await traffic.at_all_stages()
            meanwhile = traffic.saying("meanwhile")

            await in_a_thread(real_letta.stop, part)
            traffic.start(meanwhile)
            # An outage takes its time.
            await anyio.sleep(DOWN_SECONDS)
            await in_a_thread(real_letta.start, part)
            monkeypatch.setattr("letta_conv_mcp.turns.reader.SILENT_SECONDS", SILENT_SECONDS)

            after = [await traffic.saying(f"after {number}").say(traffic.client) for number in range(AFTER)]

    completed = [reply["status"] == "completed" for reply in (meanwhile.reply, queued.reply, *after)]
    # On CPython 3.11 and 3.12 a new connection of Letta's to PostgreSQL hangs now and then, and with it a run.
    assert all(completed) if part == "redis" else any(completed[2:])


async def test_letta_killed_in_mid_turn_ends_turns_truthfully_and_frees_our_queue(
    real_letta: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes back with runs that go on for ever, and with locks that nobody holds."""
    with left_running(real_letta):
        async with open_traffic(real_letta) as traffic:
            await traffic.saying("before").say(traffic.client)
            in_tokens, in_steps, queued = await traffic.at_all_stages()

            await in_a_thread(real_letta.kill, "letta")
            await in_a_thread(real_letta.start, "letta")
            monkeypatch.setattr("letta_conv_mcp.turns.reader.SILENT_SECONDS", SILENT_SECONDS)

            elsewhere = await traffic.saying("elsewhere").say(traffic.client)
            await in_steps.is_over.wait()
            # Letta keeps the conversation locked for five minutes.
            refused = await traffic.saying("too early", conversation_id=in_steps.conversation_id).say(traffic.client, 4)
            await in_tokens.is_over.wait()
            traffic.ledger.free(in_tokens.conversation_id)
            await queued.is_over.wait()
            traffic.ledger.free(in_steps.conversation_id)

    assert elsewhere["status"] == "completed"
    assert in_tokens.reply["status"] == in_steps.reply["status"] == "interrupted"
    assert in_tokens.reply["text"].startswith("w0")
    assert (refused["status"], refused["run_id"]) == ("running", in_steps.reply["run_id"])
    assert queued.reply["status"] == "completed"


async def test_a_letta_that_lost_its_redis_is_spoken_to_without_it_and_with_it_when_it_is_back(
    real_letta: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Letta looks for Redis when it starts, and never again. Nobody tells us: it shows in what it answers."""
    monkeypatch.setattr("letta_conv_mcp.letta.rest_runs.FOREGROUND_SECONDS", 1.0)
    with left_running(real_letta):
        async with open_traffic(real_letta) as traffic:
            before = traffic.saying("before")
            await before.say(traffic.client)
            for part in ("letta", "redis"):
                await in_a_thread(real_letta.kill, part)
            await in_a_thread(real_letta.start, "letta")
            without = traffic.saying("without")
            await without.say(traffic.client)
            in_tokens, in_steps, queued = await traffic.at_all_stages()

            await in_a_thread(real_letta.kill, "letta")
            for part in ("redis", "letta"):
                await in_a_thread(real_letta.start, part)
            monkeypatch.setattr("letta_conv_mcp.turns.reader.SILENT_SECONDS", SILENT_SECONDS)
            with_again = traffic.saying("with it again")
            await with_again.say(traffic.client)
            newest = [traffic.ledger.runs(said.conversation_id)[0] for said in (before, without, with_again)]

    assert [said.reply["status"] for said in (before, without, with_again)] == ["completed"] * 3
    assert [run["background"] for run in newest] == [True, False, True]
    assert in_tokens.reply["status"] == in_steps.reply["status"] == "interrupted"
    # Without Redis nothing was locked.
    assert queued.reply["status"] == "completed"
