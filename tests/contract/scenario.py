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
    answer = {"type": "approval", "tool_call_id": call_id, "approve": True, **more}
    return {"messages": [{"type": "approval", "approvals": [answer]}]}


def call_id_of(frames: list[Json]) -> str:
    return next(frame["data"]["tool_call"]["tool_call_id"] for frame in frames if "tool_call" in frame["data"])


def run_id_of(frames: list[Json]) -> str:
    return frames[0]["data"]["run_id"]


def types_of(frames: list[Json]) -> list[str]:
    return [frame["data"]["message_type"] for frame in frames]
