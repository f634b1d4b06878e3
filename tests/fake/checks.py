"""What Letta refuses before it does anything, in its own words. Pure.

Its 422 has the errors of its validator as a string: written by Python's `repr`, not JSON.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.fake.pages import Cursor
from tests.fake.shapes import USER
from tests.fake.state import Json

UUID4 = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
CONVERSATION = f"conv-{UUID4}"
CONVERSATION_OR_DEFAULT = f"(default|conv-{UUID4}|agent-{UUID4})"
EXAMPLE = "123e4567-e89b-42d3-8456-426614174000"
ORDERS = ("asc", "desc")
MESSAGE_TYPES = (
    "system_message",
    "user_message",
    "assistant_message",
    "reasoning_message",
    "hidden_reasoning_message",
    "tool_call_message",
    "tool_return_message",
    "approval_request_message",
    "approval_response_message",
    "summary_message",
    "event_message",
)


@dataclass
class Refused(Exception):
    """An answer other than 200."""

    status: int
    body: Json

    @classmethod
    def detail(cls, status: int, detail: str, **more: Any) -> "Refused":
        return cls(status, {"detail": detail, **more})

    @classmethod
    def invalid(cls, errors: list[Json], **more: Any) -> "Refused":
        return cls(422, {"trace_id": "", "detail": str(errors), **more})


def not_found(what: str, item_id: str, *, with_deleted: bool = False) -> Refused:
    """Letta lets its caller see how it looked."""
    actor = (
        f"id='{USER}' organization_id='org-00000000-0000-4000-8000-000000000000' name='default_user' created_at=None "
        "updated_at=datetime.datetime(2026, 11, 22, 21, 37, 3, 185265, tzinfo=TzInfo(UTC)) is_deleted=False"
    )
    tail = ", is_deleted=False" if with_deleted else ""
    detail = f"{what} not found with id='['{item_id}']', access level in ['read'] for actor='{actor}'{tail}"
    return Refused.detail(404, detail)


def check_conversation_id(conversation_id: str) -> None:
    """Of the conversation alone: an agent's default one has no record to read or change."""
    errors = _length_error("conversation_id", conversation_id, 41) or _pattern_error(
        "conversation_id", conversation_id, CONVERSATION
    )
    if errors:
        raise Refused.invalid([errors])


def check_thread_id(conversation_id: str) -> None:
    error = _pattern_error("conversation_id", conversation_id, CONVERSATION_OR_DEFAULT)
    if len(conversation_id) > 42:
        error = _length_error("conversation_id", conversation_id, 42)
    if error:
        raise Refused.invalid([error])


def check_primitive_id(kind: str, item_id: str) -> None:
    """Agents and messages: the error names the pattern in a friendlier way, with an example."""
    pattern = f"{kind}-{UUID4}"
    error = _pattern_error(f"{kind}_id", item_id, pattern)
    if error:
        error["msg"] = f"String should match pattern '{kind}-{{uuid4}}'"
        raise Refused.invalid([error], examples=[f"{kind}-{EXAMPLE}"])


def check_id_in_body(kind: str, item_id: str, label: str) -> None:
    if not re.fullmatch(f"{kind}-{UUID4}", item_id):
        expected = f"Expected format: '{kind}-<uuid4>'"
        raise Refused.detail(400, f"INVALID_ARGUMENT: Invalid {label} ID format: {item_id}. {expected}")


def integer(
    query: Mapping[str, str], name: str, default: int | None, *, least: int | None = None, most: int | None = None
) -> int | None:
    raw = query.get(name)
    if raw is None:
        return default
    try:
        value = int(raw)
    except ValueError:
        message = "Input should be a valid integer, unable to parse string as an integer"
        error = {"type": "int_parsing", "loc": ("query", name), "msg": message, "input": raw}
        raise Refused.invalid([error]) from None
    loc = ("query", name)
    if least is not None and value < least:
        message = f"Input should be greater than or equal to {least}"
        error = {"type": "greater_than_equal", "loc": loc, "msg": message, "input": raw, "ctx": {"ge": least}}
        raise Refused.invalid([error])
    if most is not None and value > most:
        message = f"Input should be less than or equal to {most}"
        error = {"type": "less_than_equal", "loc": loc, "msg": message, "input": raw, "ctx": {"le": most}}
        raise Refused.invalid([error])
    return value


def cursor(
    query: Mapping[str, str], *, limit: int, order: str = "desc", least: int | None = None, most: int | None = None
) -> Cursor:
    """The part of a list that is asked for."""
    return Cursor(
        order=choice(query, "order", ORDERS, order),
        limit=integer(query, "limit", limit, least=least, most=most),
        after=query.get("after") or None,
        before=query.get("before") or None,
    )


def choice(
    query: Mapping[str, str], name: str, allowed: Sequence[str], default: str, *, kind: str = "literal_error"
) -> str:
    raw = query.get(name, default)
    if raw not in allowed:
        expected = _either(allowed)
        error = {"type": kind, "loc": ("query", name), "msg": f"Input should be {expected}", "input": raw}
        raise Refused.invalid([{**error, "ctx": {"expected": expected}}])
    return raw


def message_types(raw: Sequence[str]) -> list[str] | None:
    errors: list[Json] = []
    for at, value in enumerate(raw):
        if value not in MESSAGE_TYPES:
            expected = _either(MESSAGE_TYPES)
            loc = ("query", "include_return_message_types", at)
            error = {"type": "enum", "loc": loc, "msg": f"Input should be {expected}", "input": value}
            errors.append({**error, "ctx": {"expected": expected}})
    if errors:
        raise Refused.invalid(errors)
    return list(raw) or None


def _either(allowed: Sequence[str]) -> str:
    quoted = [f"'{value}'" for value in allowed]
    return f"{', '.join(quoted[:-1])} or {quoted[-1]}" if len(quoted) > 1 else quoted[0]


def json_body(raw: bytes, *, required: bool = True) -> Json:
    if not raw:
        if required:
            raise Refused.invalid([{"type": "missing", "loc": ("body",), "msg": "Field required", "input": None}])
        return {}
    try:
        return json.loads(raw)
    except json.JSONDecodeError as error:
        found: Json = {"type": "json_invalid", "loc": ("body", error.pos), "msg": "JSON decode error", "input": {}}
        raise Refused.invalid([{**found, "ctx": {"error": error.msg}}]) from None


def check_send(body: Json) -> list[Json]:
    """The messages of a send."""
    given, messages = body.get("input"), body.get("messages")
    if given is None and messages is None:
        raise _value_error("Must specify either 'input' or 'messages'.", body)
    if given is not None and messages is not None:
        raise _value_error("Cannot specify both 'input' and 'messages'. Use one or the other.", body)
    messages = [{"role": "user", "content": given}] if messages is None else messages
    if not messages:
        raise Refused.detail(422, "Messages must not be empty")
    for at, message in enumerate(messages):
        _check_role(at, message)
    return messages


def _check_role(at: int, message: Json) -> None:
    if message.get("type", "message") != "message" or message.get("role") in {"user", "system", "assistant"}:
        return
    where = "function-after[generate_otid_if_missing(), MessageCreate]"
    expected = "<MessageRole.user: 'user'>, <MessageRole.system: 'system'> or <MessageRole.assistant: 'assistant'>"
    error = {"type": "literal_error", "loc": ("body", "messages", at, where, "role"), "input": message.get("role")}
    raise Refused.invalid([{**error, "msg": f"Input should be {expected}", "ctx": {"expected": expected}}])


def _value_error(message: str, body: Json) -> Refused:
    # Letta prints the exception object itself, hence no `repr` of a dict here.
    said = f"'Value error, {message}'" if "'" not in message else f'"Value error, {message}"'
    inner = f"'{message}'" if "'" not in message else f'"{message}"'
    detail = (
        f"[{{'type': 'value_error', 'loc': ('body',), 'msg': {said}, 'input': {body}, "
        f"'ctx': {{'error': ValueError({inner})}}}}]"
    )
    return Refused(422, {"trace_id": "", "detail": detail})


def _length_error(name: str, value: str, length: int) -> Json | None:
    if len(value) == length:
        return None
    word, bound = ("short", "min_length") if len(value) < length else ("long", "max_length")
    least = "least" if word == "short" else "most"
    message = f"String should have at {least} {length} characters"
    return {"type": f"string_too_{word}", "loc": ("path", name), "msg": message, "input": value, "ctx": {bound: length}}


def _pattern_error(name: str, value: str, pattern: str) -> Json | None:
    if re.fullmatch(pattern, value):
        return None
    message = f"String should match pattern '^{pattern}$'"
    about = {"type": "string_pattern_mismatch", "loc": ("path", name), "msg": message, "input": value}
    return {**about, "ctx": {"pattern": f"^{pattern}$"}}
