"""Conversations with a past, made without playing it. Pure."""

import json
import uuid
from datetime import datetime

from tests.fake.state import (
    Agent,
    Conversation,
    Json,
    Store,
    StoredMessage,
    entry,
    new_id,
    otid_of,
    said_by,
)
from tests.fake.steps import step_message

LINES = ("Good morning.", "What is the weather like?", "Tell me about the moon.", "Do you remember my cat?")


def load_messages(store: Store, conversation: Conversation | Agent, count: int) -> list[StoredMessage]:
    """`count` messages as a talk would have left them: question, tool call, result, thought and answer in turn."""
    loaded: list[StoredMessage] = []
    run_id = step_id = call_id = ""
    for number in range(count):
        at = store.now()
        if number % 4 == 0:
            run_id, step_id, call_id = new_id("run"), new_id("step"), f"call_{uuid.uuid4().hex[:16]}"
        fields: Json = {"step_id": step_id, "run_id": run_id}
        line = f"{LINES[number // 4 % len(LINES)]} ({number})"
        match number % 4:
            case 0:
                message = said_by("user", line, at, **fields)
            case 1:
                arguments = json.dumps({"query": line})
                call = {"name": "lookup", "arguments": arguments, "tool_call_id": call_id}
                message = step_message(new_id("message"), at, f"I look it up. ({number})", "", [call], **fields)
            case 2:
                message = _result(call_id, line, at, fields)
            case _:
                message = step_message(new_id("message"), at, f"I know it. ({number})", f"Answer {number}.", **fields)
        message.run_id = run_id
        store.keep(conversation.thread, message)
        loaded.append(message)
    if isinstance(conversation, Conversation) and loaded:
        conversation.last_message_at = store.latest
    return loaded


def _result(call_id: str, text: str, at: datetime, fields: Json) -> StoredMessage:
    message_id = new_id("message")
    result: Json = {"tool_return": text, "status": "success", "tool_call_id": call_id, "stdout": [], "stderr": []}
    about: Json = {"name": "lookup", "otid": otid_of(message_id, 0), **fields}
    shown = entry("tool_return_message", message_id, at, **about, **result, tool_returns=[{"type": "tool", **result}])
    return StoredMessage(message_id, "tool", [shown], text)
