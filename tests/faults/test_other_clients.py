"""A conversation that another client's run holds, with the proxy between us and Letta but not between it and Letta."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import pytest

from tests.faults.matrix import Matrix
from tests.faults.shapes import STEPS, TOKENS
from tests.faults.truth import Json
from tests.faults.verdict import is_whole

pytestmark = [pytest.mark.anyio, pytest.mark.real_letta]


async def test_a_message_waits_for_another_clients_run(matrix: Matrix) -> None:
    """Letta's: it answers 409 with the id of the run that holds the conversation."""
    shape = TOKENS.marked("m1")
    async with _held(matrix, "#slow 1.5 theirs") as (conversation_id, _):
        said = await matrix.say(shape, conversation_id)

    assert is_whole(said, await matrix.letta.truth(conversation_id, "m1"), shape)


async def test_a_message_that_another_clients_run_keeps_out_for_long_is_not_sent_and_says_so(matrix: Matrix) -> None:
    """Ours: what the caller was told wasn't sent must not come in behind its back."""
    async with _held(matrix, "#slow 5 theirs") as (conversation_id, run):
        said = await matrix.say(STEPS.marked("m1"), conversation_id, wait_seconds=1)
    truth = await matrix.letta.truth(conversation_id, "m1")
    theirs = await matrix.ask(conversation_id)

    assert (said.status, said.run_id, said.says_absent) == ("running", run["id"], True)
    assert truth.times == 0
    assert (theirs.status, theirs.text) == ("completed", "echo: theirs")


@asynccontextmanager
async def _held(matrix: Matrix, message: str) -> AsyncGenerator[tuple[str, Json]]:
    """A conversation, and the run in it that goes on; left when that is over."""
    conversation_id = await matrix.letta.new_conversation(matrix.agent_id)
    body = {"messages": [{"role": "user", "content": message}], "background": True}
    async with anyio.create_task_group() as group:
        group.start_soon(matrix.letta.post, conversation_id, body)
        yield conversation_id, await matrix.letta.active_run(conversation_id)
