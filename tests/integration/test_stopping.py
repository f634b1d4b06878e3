"""A run that nobody wants any more is stopped, however late it shows its id. The faults are played by the fake."""

import anyio
import anyio.to_thread
import pytest

from letta_conv_mcp.app import open_app
from letta_conv_mcp.cancels import Cancels
from letta_conv_mcp.letta.rest import RestLetta
from letta_conv_mcp.settings import Settings
from tests.fake import Conversation, FakeLetta, WaitFor
from tests.integration.calls import held

pytestmark = pytest.mark.anyio


async def test_a_caller_that_has_gone_is_in_no_hurry_to_see_its_run_stopped(
    fake: FakeLetta, talk: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LETTA: a busy server was seen to take 38 s to begin."""
    monkeypatch.setattr("letta_conv_mcp.turns.hub.STOP_SECONDS", 0.0)
    fake.fail("POST", "*/messages", WaitFor("post"))
    async with open_app(Settings(base_url=fake.base_url), RestLetta(fake.base_url), Cancels()) as app:
        turn = app.hub.start(talk.id, "#hold key hello", tokens=False)
        await held(fake, "post")

        app.hub.stop_soon(turn)
        await anyio.wait_all_tasks_blocked()
        fake.release("post")
        await held(fake, "key")
        await anyio.to_thread.run_sync(fake.wait_until, lambda: not fake.runs[0].is_active)

    assert fake.runs[0].status == "cancelled"
