"""The tool that puts one message to several agents or conversations at once."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, TypeAlias

import anyio
from mcp.server.mcpserver import Context
from pydantic import Field

from letta_conv_mcp.app import App, app_of
from letta_conv_mcp.branches import branch_not_sent, branch_of_reply, cut_together
from letta_conv_mcp.errors import InvalidArguments, LettaFailure
from letta_conv_mcp.letta.port import Letta, NewConversation
from letta_conv_mcp.tools.agents import resolve_agent
from letta_conv_mcp.tools.arguments import AgentId, MessageText, WaitSeconds
from letta_conv_mcp.tools.progress import relay_branches
from letta_conv_mcp.tools.waiting import wait_of
from letta_conv_mcp.turns.hub import Hub
from letta_conv_mcp.turns.reply import Stage
from letta_conv_mcp.turns.turn import Turn
from letta_conv_mcp.views import Branch, Comparison

MOST = 8
READY_SECONDS = 15.0
"""How long conversations may take to be made or looked up. What isn't ready then is left out."""
TITLE_CHARS = 60
NOT_SENT: tuple[Stage, ...] = ("blocked", "refused", "withdrawn")

_LATE = (
    "Letta did not get this conversation ready in time, so your message was NOT sent here. It is safe to try this one "
    "again."
)


@dataclass
class _Planned:
    """A branch on its way to a turn."""

    name: str
    agent_id: str | None = None
    conversation_id: str | None = None
    problem: str | None = None
    turn: Turn | None = None


_Plan: TypeAlias = list[tuple[_Planned, Callable[[_Planned], Awaitable[None]]]]


async def compare_replies(
    ctx: Context[App],
    message: MessageText,
    agent_ids: Annotated[
        list[str] | None, Field(max_length=MOST, description="Agents by id or name: a new conversation with each")
    ] = None,
    conversation_ids: Annotated[list[str] | None, Field(max_length=MOST, description="Existing conversations")] = None,
    copies: Annotated[int | None, Field(ge=2, le=MOST, description="New conversations with agent_id")] = None,
    agent_id: AgentId = None,
    wait_seconds: WaitSeconds = None,
) -> Comparison:
    """Say the same to several agents or conversations at once, and get the replies side by side.

    Give agent_ids, conversation_ids or copies. An agent's copies share its memory. Read each branch's `status` as in
    send_message; not_sent: see `next_step`. To go on with one, pass its conversation_id to send_message or
    wait_for_reply.
    """
    wait = wait_of(ctx, wait_seconds, "full")
    branches = await _ready(await _plan(app_of(ctx), message, agent_ids, conversation_ids, copies, agent_id))
    for branch in branches:
        if branch.problem is None and branch.conversation_id is not None:
            branch.turn = wait.start(branch.conversation_id, message)
    turns = [(branch.name, branch.turn) for branch in branches if branch.turn is not None]
    await wait.over([turn for _, turn in turns], partial(relay_branches, turns))
    return Comparison(branches=cut_together([_shown(branch) for branch in branches]))


async def _plan(
    app: App,
    message: str,
    agents: list[str] | None,
    conversation_ids: list[str] | None,
    copies: int | None,
    agent: str | None,
) -> _Plan:
    _check(agents, conversation_ids, copies, agent)
    title = f"Compare: {' '.join(message.split())[:TITLE_CHARS]}"
    if agents:
        return [(_Planned(wanted), partial(_meet, app, wanted, title)) for wanted in agents]
    if conversation_ids:
        return [(_Planned(wanted, conversation_id=wanted), partial(_look_up, app.letta)) for wanted in conversation_ids]
    found = await resolve_agent(app, agent)
    return [
        (_Planned(f"{found.name} {number}", agent_id=found.id), partial(_make, app.hub, f"{title} ({number})"))
        for number in range(1, (copies or 0) + 1)
    ]


def _check(agents: list[str] | None, conversation_ids: list[str] | None, copies: int | None, agent: str | None) -> None:
    problems: list[str] = []
    if sum(bool(source) for source in (agents, conversation_ids, copies)) != 1:
        problems.append("give exactly one of agent_ids, conversation_ids and copies")
    if agent is not None and copies is None:
        problems.append("agent_id goes with copies only")
    if conversation_ids and len(set(conversation_ids)) < len(conversation_ids):
        problems.append("a conversation is named twice")
    if problems:
        raise InvalidArguments("compare_replies", problems)


async def _meet(app: App, wanted: str, title: str, branch: _Planned) -> None:
    found = await resolve_agent(app, wanted)
    branch.name, branch.agent_id = found.name, found.id
    await _make(app.hub, title, branch)


async def _make(hub: Hub, title: str, branch: _Planned) -> None:
    new = NewConversation(agent_id=branch.agent_id or "", summary=title)
    branch.conversation_id = (await hub.create_conversation(new)).id


async def _look_up(letta: Letta, branch: _Planned) -> None:
    found = await letta.conversation(branch.name)
    branch.name, branch.agent_id = found.summary or found.id, found.agent_id


async def _ready(plan: _Plan) -> list[_Planned]:
    """The branches with their conversations, or with what kept them from having one."""

    async def prepare(branch: _Planned, work: Callable[[_Planned], Awaitable[None]]) -> None:
        try:
            with anyio.move_on_after(READY_SECONDS) as scope:
                await work(branch)
        except LettaFailure as failure:
            branch.problem = str(failure)
        else:
            branch.problem = _LATE if scope.cancelled_caught else None

    async with anyio.create_task_group() as group:
        for branch, work in plan:
            group.start_soon(prepare, branch, work)
    return [branch for branch, _ in plan]


def _shown(branch: _Planned) -> Branch:
    problem = branch.problem or _LATE
    if branch.turn is not None:
        try:
            shown = branch_of_reply(branch.name, branch.agent_id, branch.turn.reply("full"))
            # Whatever else goes on there is not an answer to this message.
            is_sent = branch.turn.stage not in NOT_SENT
            return shown if is_sent else shown.model_copy(update={"status": "not_sent", "text": "", "run_id": None})
        except LettaFailure as failure:
            # It could not be sent, here alone.
            problem = str(failure)
    return branch_not_sent(branch.name, branch.agent_id, branch.conversation_id, problem)
