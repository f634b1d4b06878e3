"""Trying cases: a host before our server before the fault proxy before the real Letta."""

import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import uuid4

import anyio
import anyio.to_thread
import httpx
import pytest
from mcp import Client
from mcp_types import CallToolResult, TextContent

from letta_conv_mcp.server import build_server
from letta_conv_mcp.settings import Settings
from tests.fake import Fault
from tests.fake.serving import Certificate
from tests.faults.shapes import STEPS, TOOL, Shape
from tests.faults.tally import TALLY
from tests.faults.truth import Letta
from tests.faults.verdict import WHOLE, Ending, Expected, Said, Verdict, judge, report_of, said_from_reply
from tests.proxy import FaultProxy
from tests.stack import Running
from tests.stack.seed import PONDER, TOOLS, make_agent

SIDE_BY_SIDE = 4
WAIT_SECONDS = 45
ASKS = 3

SHORT_WAITS = {
    "letta.rest_connection.READ_SECONDS": 2.0,
    "letta.rest_connection.SILENCE_SECONDS": 3.0,
}
UNCLEAR_SECONDS = 6.0


@dataclass(frozen=True)
class Case:
    """A reply of some shape, and what goes wrong on its way.

    Attributes:
        name: said when it fails.
        shape: of the reply.
        faults: what becomes of the send's answer, the first time.
        repeats: what becomes of later sends of the same message, one after the other.
        reads: what becomes of requests about its run; the path below /v1/runs/, and the fault.
        may_end: how the reply may end; never anything but truthfully.
        says: words that the next step, or the error, must have.
    """

    name: str
    shape: Shape
    faults: tuple[Fault, ...] = ()
    repeats: tuple[Fault, ...] = ()
    reads: tuple[tuple[str, Fault], ...] = ()
    may_end: frozenset[Ending] = WHOLE
    says: str = ""


@dataclass(frozen=True)
class Matrix:
    """Where cases are tried; each in a conversation of its own.

    Attributes:
        host: connected to our server.
        proxy: between our server and Letta.
        letta: the same Letta, asked directly.
        agent_id: who is spoken to.
    """

    host: Client
    proxy: FaultProxy
    letta: Letta
    agent_id: str

    async def must_hold(self, cases: Iterable[Case], *, at_once: int = SIDE_BY_SIDE) -> None:
        """Try every case, and fail with those that went wrong."""
        limit = anyio.CapacityLimiter(at_once)
        verdicts: list[Verdict] = []

        async def attempt(case: Case) -> None:
            async with limit:
                verdicts.append(await self.attempt(case))

        async with anyio.create_task_group() as group:
            for case in cases:
                group.start_soon(attempt, case)
        assert verdicts, "There was nothing to try."
        assert not any(verdict.wrong for verdict in verdicts), report_of(verdicts)

    async def attempt(self, case: Case, conversation_id: str | None = None) -> Verdict:
        """Try a case, and count it."""
        conversation_id = conversation_id or await self.letta.new_conversation(self.agent_id)
        mark = f"m{uuid4().hex[:8]}"
        shape = case.shape.marked(mark)
        for fault in (case.faults, *((fault,) for fault in case.repeats)):
            self.proxy.fail("POST", sends_to(conversation_id), *fault)
        for path, fault in case.reads:
            self.proxy.fail_reads(conversation_id, path, fault)
        started = time.monotonic()
        said = await self.say(shape, conversation_id)
        seconds = time.monotonic() - started
        await self.has_arrived(conversation_id)
        truth = await self.letta.truth(conversation_id, mark)
        later = await self._ask_until_told(conversation_id) if said.status == "interrupted" and truth.times else None
        expected = Expected(case.may_end, case.says)
        verdict = judge(case.name, shape, said, truth, later=later, expected=expected, seconds=seconds)
        TALLY.append(verdict)
        return verdict

    async def say(self, shape: Shape, conversation_id: str, wait_seconds: float = WAIT_SECONDS) -> Said:
        """Send the message as a host does, and wait for the reply; once more where it takes that long."""
        arguments = {"conversation_id": conversation_id, "message": shape.message}
        said = await self._call("send_message", arguments, wait_seconds, is_watched=shape.is_watched)
        is_on = said.status == "running" and wait_seconds == WAIT_SECONDS
        return await self.ask(conversation_id) if is_on else said

    async def ask(self, conversation_id: str, wait_seconds: float = WAIT_SECONDS) -> Said:
        """Ask for the conversation's latest reply."""
        return await self._call("wait_for_reply", {"conversation_id": conversation_id}, wait_seconds)

    async def _ask_until_told(self, conversation_id: str) -> Said:
        """Ask again as a person would; what is left of the faults may spoil the first answers."""
        for _ in range(ASKS - 1):
            said = await self.ask(conversation_id)
            if said.status not in ("interrupted", "error"):
                return said
        return await self.ask(conversation_id)

    async def has_arrived(self, conversation_id: str) -> None:
        """Until all that was sent has reached Letta, however late."""
        await anyio.to_thread.run_sync(partial(self.proxy.wait_until_idle, sends_to(conversation_id)))

    async def frames_of(self, shape: Shape) -> list[int]:
        """How many bytes each frame of an answer of this shape has, when nothing goes wrong."""
        conversation_id = await self.letta.new_conversation(self.agent_id)
        mark = f"m{uuid4().hex[:8]}"
        said = await self.say(shape.marked(mark), conversation_id)
        assert said.status == shape.status
        [send] = self.proxy.requests_to("POST", sends_to(conversation_id))
        return send.frames

    async def _call(
        self, tool: str, arguments: dict[str, Any], wait_seconds: float, *, is_watched: bool = False
    ) -> Said:
        given = {**arguments, "wait_seconds": wait_seconds, "detail": "full"}
        result = await self.host.call_tool(tool, given, progress_callback=_unread if is_watched else None)
        return Said("error", _text(result)) if result.is_error else said_from_reply(result.structured_content or {})


@asynccontextmanager
async def open_matrix(
    base_url: str, agent_id: str, *, certificate: Certificate | None = None
) -> AsyncGenerator[Matrix]:
    """A server of ours that has said something already, so that it knows what its Letta can do."""
    with FaultProxy(base_url, certificate=certificate) as proxy:
        # Only in the older era does a progress token reach a server in the same process.
        server = build_server(Settings(base_url=proxy.base_url))
        async with Letta(base_url) as letta, Client(server, mode="legacy") as host:
            matrix = Matrix(host, proxy, letta, agent_id)
            await matrix.say(STEPS.marked("first"), await letta.new_conversation(agent_id))
            yield matrix


def make_matrix_agent(stack: Running) -> str:
    """An agent with the tools that the shapes call; its id."""
    agent_id = make_agent(stack, f"matrix {uuid4().hex[:8]}", tools=(*TOOLS, PONDER))
    with httpx.Client(base_url=stack.base_url, timeout=60, trust_env=False) as http:
        [tool] = http.get("/v1/tools/", params={"name": TOOL}).raise_for_status().json()
        http.patch(f"/v1/agents/{agent_id}/tools/attach/{tool['id']}").raise_for_status()
    return agent_id


def shorten_waits(patch: pytest.MonkeyPatch, *, unclear_seconds: float = UNCLEAR_SECONDS) -> None:
    """Make our server give up after seconds where it would after minutes.

    Args:
        patch: undoes it.
        unclear_seconds: how long the fate of a message is looked into.
    """
    for constant, seconds in {**SHORT_WAITS, "turns.sender.UNCLEAR_SECONDS": unclear_seconds}.items():
        patch.setattr(f"letta_conv_mcp.{constant}", seconds)


def sends_to(conversation_id: str) -> str:
    """The path that messages are posted to."""
    return f"/v1/conversations/{conversation_id}/messages"


async def _unread(progress: float, total: float | None, message: str | None) -> None:
    """A progress callback that only makes the host ask for progress."""
    del progress, total, message


def _text(result: CallToolResult) -> str:
    return "".join(part.text for part in result.content if isinstance(part, TextContent))
