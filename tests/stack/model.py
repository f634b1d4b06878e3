"""The scripted model as an OpenAI-compatible server: `python -m tests.stack.model PORT`.

Letta asks it for a stream only when its own caller asked for tokens. Asked without one, it still takes the time that
the words would have taken, and a connection that drops drops there too.

`GET /log` has the last requests, whole prompts included; `POST /reset` forgets them. Loopback only.
"""

import json
import sys
import time
import uuid
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.stack.acts import Act, Break, Call, Cut, Finish, Garble, Refuse, Say, Think, Wait
from tests.stack.script import acts_for, prompt_from_messages

MODELS = ("scripted", "scripted-other")
KEPT_REQUESTS = 500
REFUSED_KEY = "sk-refused-0123456789"
"""Any other is taken, or none."""
SLOW_KEY = "sk-slow-0123456789"
SLOW_SECONDS = 30.0
ARGUMENT_CHARS = 12
ERROR_CODES = {400: "invalid_request_error", 401: "invalid_api_key", 429: "rate_limit_exceeded"}

Json = dict[str, Any]


@dataclass
class Memory:
    """What Letta asked so far."""

    log: deque[Json] = field(default_factory=lambda: deque[Json](maxlen=KEPT_REQUESTS))
    seen: set[str] = field(default_factory=set[str])


@dataclass(frozen=True)
class Completion:
    """The parts that every piece of one answer repeats."""

    model: str
    usage: Json
    completion_id: str = field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex[:12]}")
    created: int = field(default_factory=lambda: int(time.time()))

    def body(self, kind: str, choices: Sequence[Json], **more: Any) -> Json:
        about: Json = {"id": self.completion_id, "object": kind, "created": self.created, "model": self.model}
        return about | {"choices": list(choices)} | more

    def chunk(self, delta: Json, finish_reason: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
        return _frame(self.body("chat.completion.chunk", [choice]))


def app_with_memory(memory: Memory) -> Starlette:
    """The server, with its memory in the hands of the caller."""

    async def complete(request: Request) -> Response:
        if request.headers.get("authorization") == f"Bearer {REFUSED_KEY}":
            return _refusal(401)
        if request.headers.get("authorization") == f"Bearer {SLOW_KEY}":
            await anyio.sleep(SLOW_SECONDS)
        return await _completed(await request.json(), memory)

    async def log(_: Request) -> Response:
        return JSONResponse(list(memory.log))

    async def reset(_: Request) -> Response:
        memory.log.clear()
        memory.seen.clear()
        return JSONResponse({"ok": True})

    return Starlette(
        routes=[
            Route("/v1/chat/completions", complete, methods=["POST"]),
            Route("/v1/models", _models),
            Route("/log", log),
            Route("/reset", reset, methods=["POST"]),
            Route("/health", _health),
        ]
    )


async def _completed(body: Json, memory: Memory) -> Response:
    prompt = prompt_from_messages(body.get("messages") or [])
    prompt = replace(prompt, is_repeat=prompt.text in memory.seen)
    memory.seen.add(prompt.text)
    tools: list[Json] = body.get("tools") or []
    names = [tool["function"]["name"] for tool in tools]
    memory.log.append({"at": time.time(), "text": prompt.text, "tool_names": names, "request": body})

    acts = deque(acts_for(prompt))
    if isinstance(acts[0], Wait):
        await anyio.sleep(acts[0].seconds)
        del acts[0]
    match acts[0]:
        case Refuse(status):
            return _refusal(status)
        case Garble():
            return PlainTextResponse("<html>this is no JSON</html>", media_type="text/html")
        case _:
            completion = Completion(body.get("model", MODELS[0]), _usage(body, acts))
    if body.get("stream"):
        options: Json = body.get("stream_options") or {}
        with_usage = bool(options.get("include_usage"))
        return StreamingResponse(_streamed(completion, acts, with_usage=with_usage), media_type="text/event-stream")
    return await _whole(completion, acts)


async def _whole(completion: Completion, acts: Sequence[Act]) -> Response:
    for act in acts:
        match act:
            case Wait(seconds):
                await anyio.sleep(seconds)
            case Cut():
                return StreamingResponse(_dropped(), media_type="application/json")
            case Break():
                return _refusal(500)
            case _:
                pass
    message: Json = {"role": "assistant", "content": "".join(act.word for act in acts if isinstance(act, Say)) or None}
    if thoughts := "".join(act.word for act in acts if isinstance(act, Think)):
        message["reasoning_content"] = thoughts
    if calls := [act for act in acts if isinstance(act, Call)]:
        message["tool_calls"] = [_tool_call(call, call.arguments) for call in calls]
    finish_reason = next((act.reason for act in acts if isinstance(act, Finish)), "stop")
    choice = {"index": 0, "message": message, "finish_reason": finish_reason, "logprobs": None}
    return JSONResponse(completion.body("chat.completion", [choice], usage=completion.usage))


async def _streamed(completion: Completion, acts: Sequence[Act], *, with_usage: bool) -> AsyncIterator[str]:
    calls = 0
    yield completion.chunk({"role": "assistant", "content": ""})
    for act in acts:
        match act:
            case Wait(seconds):
                await anyio.sleep(seconds)
            case Call():
                for part in _call_parts(act):
                    yield completion.chunk({"tool_calls": [{"index": calls, **part}]})
                calls += 1
            case Break():
                error = {"message": "the scripted model broke off", "type": "server_error", "code": "server_error"}
                yield _frame({"error": error})
                return
            case _:
                yield _chunk(completion, act)
    if with_usage:
        yield _frame(completion.body("chat.completion.chunk", [], usage=completion.usage))
    yield "data: [DONE]\n\n"


def _chunk(completion: Completion, act: Act) -> str:
    match act:
        case Think(word):
            return completion.chunk({"reasoning_content": word})
        case Say(word):
            return completion.chunk({"content": word})
        case Finish(reason):
            return completion.chunk({}, reason)
        case _:
            raise ConnectionResetError


async def _dropped() -> AsyncIterator[str]:
    """Uvicorn closes the connection when a body breaks off; before its first byte it would answer 500."""
    yield "{"
    raise ConnectionResetError


def _call_parts(call: Call) -> Iterator[Json]:
    """A tool call as models stream it: the name first, then the arguments in pieces."""
    yield _tool_call(call, "")
    for start in range(0, len(call.arguments), ARGUMENT_CHARS):
        yield {"function": {"arguments": call.arguments[start : start + ARGUMENT_CHARS]}}


def _tool_call(call: Call, arguments: str) -> Json:
    function = {"name": call.name, "arguments": arguments}
    return {"id": call.call_id or f"call_{uuid.uuid4().hex[:16]}", "type": "function", "function": function}


def _usage(body: Json, acts: Sequence[Act]) -> Json:
    asked = len(json.dumps(body.get("messages") or "")) // 4
    answered = max(1, sum(isinstance(act, Say | Think | Call) for act in acts))
    return {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}


def _frame(body: Json) -> str:
    return f"data: {json.dumps(body)}\n\n"


def _refusal(status: int) -> Response:
    kind = ERROR_CODES.get(status, "server_error")
    error = {"message": f"the scripted model says {status}", "type": kind, "param": None, "code": kind}
    return JSONResponse({"error": error}, status_code=status)


async def _models(_: Request) -> Response:
    about = {"object": "model", "created": 1, "owned_by": "tests", "context_length": 32000}
    return JSONResponse({"object": "list", "data": [{"id": name, **about} for name in MODELS]})


async def _health(_: Request) -> Response:
    return JSONResponse({"ok": True})


if __name__ == "__main__":
    import uvicorn

    uvicorn.run(
        app_with_memory(Memory()),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="warning",
        timeout_graceful_shutdown=1,
    )
