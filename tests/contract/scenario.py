"""What the scenarios of the contract share. A scenario is a talk; its name says what Letta does in it."""

from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeAlias

from tests.fake.talk import Json, Talk

NOBODY = "00000000-0000-4000-8000-000000000000"
PASSWORD = "s3cret"

Scenario: TypeAlias = Callable[[Talk], None]


def scenario(play: Scenario) -> Scenario:
    """Marks a talk as one to be compared."""
    setattr(play, "is_scenario", True)  # noqa: B010  a function has no such attribute to a type checker
    return play


def scenarios_of(*modules: ModuleType) -> list[Scenario]:
    """All marked talks of these modules, in the order in which they stand there."""
    return [play for module in modules for play in vars(module).values() if getattr(play, "is_scenario", False)]


def approve(call_id: str, **more: Any) -> dict[str, Any]:
    return answers(approval(call_id, **more))


def approval(call_id: str, **more: Any) -> Json:
    return {"type": "approval", "tool_call_id": call_id, "approve": True, **more}


def answers(*given: Json, **more: Any) -> dict[str, Any]:
    """The body of a send that answers several tool calls at once."""
    return {"messages": [{"type": "approval", "approvals": list(given), **more}]}


def call_id_of(frames: list[Json]) -> str:
    return call_ids_of(frames)[0]


def call_ids_of(frames: list[Json]) -> list[str]:
    """Every tool call of a stream, in the order in which they came up."""
    calls = [call for frame in frames if "tool_calls" in frame["data"] for call in _listed(frame["data"]["tool_calls"])]
    return list(dict.fromkeys(call["tool_call_id"] for call in calls))


def run_id_of(frames: list[Json]) -> str:
    return frames[0]["data"]["run_id"]


def types_of(frames: list[Json]) -> list[str]:
    return [frame["data"]["message_type"] for frame in frames]


def _listed(calls: Json | list[Json]) -> list[Json]:
    """A stream of tokens has one call at a time, and no list around it."""
    return calls if isinstance(calls, list) else [calls]
