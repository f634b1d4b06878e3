"""Letta's JSON as the views we return: pure, and tolerant of fields that one server has and another lacks."""

import json
from collections.abc import Collection, Iterable
from typing import cast

from letta_conv_mcp import errors
from letta_conv_mcp.letta.content import (
    Json,
    arguments_text,
    content_text,
    first_object,
    objects,
    shortened,
    system_alert_text,
    text_or_none,
    tool_calls,
)
from letta_conv_mcp.letta.content import tool_returns as returns_of
from letta_conv_mcp.views import Agent, Approval, Compaction, Conversation, MemoryBlock, Message, SearchHit

_ROLES = {
    "user_message": "user",
    "approval_response_message": "user",
    "assistant_message": "assistant",
    "reasoning_message": "assistant",
    "hidden_reasoning_message": "assistant",
    "tool_call_message": "assistant",
    "approval_request_message": "assistant",
    "tool_return_message": "tool",
}

LABEL_CHARS = 500
SUMMARY_CHARS = 4_000
ARGUMENTS_CHARS = 4_000
"""What an approval shows of a call's arguments; the history has them whole."""

DEFAULT_PREFIX = "default:"
"""An agent's own thread is `default:<agent_id>` with us; Letta wants the id `default` beside the agent's."""


def agent_from_json(agent: Json) -> Agent:
    """An agent, with its model's handle where the server gives one."""
    return Agent(
        id=str(agent.get("id") or ""),
        name=str(agent.get("name") or ""),
        description=_short_or_none(agent.get("description")),
        model=text_or_none(agent.get("model")) or text_or_none(first_object(agent.get("llm_config")).get("handle")),
    )


def conversation_from_json(conversation: Json, *, listed: bool = False) -> Conversation:
    """A conversation. A server that lacks a field leaves it None.

    Args:
        conversation: Letta's JSON.
        listed: it stands in a list, where 0.16.8 shows every conversation with no message in context.
    """
    in_context = conversation.get("in_context_message_ids")
    archived = conversation.get("archived")
    is_known = isinstance(in_context, list) and not (listed and not in_context)
    return Conversation(
        id=str(conversation.get("id") or ""),
        agent_id=str(conversation.get("agent_id") or ""),
        summary=_short_or_none(conversation.get("summary")),
        created_at=text_or_none(conversation.get("created_at")),
        last_message_at=text_or_none(conversation.get("last_message_at")),
        in_context_count=len(cast("list[str]", in_context)) if is_known else None,
        archived=archived if isinstance(archived, bool) else None,
        description=_short_or_none(conversation.get("description")),
        model=text_or_none(conversation.get("model")),
    )


def block_from_json(block: Json) -> MemoryBlock:
    """A memory block of a REST server."""
    limit = block.get("limit")
    return MemoryBlock(
        label=str(block.get("label") or ""),
        value=str(block.get("value") or ""),
        description=text_or_none(block.get("description")),
        limit=limit if isinstance(limit, int) else None,
        read_only=block.get("read_only") is True,
    )


def changeable_block(blocks: Iterable[MemoryBlock], agent_id: str, label: str, value: str) -> MemoryBlock:
    """The block of this label, which can get this value. 0.16.8 takes what is longer than its own limit.

    Raises:
        BlockNotFound: there is none.
        BlockUnchangeable: it can't get it.
    """
    block = next((block for block in blocks if block.label == label), None)
    if block is None:
        raise errors.BlockNotFound(agent_id, label)
    if block.read_only:
        raise errors.BlockUnchangeable(label, None)
    if block.limit is not None and len(value) > block.limit:
        raise errors.BlockUnchangeable(label, block.limit)
    return block


def compaction_from_json(conversation_id: str, done: Json) -> Compaction:
    """What a compaction did."""
    return Compaction(
        conversation_id=conversation_id,
        messages_before=int(done.get("num_messages_before") or 0),
        messages_after=int(done.get("num_messages_after") or 0),
        summary=shortened(str(done.get("summary") or ""), SUMMARY_CHARS),
    )


def tool_names(agent: Json) -> set[str] | None:
    """The names of an agent's own tools; None where the server doesn't tell."""
    tools, rules = agent.get("tools"), objects(agent.get("tool_rules"))
    if not isinstance(tools, list):
        return None
    named = {str(tool.get("name")) for tool in objects(cast("object", tools))}
    return named | {str(rule.get("tool_name")) for rule in rules if rule.get("type") == "requires_approval"}


def _short_or_none(value: object) -> str | None:
    text = text_or_none(value)
    return shortened(text, LABEL_CHARS) if text else None


def default_conversation_json(agent: Json) -> Json:
    """An agent's own thread as if it were one of the conversations that Letta lists."""
    return {
        "id": f"{DEFAULT_PREFIX}{agent.get('id')}",
        "agent_id": agent.get("id"),
        "summary": "The agent's default conversation",
        "created_at": agent.get("created_at"),
        "last_message_at": agent.get("last_run_completion"),
        "in_context_message_ids": agent.get("message_ids"),
    }


def approvals_from_json(messages: Iterable[Json], tools: Collection[str] | None = None) -> list[Approval]:
    """The tool calls that the approval requests among some messages ask for.

    Args:
        messages: Letta's JSON.
        tools: the agent's own tools; one that isn't among them is the client's that offered it.
    """
    return [
        Approval(
            tool_call_id=str(call.get("tool_call_id") or ""),
            tool=str(call.get("name") or ""),
            arguments=shortened(arguments_text(call.get("arguments")), ARGUMENTS_CHARS),
            requested_at=text_or_none(message.get("date")),
            client_tool=tools is not None and call.get("name") not in tools,
        )
        for message in messages
        if message.get("message_type") == "approval_request_message"
        for call in tool_calls(message)
    ]


def message_from_json(message: Json) -> Message:
    """One entry of a conversation's history, of any type, with its whole text."""
    kind = str(message.get("message_type") or "unknown")
    text, role = _message_text(kind, message), _ROLES.get(kind, "system")
    if kind == "user_message" and (alert := system_alert_text(text)) is not None:
        kind, role, text = "system_alert", "system", alert
    return Message(
        id=str(message.get("id") or ""), type=kind, role=role, text=text, date=text_or_none(message.get("date"))
    )


def search_hit_from_json(row: Json) -> SearchHit:
    """A row of Letta's own search."""
    kind = str(row.get("message_type") or "unknown")
    return SearchHit(
        conversation_id=text_or_none(row.get("conversation_id")),
        message_id=str(row.get("message_id") or ""),
        type=kind,
        text=_message_text(kind, row),
        date=text_or_none(row.get("created_at")),
    )


def _message_text(kind: str, message: Json) -> str:
    match kind:
        case "reasoning_message":
            return str(message.get("reasoning") or "")
        case "hidden_reasoning_message":
            return str(message.get("hidden_reasoning") or "[hidden reasoning]")
        case "tool_call_message":
            return "\n".join(_call_text(call) for call in tool_calls(message))
        case "approval_request_message":
            return "\n".join(f"asks to run {_call_text(call)}" for call in tool_calls(message))
        case "tool_return_message":
            name = str(message.get("name") or "tool")
            return "\n".join(_return_text(name, result) for result in returns_of(message))
        case "approval_response_message":
            answers = objects(message.get("approvals")) or [_old_answer(message)]
            return "\n".join(_answer_text(answer) for answer in answers)
        case "summary_message":
            return str(message.get("summary") or "")
        case "event_message":
            data = json.dumps(message.get("event_data") or {}, ensure_ascii=False, default=str)
            return f"{text_or_none(message.get('event_type')) or 'event'}: {data}"
        case _:
            return content_text(message.get("content"))


def _call_text(call: Json) -> str:
    name = text_or_none(call.get("name")) or "a tool"
    return f"{name}({arguments_text(call.get('arguments'))}){_call_id(call)}"


def _return_text(name: str, result: Json) -> str:
    verb = "failed" if result.get("status") == "error" else "returned"
    return f"{name} {verb}: {content_text(result.get('tool_return'))}{_call_id(result)}"


def _answer_text(answer: Json) -> str:
    if answer.get("type") == "tool":
        return _return_text("the client's tool", answer)
    verb = {True: "approved", False: "denied"}.get(cast("bool", answer.get("approve")), "answered")
    reason = f": {answer['reason']}" if answer.get("reason") else ""
    return f"{verb}{_call_id(answer)}{reason}"


def _old_answer(message: Json) -> Json:
    """The one answer of a message in the older style, in the newer style."""
    return {**message, "type": "approval", "tool_call_id": message.get("approval_request_id")}


def _call_id(call: Json) -> str:
    call_id = text_or_none(call.get("tool_call_id"))
    return f" [{call_id}]" if call_id else ""
