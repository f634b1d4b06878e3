"""Our server in several lives, which a test's thread begins, calls, leaves and ends. They go on in another thread.

In memory: what a SIGKILL leaves behind is the same, closed connections and nothing said.
"""

import re
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio
from anyio.abc import TaskStatus
from anyio.from_thread import BlockingPortal
from mcp import Client
from mcp_types import CallToolResult, ElicitRequestParams, ElicitResult

from letta_conv_mcp.cancels import Cancels
from letta_conv_mcp.server import build_server
from letta_conv_mcp.settings import OnCancel, Settings
from tests.integration.calls import text_of_result

ENDS_WITHIN = 60.0
"""Nothing here takes longer; what does hangs."""
LINE_CHARS = 400
ID = re.compile(r"\b(\w+-)[0-9a-f]{8}-[0-9a-f-]{23}([0-9a-f]{4})\b")
WHERE = re.compile(r'"where": "(\w+)"')


@dataclass(frozen=True)
class Kind:
    """What differs from one host to the next.

    Attributes:
        era: the protocol it speaks.
        on_cancel: what a call that it cancels does to the run.
        person: what the person answers whenever asked for an approval; None where nobody can be asked.
    """

    era: str = "auto"
    on_cancel: OnCancel = "stop"
    person: str | None = None


class _Reasons(Cancels):
    """In memory nobody reads the frames: every cancellation is the person's, unless the process was killed."""

    reason: str | None = ""

    def take(self, request_id: str) -> str | None:
        del request_id
        return self.reason


@dataclass(eq=False)
class Call:
    """A tool call, which may still go on.

    Attributes:
        about: what the caller keeps with it.
    """

    process: "Process"
    tool: str
    arguments: dict[str, Any]
    about: object
    future: Future[CallToolResult]

    def outcome(self) -> "Outcome":
        """What it brought; waits for it."""
        result = self.future.result(ENDS_WITHIN)
        outcome = Outcome(self, None if result.is_error else result.structured_content, text_of_result(result))
        told = {name: value for name, value in (outcome.structure or {}).items() if value}
        self.process.note(f"  {self.tool} brought {told or outcome.text}")
        return outcome


@dataclass(frozen=True)
class Outcome:
    """What a call brought: a structure, or else only the sentence it failed with."""

    call: Call
    structure: dict[str, Any] | None
    text: str


class Process:
    """One server of ours with its host.

    Args:
        name: for the notes.
        portal: the event loop that it lives in.
        base_url: its Letta.
        kind: of host.
        note: takes down what happens.

    Attributes:
        calls: those that go on, or whose outcome nobody has asked for.
        sent: how often it was told to send something.
        decided: the person's decisions when asked, by what was to be decided.
        is_person_in: whether the person decides at all for now.
    """

    def __init__(
        self, name: str, portal: BlockingPortal, base_url: str, kind: Kind, note: Callable[[str], None]
    ) -> None:
        self.name = name
        self.calls: list[Call] = []
        self.sent = 0
        self.decided: list[tuple[str, bool]] = []
        self.is_person_in = True
        self._kind = kind
        self._note = note
        self._portal = portal
        self._reasons = _Reasons()
        self._settings = Settings(base_url=base_url, on_cancel=kind.on_cancel)
        self._life, (self._client, self._scope) = portal.start_task(self._live)

    def note(self, what: str) -> None:
        """Take something down, with ids made short."""
        self._note(ID.sub(r"\1…\2", what)[:LINE_CHARS])

    async def _live(self, *, task_status: TaskStatus[tuple[Client, anyio.CancelScope]]) -> None:
        server = build_server(self._settings, cancels=self._reasons)
        ask = self._ask_person if self._kind.person else None
        with anyio.CancelScope() as scope:
            async with Client(server, mode=self._kind.era, elicitation_callback=ask) as client:
                task_status.started((client, scope))
                await anyio.sleep_forever()

    async def _ask_person(self, context: object, params: ElicitRequestParams) -> ElicitResult:
        del context
        decision = self._kind.person if self.is_person_in else "not_now"
        self.note(f"  {self.name}'s person says {decision} to {params.message!r}")
        if decision in ("approve", "deny"):
            self.decided += [(where, decision == "approve") for where in WHERE.findall(params.message)]
        if decision == "decline":
            return ElicitResult(action="decline")
        return ElicitResult(action="accept", content={"decision": decision})

    def start(self, tool: str, about: object = None, *, watched: bool = False, **arguments: Any) -> Call:
        """Call a tool and go on."""

        async def show(progress: float, total: float | None, message: str | None) -> None: ...

        self.note(f"{self.name} {tool} {arguments}{' watched' if watched else ''}")
        calling = partial(self._client.call_tool, tool, arguments, progress_callback=show if watched else None)
        call = Call(self, tool, arguments, about, self._portal.start_task_soon(calling))
        self.calls.append(call)
        self.sent += tool in ("send_message", "answer_approval")
        return call

    def finish(self, call: Call) -> Outcome:
        """Wait for what a call brings."""
        self.calls.remove(call)
        return call.outcome()

    def call(self, tool: str, **arguments: Any) -> Outcome:
        """Call a tool and wait for what it brings."""
        return self.finish(self.start(tool, **arguments))

    def leave(self, call: Call) -> None:
        """The host cancels a call that goes on."""
        self.note(f"{self.name} leaves {call.tool} {call.arguments}")
        self.calls.remove(call)
        call.future.cancel()

    def close(self) -> None:
        """End it as SIGKILL would."""
        self.note(f"{self.name} is killed")
        self._reasons.reason = None
        for call in self.calls:
            call.future.cancel()
        self.calls.clear()
        self._portal.call(self._scope.cancel)
        self._life.result(ENDS_WITHIN)
