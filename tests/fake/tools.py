"""What a tool gives back, and how Letta words it."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from tests.fake.state import Agent, Json


@dataclass(frozen=True)
class ToolResult:
    text: str
    status: str = "success"
    stdout: list[str] | None = None
    stderr: list[str] | None = None
    is_named: bool = False
    """Letta names the tool only where it ran it itself, or tried to."""

    def fields(self, call_id: str) -> Json:
        return {
            "type": "tool",
            "tool_return": self.text,
            "status": self.status,
            "tool_call_id": call_id,
            "stdout": self.stdout,
            "stderr": self.stderr,
        }

    def for_model(self, at: datetime) -> str:
        status = "OK" if self.status == "success" else "Failed"
        time = at.strftime("%Y-%m-%d %I:%M:%S %p UTC+0000")
        return json.dumps({"status": status, "message": self.text, "time": time}, indent=2, ensure_ascii=False)


def run_tool(agent: Agent, call: Json) -> ToolResult:
    """Runs a tool of the agent's; what goes wrong is its result."""
    tool = agent.tools.get(call["name"])
    if tool is None:
        known = sorted(agent.tools)
        refusal = f"[ToolConstraintError] Cannot call {call['name']}, valid tools include: {known}."
        return ToolResult(refusal, "error", is_named=True)
    if isinstance(tool.answer, str):
        return ToolResult(tool.answer, stdout=[], stderr=[], is_named=True)
    try:
        answer = tool.answer(_arguments(call["arguments"]))
    except Exception as error:  # noqa: BLE001  whatever a test's tool raises is what Letta reports
        said = f"{type(error).__name__}: {error}"
        text = f"Error executing function {tool.name}: {said}"
        return ToolResult(text, "error", [], [f"Traceback (most recent call last):\n{said}\n"], is_named=True)
    return ToolResult(str(answer), stdout=[], stderr=[], is_named=True)


def denied(reason: str | None) -> ToolResult:
    return ToolResult(f"Error: request to call tool denied. User reason: {reason}", "error")


def returned_by_client(answer: Json) -> ToolResult:
    stdout, stderr = answer.get("stdout"), answer.get("stderr")
    return ToolResult(text_of(answer.get("tool_return")), answer.get("status") or "success", stdout, stderr)


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
