"""What tools give back, and how Letta words and stores it."""

import inspect
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from tests.fake.state import Agent, Json, StoredMessage, entry, new_id, otid_of


@dataclass(frozen=True)
class ToolResult:
    call_id: str
    text: str
    status: str = "success"
    stdout: list[str] | None = None
    stderr: list[str] | None = None
    name: str | None = None
    """Letta names the tool only where it ran it itself, or tried to."""

    @property
    def fields(self) -> Json:
        return {
            "type": "tool",
            "tool_return": self.text,
            "status": self.status,
            "tool_call_id": self.call_id,
            "stdout": self.stdout,
            "stderr": self.stderr,
        }

    def for_model(self, at: datetime) -> str:
        status = "OK" if self.status == "success" else "Failed"
        time = at.strftime("%Y-%m-%d %I:%M:%S %p UTC+0000")
        return json.dumps({"status": status, "message": self.text, "time": time}, indent=2, ensure_ascii=False)


async def run_tool(agent: Agent, call: Json, *, is_approved: bool = False) -> ToolResult:
    """Runs a tool of the agent's; what goes wrong is its result."""
    call_id, name = call["tool_call_id"], call["name"]
    tool = agent.tools.get(name)
    if tool is None:
        refusal = f"[ToolConstraintError] Cannot call {name}, valid tools include: {sorted(agent.tools)}."
        return ToolResult(call_id, "Tool not found" if is_approved else refusal, "error", name=name)
    try:
        answer = tool.answer if isinstance(tool.answer, str) else tool.answer(_arguments(call["arguments"]))
        if inspect.isawaitable(answer):
            answer = cast("object", await answer)
    except Exception as error:  # noqa: BLE001  whatever a test's tool raises is what Letta reports
        said = f"{type(error).__name__}: {error}"
        text = f"Error executing function {name}: {said}"
        return ToolResult(call_id, text, "error", [], [f"Traceback (most recent call last):\n{said}\n"], name)
    return ToolResult(call_id, str(answer), stdout=[], stderr=[], name=name)


def denied(call_id: str, reason: str | None) -> ToolResult:
    return ToolResult(call_id, f"Error: request to call tool denied. User reason: {reason}", "error")


def returned_by_client(answer: Json) -> ToolResult:
    text, status = text_of(answer.get("tool_return")), answer.get("status") or "success"
    return ToolResult(answer["tool_call_id"], text, status, answer.get("stdout"), answer.get("stderr"))


def tool_message(results: Sequence[ToolResult], at: datetime, **fields: Any) -> StoredMessage:
    """The results of a step, in one message: it looks like the first of them, and is named like the first that ran."""
    message_id = new_id("message")
    first = {key: value for key, value in results[0].fields.items() if key != "type"}
    name = next((result.name for result in results if result.name), None)
    about: Json = {"name": name, "otid": otid_of(message_id, 0), **fields}
    returns = [result.fields for result in results]
    shown = entry("tool_return_message", message_id, at, **about, **first, tool_returns=returns)
    return StoredMessage(message_id, "tool", [shown], results=[result.for_model(at) for result in results])


def text_of(content: object) -> str:
    """The text of a message's content, which is a string or a list of parts."""
    if not isinstance(content, list):
        return content if isinstance(content, str) else ""
    parts = cast("list[dict[str, Any]]", content)
    return " ".join(str(part.get("text", "")) for part in parts)


def _arguments(raw: str) -> Json:
    """Broken arguments are no arguments to Letta; the tool then complains itself."""
    try:
        return json.loads(raw)
    except ValueError:
        return {}
