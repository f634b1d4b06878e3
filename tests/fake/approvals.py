"""Answers to an approval request: which fit, which are stale, and what is stored of them. Pure."""

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
    pending: Json
    given: Json

    def followed_by(self, agent: Agent, at: datetime, run_id: str) -> tuple[StoredMessage, ToolResult]:
        """The message that is stored of the answer, and the result the tool call now has."""
        call, given = self.pending["tool_call"], self.given
        if given.get("type") == "tool":
            result = returned_by_client(given)
            fields: Json = {"approvals": [result.fields(call["tool_call_id"])]}
            fields |= {"approve": None, "approval_request_id": None, "reason": None}
        else:
            approve, reason = bool(given.get("approve")), given.get("reason")
            result = run_tool(agent, call) if approve else denied(reason)
            said = {"type": "approval", "tool_call_id": call["tool_call_id"], "approve": approve, "reason": reason}
            fields = {"approvals": [said], "approve": approve, "approval_request_id": said["tool_call_id"]}
            fields |= {"reason": reason}
        message_id = new_id("message")
        shown = entry("approval_response_message", message_id, at, run_id=run_id, **fields)
        return StoredMessage(message_id, "approval_response", [shown]), result


def answer_to(pending: Json, answers: list[Json]) -> Answer:
    if not answers:
        raise TurnFailed.unknown(NO_APPROVALS)
    expected: str = pending["tool_call"]["tool_call_id"]
    received: list[str] = [answer["tool_call_id"] for answer in answers]
    if set(received) != {expected} and received[0] != pending["id"]:
        raise TurnFailed.unknown(f"Invalid tool call IDs. Expected '{[expected]}', but received '{received}'.")
    return Answer(pending, answers[0])


def keep_alive_for(thread: Thread, answers: list[Json], at: datetime, run_id: str) -> StoredMessage:
    """An answer given before is no error: the model is asked to go on, by a message nobody wrote."""
    received = {answer["tool_call_id"] for answer in answers}
    results = [message.entries[0]["tool_call_id"] for message in thread.messages[-10:] if message.role == "tool"]
    if not any(received == {call_id} for call_id in results):
        raise TurnFailed.unknown(NOTHING_PENDING)
    return said_by("user", KEEP_ALIVE, at, run_id=run_id)
