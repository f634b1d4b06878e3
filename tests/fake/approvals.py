"""Answers to a request: which fit, which are stale, and what is stored of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tests.fake.failures import TurnFailed
from tests.fake.state import Agent, Json, StoredMessage, Thread, entry, new_id, said_by
from tests.fake.tools import ToolResult, denied, returned_by_client, run_tool

KEEP_ALIVE = (
    "<system-alert>Automated keep-alive ping. Ignore this message and continue from where you stopped.</system-alert>"
)
NOTHING_PENDING = (
    "Cannot process approval response: No tool call is currently awaiting approval. "
    "Please send a regular message to interact with the agent."
)
NO_APPROVALS = "Invalid approval response. Approval response message does not contain any approvals."


def answers_of(message: Json) -> list[Json]:
    """The answers in a message. The old way of writing one answers the request by its message's id."""
    if message.get("type") == "tool_return":
        results: list[Json] = message.get("tool_returns") or []
        return [{"type": "tool", **result} for result in results]
    if message.get("approvals") is not None:
        return list(message["approvals"])
    if message.get("approval_request_id") is None:
        return []
    old = {"tool_call_id": message["approval_request_id"], "approve": message.get("approve")}
    return [{"type": "approval", **old, "reason": message.get("reason")}]


@dataclass(frozen=True)
class Answer:
    """The answers to all calls of a request; `others` are calls of the same step that needed none."""

    requested: Sequence[Json]
    others: Sequence[Json]
    given: Sequence[Json]
    step_id: str | None

    def response(self, at: datetime, run_id: str) -> StoredMessage:
        """The message that is stored of it, which looks like the first approval or denial."""
        said = [_noted(answer) for answer in self.given]
        none: Json = {}
        first = next((answer for answer in said if answer["type"] == "approval"), none)
        about: Json = {"approve": first.get("approve"), "approval_request_id": first.get("tool_call_id")}
        message_id = new_id("message")
        fields: Json = {"approvals": said, **about, "reason": first.get("reason")}
        shown = entry("approval_response_message", message_id, at, run_id=run_id, **fields)
        return StoredMessage(message_id, "approval_response", [shown])

    @property
    def approved(self) -> list[Json]:
        """The calls that run now."""
        ids = {answer["tool_call_id"] for answer in self.given if answer.get("approve")}
        return [*(call for call in self.requested if call["tool_call_id"] in ids), *self.others]

    async def results(self, agent: Agent) -> list[ToolResult]:
        """In Letta's order: what the client did itself, what was denied, what ran."""
        by_client = [returned_by_client(answer) for answer in self.given if answer.get("type") == "tool"]
        reasons = {answer["tool_call_id"]: answer.get("reason") for answer in self.given if _is_denial(answer)}
        calls = [call["tool_call_id"] for call in self.requested]
        denials = [denied(call_id, reasons[call_id]) for call_id in calls if call_id in reasons]
        return [*by_client, *denials, *[await run_tool(agent, call, is_approved=True) for call in self.approved]]


def answer_to(thread: Thread, request: Json, given: list[Json]) -> Answer:
    """The answer to the request that waits in this thread."""
    if not given:
        raise TurnFailed.unknown(NO_APPROVALS)
    requested: list[Json] = request["tool_calls"]
    expected = [call["tool_call_id"] for call in requested]
    received = [answer["tool_call_id"] for answer in given]
    if len(expected) == 1 and received[0] == request["id"]:
        given = [{**given[0], "tool_call_id": expected[0]}]
    elif set(received) != set(expected):
        raise TurnFailed.unknown(f"Invalid tool call IDs. Expected '{expected}', but received '{received}'.")
    return Answer(requested, calls_beside(thread, request), given, request["step_id"])


def calls_beside(thread: Thread, request: Json) -> list[Json]:
    """The calls of the same step that needed no answer: they are stored just before the request, and wait with it."""
    before = [entry for message in thread.messages[-2:-1] for entry in message.entries]
    return [
        call
        for entry in before
        if entry["message_type"] == "tool_call_message" and entry["step_id"] == request["step_id"]
        for call in entry["tool_calls"]
    ]


def keep_alive_for(thread: Thread, given: list[Json], at: datetime, run_id: str) -> StoredMessage:
    """An answer given before is no error: the model is asked to go on, by a message nobody wrote."""
    received = {answer["tool_call_id"] for answer in given}
    returns: list[list[Json]] = [it.entries[0]["tool_returns"] for it in thread.messages[-10:] if it.role == "tool"]
    if not any(received == {result["tool_call_id"] for result in results} for results in returns):
        raise TurnFailed.unknown(NOTHING_PENDING)
    return said_by("user", KEEP_ALIVE, at, run_id=run_id)


def _noted(answer: Json) -> Json:
    if answer.get("type") == "tool":
        return returned_by_client(answer).fields
    about = {"tool_call_id": answer["tool_call_id"], "approve": bool(answer.get("approve"))}
    return {"type": "approval", **about, "reason": answer.get("reason")}


def _is_denial(answer: Json) -> bool:
    return answer.get("type") != "tool" and not answer.get("approve")
