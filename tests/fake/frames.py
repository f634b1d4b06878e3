"""The bytes of a stream: entries in pieces, pings, the end. Pure.

In token mode `tool_calls` is an object, in step mode a list: so it is on the wire.
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from tests.fake.state import Json, entry, new_id

DONE = "data: [DONE]\n\n"
# Letta writes this one frame with another encoder: mind the spaces.
CANCELLED = 'data: {"message_type": "stop_reason", "stop_reason": "cancelled"}\n\n'
ARGUMENT_PIECE = 12


def frame(data: Json) -> str:
    return f"data: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n"


def ping(run_id: str, seq_id: int | None = None) -> str:
    return frame({**entry("ping", new_id("ping"), datetime.now(UTC), run_id=run_id), "seq_id": seq_id})


def stop(reason: str) -> str:
    return frame({"message_type": "stop_reason", "stop_reason": reason})


def error(run_id: str, error_type: str, message: str, detail: str) -> str:
    body: Json = {
        "message_type": "error_message",
        "run_id": run_id,
        "error_type": error_type,
        "message": message,
        "detail": detail,
        "seq_id": None,
    }
    return f"event: error\n{frame(body)}"


def usage(words: int, steps: int, *, by_tokens: bool) -> Json:
    """Made-up counts with real proportions; a stream of tokens says nothing about caches."""
    unknown = None if by_tokens or not steps else 0
    prompt = 700 * steps
    return {
        "message_type": "usage_statistics",
        "completion_tokens": words,
        "prompt_tokens": prompt,
        "total_tokens": prompt + words,
        "step_count": steps,
        "run_ids": None,
        "cached_input_tokens": unknown,
        "cache_write_tokens": unknown,
        "reasoning_tokens": unknown,
        "context_tokens": prompt + words if steps else None,
    }


def numbered(text: str, number: int) -> str:
    """A frame as a background stream replays it. A `[DONE]` or a stop reason takes a number and shows none."""
    return text.replace('"seq_id":null', f'"seq_id":{number}')


def is_last(text: str) -> bool:
    return text.startswith(("data: [DONE]", "event: error"))


def words_of(text: str) -> list[str]:
    """The pieces a model streams: a word with the space that follows it."""
    return re.findall(r"\s*\S+\s*", text) if text.strip() else [text] if text else []


def pieces_of(whole: Json) -> Iterator[Json]:
    """One entry as the pieces a stream of tokens has of it."""
    match whole["message_type"]:
        case "assistant_message":
            yield from ({**whole, "content": word} for word in words_of(whole["content"]))
        case "reasoning_message":
            yield from ({**whole, "reasoning": word} for word in words_of(whole["reasoning"]))
        case "tool_call_message":
            yield from (_with_call(whole, call) for call in _call_pieces(whole["tool_call"]))
        case "approval_request_message":
            absent = {"name": None, "arguments": None}
            yield from (_with_call(whole, {**absent, **call}) for call in _call_pieces(whole["tool_call"]))
        case _:
            yield whole


def _call_pieces(call: Json) -> Iterator[Json]:
    yield {"name": call["name"], "tool_call_id": call["tool_call_id"]}
    arguments: str = call["arguments"]
    for start in range(0, len(arguments), ARGUMENT_PIECE):
        yield {"arguments": arguments[start : start + ARGUMENT_PIECE], "tool_call_id": call["tool_call_id"]}


def _with_call(whole: Json, call: dict[str, Any]) -> Json:
    return {**whole, "tool_call": call, "tool_calls": call}
