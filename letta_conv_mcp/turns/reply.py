"""A draft as a `Reply`: its status, and the words for the next step. Pure.

The words are product text for a model that reads nothing else: what happened, what to do now, and whether
sending again is safe. Letta's own error texts stay out of them.
"""

from typing import Literal, TypeAlias

from letta_conv_mcp.letta.content import shortened
from letta_conv_mcp.letta.port import NOT_RECORDED
from letta_conv_mcp.letta.records import ARGUMENTS_CHARS
from letta_conv_mcp.turns.draft import Draft
from letta_conv_mcp.views import Approval, Detail, Reply, Status, ToolUse, Usage

TEXT_CHARS = 20_000
"""A concise reply's text is cut here, at about 5,000 tokens; hosts move larger results out of the model's sight."""
HEARD_CHARS = 120

Stage: TypeAlias = Literal["queued", "held", "posted", "unclear", "stopping", "withdrawn", "blocked", "refused"]
"""How far a message is on its way: waiting in this process, kept out by another run, sent, perhaps sent, sent and its
run to be stopped; or given back, because its caller left, because the other run went on, or because an approval is
pending."""

_STATUSES: dict[str, Status] = {
    "end_turn": "completed",
    # A tool that ends the turn.
    "tool_rule": "completed",
    "requires_approval": "awaiting_approval",
    "cancelled": "cancelled",
    NOT_RECORDED: "interrupted",
}

_RUNNING = "The agent is still at work. Call wait_for_reply; do not send the message again."
_STOPPING = "The run is being stopped, when its present step is done. Call wait_for_reply to see how it ended."
_QUEUED = (
    "An earlier message in this conversation is still being answered; yours is sent after it. Call wait_for_reply; do "
    "not send it again."
)
_LATE = "Letta doesn't take the message yet; it is tried again by itself. Call wait_for_reply; do not send it again."
_UNCLEAR = (
    "Letta's answer was lost, and it is being found out whether it has the message. Call wait_for_reply; do not send "
    "it again."
)
_BLOCKED = (
    "Your message was NOT sent, because another run goes on in this conversation. Call wait_for_reply until it has "
    "ended, then send your message again."
)
_WITHDRAWN = (
    "Your message was NOT sent: its call was cancelled before its turn came. It is safe to send it again; "
    "wait_for_reply shows the reply before it."
)
_AWAITING = (
    "The agent may not go on before the person decides: show them `approvals`, and pass their decision on with "
    "answer_approval. Until then this conversation takes no other message."
)
_CLIENT_TOOLS = (
    "A call marked client_tool is for the client that offered the tool to run; here it can be denied, but not approved."
)
_DECIDED = (
    "This run asked for approval, and a decision was made. What came of it is in a later run: call wait_for_reply "
    "without run_id."
)
_BROKEN = "Your message was NOT sent, because something went wrong in this server. It is safe to send it again."
_NOT_SENT = "Your message was NOT sent, because an earlier one still waits for a decision. "
_INTERRUPTED = (
    "The reply broke off and could not be picked up again. The message may have been received: call wait_for_reply "
    "or get_history, and do not send it again before you know."
)
_UNRECORDED = (
    "This Letta keeps no record of how a reply ended that this server did not see end, so `text` may be cut. The "
    "message was received: call get_history to see more, and do not send it again."
)
_SILENT = "The agent ended its turn without saying anything"
_RULED = "A tool rule of the agent's ended its turn."
_REPEATED = (
    "Letta ran the message again by itself after a fault, so the conversation may hold it more than once, and tools "
    "may have run more than once."
)
_CANCELLED = "The run was cancelled."
_FAILED = "The agent failed."

# Why a reply failed, and what to do about it where sending the message again isn't the answer.
_GO_ON = "What it did is kept: ask it to go on."
_TELL = "Tell the person; sending again can't help before that is settled."
_REASONS = {
    "max_steps": ("The agent reached its limit of steps before it was done.", _GO_ON),
    "no_tool_call": ("The agent stopped without the tool call that its kind has to make.", _GO_ON),
    "max_tokens_exceeded": ("The agent's answer was cut off at its limit of tokens.", _GO_ON),
    "insufficient_credits": ("The Letta account is out of credits.", _TELL),
    "context_window_overflow_in_system_prompt": ("The agent's memory is too long for its model.", _TELL),
    "llm_authentication": ("The model provider refused the agent's credentials.", _TELL),
    "llm_insufficient_credits": ("The model provider's account is out of credits.", _TELL),
    "llm_rate_limit": ("The model provider is limiting the agent's requests; wait a minute.", None),
    "llm_empty_response": ("The agent's model answered with nothing.", None),
    "llm_timeout": ("The agent's model did not answer in time.", None),
    "llm_error": ("The agent's model failed.", None),
    "local_backend_error": ("The agent's model failed.", None),
    "conversation_wedged": (
        "This App Server lost an earlier run of the conversation, which it still takes for active.",
        "Yours was NOT sent. Ask the person to restart the App Server, then send it again.",
    ),
    "invalid_tool_call": ("The agent's model made a tool call that can't be run.", None),
    "invalid_llm_response": ("The agent's model gave an answer that can't be used.", None),
}
_REPEAT = "The message was not kept; it is safe to send it again. If that fails too, tell the person."
_LOOK = "Some of it may be kept: call get_history before you send anything again."


def status_of(draft: Draft) -> Status:
    """How far a turn is whose stream has been read to its end. Without a sign of an end it is interrupted."""
    if draft.error_type is not None:
        return "failed"
    if draft.stop_reason is None:
        return "interrupted"
    if draft.is_decided:
        return "completed"
    if draft.stop_reason == "end_turn" and draft.pending:
        # Letta Code has seen such runs; they go on only after an answer.
        return "awaiting_approval"
    return _STATUSES.get(draft.stop_reason, "failed")


def reply_from_draft(
    draft: Draft,
    status: Status,
    *,
    conversation_id: str,
    message: str | None = None,
    stage: Stage = "posted",
    holder: str | None = None,
    ahead: int = 0,
    approvals: list[Approval] | None = None,
    is_memory_refreshed: bool = False,
    detail: Detail = "concise",
) -> Reply:
    """The value that a tool returns.

    Args:
        draft: what was said.
        status: how far it is.
        conversation_id: where it was said.
        message: the message that was sent, where we know it; else what Letta says was heard is shown.
        stage: how far the message is on its way.
        holder: another client's run that keeps it out.
        ahead: how many messages of ours come before it.
        approvals: what waits for a person, where Letta was asked for it and not only the draft.
        is_memory_refreshed: whether the prompt was made anew before it.
        detail: "full" adds reasoning, tool uses and usage, and cuts nothing.
    """
    text, is_full = draft.text, detail == "full"
    asked = approvals if approvals is not None else approvals_in(draft)
    if draft.stop_reason == NOT_RECORDED:
        # What the history asks for was answered, or cancelled; nothing waits any more.
        asked = []
    steps = [_why_not_sent(stage, status, ahead) or _next_step(draft, status, is_stopping=stage == "stopping")]
    if status == "failed" and approvals:
        # What was asked for is asked for still.
        steps = [f"{_reason(draft)[0]} {_AWAITING}"]
    if draft.is_repeated:
        steps.append(_REPEATED)
    if any(approval.client_tool for approval in asked):
        steps.append(_CLIENT_TOOLS)
    if len(text) > TEXT_CHARS and not is_full:
        steps.append(
            f"`text` is cut to {TEXT_CHARS} of {len(text)} characters: call wait_for_reply with detail 'full' for all."
        )
        text = text[:TEXT_CHARS]
    return Reply(
        status=status,
        text=text,
        next_step=" ".join(step for step in steps if step) or None,
        conversation_id=conversation_id,
        run_id=draft.run_id or holder,
        in_reply_to=_start_of(message if message is not None else draft.heard),
        stop_reason=None if draft.stop_reason == NOT_RECORDED else draft.stop_reason,
        approvals=asked,
        memory_refreshed=is_memory_refreshed,
        reasoning=(draft.reasoning or None) if is_full else None,
        tool_uses=_tool_uses(draft) if is_full else None,
        usage=_usage(draft) if is_full else None,
    )


def approvals_in(draft: Draft) -> list[Approval]:
    """The tool calls in a draft that wait for a person."""
    return [
        Approval(
            tool_call_id=key,
            tool=call.name,
            arguments=shortened(call.arguments, ARGUMENTS_CHARS),
            requested_at=call.requested_at,
        )
        for key, call in draft.pending.items()
    ]


def _why_not_sent(stage: Stage, status: Status, ahead: int) -> str | None:
    match stage:
        case "queued" | "held" if status == "interrupted":
            return _BROKEN
        case "queued" | "held":
            return _QUEUED if ahead else _LATE
        case "blocked":
            return _BLOCKED
        case "withdrawn":
            return _WITHDRAWN
        case "refused":
            return _NOT_SENT + _AWAITING
        case "unclear":
            return _UNCLEAR if status == "running" else None
        case "posted" | "stopping":
            return None


def _next_step(draft: Draft, status: Status, *, is_stopping: bool) -> str | None:
    match status:
        case "completed" if draft.is_decided:
            return _DECIDED
        case "completed":
            told = [_RULED if draft.stop_reason == "tool_rule" else None, None if draft.text else _why_silent(draft)]
            return " ".join(sentence for sentence in told if sentence) or None
        case "running":
            return _STOPPING if is_stopping else _RUNNING
        case "awaiting_approval":
            return _AWAITING
        case "cancelled":
            return f"{_CANCELLED} {_LOOK}"
        case "interrupted":
            return _UNRECORDED if draft.stop_reason == NOT_RECORDED else _INTERRUPTED
        case "failed":
            return _why_failed(draft)


def _why_silent(draft: Draft) -> str:
    tools = sorted({call.name for call in draft.calls.values() if call.name})
    return f"{_SILENT}; it ran {', '.join(tools)}." if tools else f"{_SILENT}."


def _why_failed(draft: Draft) -> str:
    sentence, remedy = _reason(draft)
    # A failure in the first step leaves nothing behind on a REST server; an App Server keeps the message, and says so.
    # A tool that was called may have run.
    is_gone = draft.is_one_step and draft.heard is None
    return f"{sentence} {remedy or (_REPEAT if is_gone else _LOOK)}"


def _reason(draft: Draft) -> tuple[str, str | None]:
    # The stop reason where it is a telling one; `error` and `llm_api_error` only say that there is an error type.
    reason = draft.stop_reason if draft.stop_reason in _REASONS else draft.error_type
    return _REASONS.get(reason or "", (_FAILED, None))


def _start_of(message: str | None) -> str | None:
    if message is None or len(message) <= HEARD_CHARS:
        return message
    return message[: HEARD_CHARS - 1] + "…"


def _tool_uses(draft: Draft) -> list[ToolUse]:
    return [
        ToolUse(tool=call.name, arguments=call.arguments, status=call.status, result=call.result)
        for key, call in draft.calls.items()
        if key not in draft.pending
    ]


def _usage(draft: Draft) -> Usage | None:
    if draft.usage is None:
        return None
    counted = draft.usage
    return Usage(
        prompt_tokens=counted.prompt_tokens,
        completion_tokens=counted.completion_tokens,
        total_tokens=counted.total_tokens,
        steps=counted.steps,
    )
