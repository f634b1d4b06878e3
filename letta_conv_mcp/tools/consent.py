"""Putting an agent's wish to the person, where the host can ask: approve, deny, or not now.

Only an explicit answer counts. Declined, cancelled, unanswered or unintelligible all mean "not now": the call stays
pending. On 2026-07-28 the question is a result, and its answer comes with the same call made anew; before, it is a
request of ours while the call goes on. The question arises in the middle of a turn, so the SDK's `Resolve`, which asks
before the tool's body and runs again in every round, can't put it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from mcp.server.mcpserver import Context
from mcp.shared.exceptions import MCPError
from mcp_types import ElicitRequest, ElicitRequestFormParams, ElicitResult, InputRequiredResult

from letta_conv_mcp.app import App, app_of
from letta_conv_mcp.letta.content import shortened
from letta_conv_mcp.views import Approval, Reply

Consent: TypeAlias = Literal["approve", "deny"]

MODERN = "2026-07-28"
QUESTION = "approval"
SHOWN_CHARS = 600
"""What a question shows of a call's arguments."""


def choice_schema(choices: Mapping[str, str]) -> dict[str, Any]:
    """The form of a question with one decision to make, from its words to their names for people."""
    decision = {"type": "string", "title": "Decision", "enum": list(choices), "enumNames": list(choices.values())}
    return {"type": "object", "properties": {"decision": decision}, "required": ["decision"]}


SCHEMA = choice_schema({"approve": "Approve", "deny": "Deny", "not_now": "Not now"})


@dataclass(frozen=True)
class Asked:
    """What a question was about; it goes to the host and back, sealed by the SDK."""

    conversation_id: str
    run_id: str | None
    tool_call_ids: list[str]


def can_ask(ctx: Context[App], reply: Reply) -> bool:
    """Whether a reply leaves a question for the person, and the host can put it."""
    is_question = reply.status == "awaiting_approval" and bool(reply.approvals)
    if not is_question or any(approval.client_tool for approval in reply.approvals):
        return False
    # Whoever takes away the tool that decides wants nothing decided through here.
    return "answer_approval" in app_of(ctx).offered and can_elicit(ctx)


def can_elicit(ctx: Context[App]) -> bool:
    """Whether the host can put a question to its person, and may.

    Where only tools that change nothing are offered, nothing is asked that would lead to a change.
    """
    settings = app_of(ctx).settings
    if not settings.elicitation or settings.read_only or ctx.client_capabilities is None:
        return False
    offered = ctx.client_capabilities.elicitation
    # A host that names no mode means forms.
    if offered is None or (offered.form is None and offered.url is not None):
        return False
    return is_modern(ctx) or ctx.session.can_send_request


def is_modern(ctx: Context[App]) -> bool:
    """Whether questions are results in this era."""
    return ctx.protocol_version == MODERN


def question_result(reply: Reply) -> InputRequiredResult:
    """The question as a result."""
    asked = Asked(reply.conversation_id, reply.run_id, [approval.tool_call_id for approval in reply.approvals])
    params = ElicitRequestFormParams(message=question_text(reply.approvals), requested_schema=SCHEMA)
    return InputRequiredResult(
        input_requests={QUESTION: ElicitRequest(params=params)}, request_state=json.dumps(asdict(asked))
    )


def answer_of_round(ctx: Context[App]) -> tuple[Asked, Consent | None] | None:
    """What a call that is made anew brings of the question it was answered with; None in a call's first round."""
    if not ctx.request_state:
        return None
    asked = Asked(**json.loads(ctx.request_state))
    answer = (ctx.input_responses or {}).get(QUESTION)
    return asked, consent_of(answer) if isinstance(answer, ElicitResult) else None


async def ask(ctx: Context[App], approvals: list[Approval]) -> Consent | None:
    """Put the question by a request of ours, in the older eras, and wait for the answer."""
    answer = await elicited(ctx, question_text(approvals), SCHEMA)
    return consent_of(answer) if answer is not None else None


async def elicited(ctx: Context[App], message: str, schema: dict[str, Any]) -> ElicitResult | None:
    """The answer to a request of ours, in the older eras; None where there is none."""
    try:
        return await ctx.session.elicit_form(message, schema, related_request_id=ctx.request_context.request_id)
    except MCPError:
        # The host can't after all, or its person's window failed. Nothing was decided.
        return None


def consent_of(answer: ElicitResult) -> Consent | None:
    """The person's decision; None for everything that isn't one."""
    match chosen(answer):
        case "approve":
            return "approve"
        case "deny":
            return "deny"
        case _:
            return None


def chosen(answer: ElicitResult) -> object:
    """The word of `choice_schema` that the person chose; None where they chose none."""
    return answer.content.get("decision") if answer.action == "accept" and answer.content is not None else None


def question_text(approvals: list[Approval]) -> str:
    """What the person is asked. Arguments are the agent's words and shown as such."""
    calls = [f"{approval.tool}({shortened(approval.arguments, SHOWN_CHARS)})" for approval in approvals]
    return "\n".join(["The Letta agent asks to run:", *calls, "Allow it?" if len(calls) == 1 else "Allow all of them?"])
