"""What an App Server is told, and what it says, as JSON: pure.

An App Server gives agents a shell and lets most of its tools run unasked, so what it is told is made here and nowhere
else: every message names the tools that it may use, and every runtime is started in the mode that asks. What a message
leaves out, the server would take for permission. Seen on letta 0.34.12, protocol version 1.
"""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from letta_conv_mcp.letta.content import Json, content_text, objects, text_or_none
from letta_conv_mcp.letta.events import CalledTool, Event, Restarted, Spoke, Thought, ToolReturned, call_parts
from letta_conv_mcp.letta.outgoing import Decision, Said
from letta_conv_mcp.letta.records import DEFAULT_PREFIX

PROTOCOL_VERSION = 1
DEFAULT_THREAD = "default"
"""The id of an agent's own thread; the agent's own id stands beside it."""
MEMORY_TOOL = "memory_replace"
REMINDER = "<system-reminder>"

_MEMORY_TOOL: Json = {
    "name": MEMORY_TOOL,
    "description": "Change what you remember: replace text in one of your memory blocks. Without `old` it is added.",
    "parameters": {
        "type": "object",
        "properties": {
            "label": {"type": "string", "description": "The block's name, such as human or persona"},
            "old": {"type": "string", "description": "The exact text to replace"},
            "new": {"type": "string", "description": "What to put in its place"},
        },
        "required": ["label", "new"],
    },
}


def runtime_of(conversation_id: str, agent_id: str) -> Json:
    """How an App Server names a conversation of an agent's."""
    is_default = conversation_id.startswith(DEFAULT_PREFIX)
    return {"agent_id": agent_id, "conversation_id": DEFAULT_THREAD if is_default else conversation_id}


def start_fields(runtime: Json) -> dict[str, Any]:
    """The fields of a `runtime_start`: in the mode that asks a person before any tool runs.

    Without `mode` everything would run unasked, and so would reads, subagents and more in the mode called standard.
    """
    return {
        **runtime,
        "mode": "strict",
        "skill_sources": [],
        "external_tools": [{"tools": [_MEMORY_TOOL]}],
        "client_info": {"name": "letta-conv-mcp"},
        "wait_for_replay": True,
    }


def message_fields(runtime: Json, said: Said, otid: str, tools: Iterable[str]) -> dict[str, Any]:
    """The fields of an `input` that says something: the only place where a message is made.

    Args:
        runtime: the conversation.
        said: what is said; the server takes pictures as data alone, and drops an address without a word.
        otid: our id for it; the server takes a message of the same id only once, and names it when the turn is over.
        tools: the server's own tools that the agent may ask to use in this turn, besides our memory tool.
    """
    allowed = sorted(set(tools))
    return {
        "runtime": runtime,
        "terminal_consumer_id": otid,
        "payload": {
            "kind": "create_message",
            "messages": [{"role": "user", "content": _content(said), "client_message_id": otid}],
            # Left out on one message, all twenty tools would be back for it.
            "client_tool_allowlist": [MEMORY_TOOL, *allowed],
            "client_toolset": {"base": "default" if allowed else "none"},
        },
    }


def _content(said: Said) -> str | list[dict[str, Any]]:
    images = [
        {"type": "image", "source": {"type": "base64", "media_type": image.media_type, "data": image.data}}
        for image in said.images
    ]
    return [{"type": "text", "text": said.text}, *images] if images else said.text


def answer_fields(runtime: Json, request_id: str, decision: Decision) -> dict[str, Any]:
    """The fields of an `input` that passes on a person's decision. A permission is for this call and never kept."""
    answer = (
        {"behavior": "allow"} if decision.approve else {"behavior": "deny", "message": decision.reason or "Denied."}
    )
    return {
        "runtime": runtime,
        "payload": {"kind": "approval_response", "request_id": request_id, "decision": answer},
    }


def events_from_delta(delta: Json) -> list[Event]:
    """What a `stream_delta` says of a turn. How a segment stopped is left out: only `turn_finished` ends a turn."""
    match delta.get("message_type"):
        case "assistant_message":
            return [Spoke(str(delta.get("id") or ""), content_text(delta.get("content")))]
        case "reasoning_message":
            return [Thought(str(delta.get("id") or ""), str(delta.get("reasoning") or ""))]
        case "approval_request_message":
            # Said of every tool call, also of those that nobody is asked about.
            return [CalledTool(*call_parts(call)) for call in objects(delta.get("tool_call"))]
        case "tool_return_message":
            return [
                ToolReturned(
                    str(result.get("tool_call_id") or ""),
                    "",
                    str(result.get("status") or ""),
                    content_text(result.get("tool_return")),
                )
                for result in objects(delta.get("tool_returns")) or [delta]
            ]
        case "retry":
            # The model failed, and the whole message is put to it anew.
            return [Restarted()]
        case _:
            return []


def error_type_of(delta: Json) -> str | None:
    """What a delta says went wrong, in Letta's word; None where it says nothing of that kind."""
    match delta.get("message_type"):
        case "error_message":
            return text_or_none(delta.get("error_type"))
        case "loop_error":
            error = delta.get("api_error")
            if isinstance(error, Mapping):
                return text_or_none(cast("Json", error).get("error_type"))
            # No other sign tells a run that the server lost and still takes for active.
            return "conversation_wedged" if "already has an active run" in str(delta.get("message")) else None
        case _:
            return None


def entries_from_messages(messages: object) -> list[Json]:
    """Stored messages as the rest of the house reads them: without what the server put into the person's words."""
    return [_without_reminders(message) for message in objects(messages)]


def _without_reminders(message: Json) -> Json:
    if message.get("message_type") != "user_message":
        return message
    parts = objects(message.get("content"))
    said = [part for part in parts if not str(part.get("text") or "").lstrip().startswith(REMINDER)]
    if said or not parts:
        return {**message, "content": said or message.get("content")}
    # The server's own notice, such as that a turn was interrupted. It keeps its place: pages are counted.
    return {**message, "message_type": "system_message"}
