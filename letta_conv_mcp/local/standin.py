"""A scripted model for a machine where no model is set up: it shows that everything else works.

It says in every reply that it is none. It speaks as much of the OpenAI API as an App Server asks for.
"""

import json
import re
import socket
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import contextmanager
from time import time
from typing import TYPE_CHECKING, cast
from uuid import uuid4

import anyio
from anyio.abc import TaskStatus

from letta_conv_mcp.letta.appserver_json import REMINDER
from letta_conv_mcp.letta.content import Json, content_text, objects

if TYPE_CHECKING:
    from starlette.applications import Starlette

PROVIDER = "openai-compatible"
MODEL = "stand-in"
HANDLE = f"{PROVIDER}/{MODEL}"
LABEL = "[No model is set up; this is a scripted stand-in. `letta-conv-mcp setup-local` sets one up.]"
CLOSE_SECONDS = 1.0
MOST_PIECES = 200
# "What did I tell you?", "Do you remember my name?"
ASKS_BACK = re.compile(r"\b(what did i (say|tell)|do you remember)\b", re.IGNORECASE)


def words_for(messages: Sequence[Json]) -> str:
    """What the stand-in says to a prompt's messages: pure."""
    said = [text for message in messages if message.get("role") == "user" and (text := _said(message))]
    newest, earlier = (said[-1], said[:-1]) if said else ("", [])
    if not ASKS_BACK.search(newest):
        return f"{LABEL} You said: {newest}"
    told = [text for text in earlier if not ASKS_BACK.search(text)]
    return f"{LABEL} You told me: {' '.join(told)}" if told else f"{LABEL} You have not told me anything yet."


async def run_standin(*, task_status: TaskStatus[str]) -> None:
    """Run a stand-in until cancelled. What it starts with is the address that a provider is given."""
    # Its import takes a while, and only some need it.
    import uvicorn

    class QuietServer(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Generator[None]:
            # They are ours.
            yield

    server = QuietServer(uvicorn.Config(_app(), lifespan="off", log_config=None))
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        task_status.started(f"http://127.0.0.1:{bound.getsockname()[1]}/v1")
        try:
            await server.serve([bound])
        finally:
            # Cancelled, it doesn't let go of its sockets by itself.
            with anyio.move_on_after(CLOSE_SECONDS, shield=True):
                await server.shutdown([bound])


def _app() -> "Starlette":
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response, StreamingResponse
    from starlette.routing import Route

    async def models(_: Request) -> Response:
        return JSONResponse(
            {"object": "list", "data": [{"id": MODEL, "object": "model", "owned_by": "letta-conv-mcp"}]}
        )

    async def complete(request: Request) -> Response:
        body = cast("Json", await request.json())
        words = words_for(objects(body.get("messages")))
        if not body.get("stream"):
            return JSONResponse(_completion("chat.completion", {"message": {"role": "assistant", "content": words}}))
        return StreamingResponse(_pieces(words), media_type="text/event-stream")

    return Starlette(routes=[Route("/v1/models", models), Route("/v1/chat/completions", complete, methods=["POST"])])


async def _pieces(words: str) -> AsyncGenerator[str]:
    completion_id = f"chatcmpl-{uuid4().hex}"
    said = re.findall(r"\S+\s*", words)
    # A word at a time, but for what is long.
    size = len(said) // MOST_PIECES + 1
    for start in range(0, len(said), size):
        delta = {"content": "".join(said[start : start + size])}
        yield _event(_completion("chat.completion.chunk", {"delta": delta, "finish_reason": None}, completion_id))
    yield _event(_completion("chat.completion.chunk", {"delta": {}}, completion_id))
    yield "data: [DONE]\n\n"


def _completion(kind: str, choice: Json, completion_id: str | None = None) -> Json:
    return {
        "id": completion_id or f"chatcmpl-{uuid4().hex}",
        "object": kind,
        "created": int(time()),
        "model": MODEL,
        "choices": [{"index": 0, "finish_reason": "stop", **choice}],
        "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
    }


def _event(body: Json) -> str:
    return f"data: {json.dumps(body)}\n\n"


def _said(message: Json) -> str:
    """A person's words, without what the App Server put before them."""
    content = message.get("content")
    parts = [str(part.get("text") or "") for part in objects(content)] or [content_text(content)]
    return " ".join(part for part in parts if part and not part.lstrip().startswith(REMINDER)).strip()
