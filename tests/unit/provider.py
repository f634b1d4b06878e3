"""A provider of models, played over real HTTP."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.fake.holds import Holds, Watch
from tests.fake.serving import GatedServer


@contextmanager
def provider(path: str, *answers: Response | dict[str, Any]) -> Generator[GatedServer]:
    """A server that gives these answers in turn, and notes what it is asked."""
    left = list(answers)

    async def answer(request: Request) -> Response:
        await request.body()
        given = left.pop(0)
        return given if isinstance(given, Response) else JSONResponse(given)

    watch = Watch()
    app = Starlette(routes=[Route(path, answer, methods=["POST"])])
    with GatedServer("provider", app, watch, Holds(watch)) as server:
        yield server


def openai(message: dict[str, Any]) -> dict[str, Any]:
    return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}


def anthropic(content: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": content, "stop_reason": "end_turn"}
