"""Values that a host offers while a person fills in the argument of a prompt or of a resource's address.

A host inserts a value as it is, so each is one that the prompt or resource then accepts: a name where no other has it,
else an id.
"""

import logging
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeAlias
from urllib.parse import quote

import anyio
from mcp.server.context import ServerRequestContext
from mcp.server.mcpserver import MCPServer
from mcp_types import CompleteRequestParams, CompleteResult, Completion, PromptReference

from letta_conv_mcp.app import App
from letta_conv_mcp.errors import LettaFailure
from letta_conv_mcp.prompts import Completes, PromptEntry
from letta_conv_mcp.resources import Template
from letta_conv_mcp.views import Agent, Conversation

_logger = logging.getLogger(__name__)

SHOWN = 100
"""MCP's own limit."""
ANSWERS_WITHIN = 3.0
"""Seconds; a person is typing."""

Kinds: TypeAlias = Mapping[str, Completes | None]
"""What each argument names."""
_IN_ADDRESSES: Kinds = {"agent_id": "agent", "conversation_id": "conversation"}

Candidate: TypeAlias = tuple[str, str]
"""A value, and the words that it is found by."""


def add_completions(server: MCPServer[App], prompts: Collection[PromptEntry], templates: Collection[Template]) -> None:
    """Complete the arguments of these prompts, and of the resource templates."""
    in_prompts: dict[str, Kinds] = {
        entry.name: {each.name: each.completes for each in entry.arguments} for entry in prompts
    }

    addresses = {template.uri for template in templates}

    async def complete(ctx: ServerRequestContext[App, Any], params: CompleteRequestParams) -> CompleteResult:
        is_address = not isinstance(params.ref, PromptReference)
        kinds: Kinds = {}
        if isinstance(params.ref, PromptReference):
            kinds = in_prompts.get(params.ref.name, {})
        elif params.ref.uri in addresses:
            kinds = _IN_ADDRESSES
        name = params.argument.name
        filled_in = (params.context.arguments if params.context else None) or {}
        # Nobody means the same agent twice.
        others = {value for other, value in filled_in.items() if other != name and kinds.get(other) == kinds.get(name)}
        completion = await _completion(
            ctx.lifespan_context, kinds.get(name), params.argument.value, is_address=is_address, without=others
        )
        return CompleteResult(completion=completion)

    # The SDK's own decorator gives no context.
    server._lowlevel_server.add_request_handler("completion/complete", CompleteRequestParams, complete)  # noqa: SLF001


async def _completion(
    app: App, kind: Completes | None, typed: str, *, is_address: bool, without: Collection[str]
) -> Completion:
    # A Letta is not started for what somebody types.
    if kind is None or not app.letta.is_there:
        return Completion(values=[], total=0, has_more=False)
    try:
        with anyio.fail_after(ANSWERS_WITHIN):
            if kind == "agent":
                newest = await app.recent.agents()
                candidates = agent_candidates(newest.items, is_address=is_address)
            else:
                newest = await app.recent.conversations()
                candidates = conversation_candidates(newest.items, is_address=is_address)
    except (LettaFailure, TimeoutError) as failure:
        _logger.warning("No completion for what a person types: %s", type(failure).__name__)
        return Completion(values=[], has_more=False)
    return matching([each for each in candidates if each[0] not in without], typed, more=newest.more)


def agent_candidates(agents: Sequence[Agent], *, is_address: bool) -> list[Candidate]:
    """Agents by name; by id where the name is another's too, or has to be escaped in an address."""
    shared = _shared(agent.name for agent in agents)

    def value(agent: Agent) -> str:
        is_usable = _is_typable(agent.name) and agent.name not in shared
        is_plain = not is_address or quote(agent.name, safe="") == agent.name
        return agent.name if is_usable and is_plain else agent.id

    return [(value(agent), f"{agent.name}\n{agent.id}") for agent in agents]


def conversation_candidates(conversations: Sequence[Conversation], *, is_address: bool) -> list[Candidate]:
    """Conversations by summary where a prompt takes it and no other has it; else by id."""
    shared = _shared((conversation.summary or "").casefold() for conversation in conversations)

    def value(conversation: Conversation) -> str:
        summary = conversation.summary or ""
        is_usable = _is_typable(summary) and summary.casefold() not in shared
        return summary if is_usable and not is_address else conversation.id

    return [(value(each), f"{each.summary or ''}\n{each.id}") for each in conversations]


def matching(candidates: Sequence[Candidate], typed: str, *, more: bool) -> Completion:
    """What fits: first what begins with what was typed, then what contains it, each in the order given.

    Args:
        candidates: what there is.
        typed: what the person typed so far, in any case.
        more: whether there may be others that are not among these.
    """
    needle = typed.strip().casefold()
    found = [(value, words.casefold()) for value, words in candidates if needle in words.casefold()]
    begin = [value for value, words in found if any(line.startswith(needle) for line in words.splitlines())]
    values = list(dict.fromkeys(begin + [value for value, _ in found]))
    return Completion(values=values[:SHOWN], total=None if more else len(values), has_more=more or len(values) > SHOWN)


def _is_typable(name: str) -> bool:
    return name.isprintable() and name == name.strip() != ""


def _shared(names: Iterable[str]) -> set[str]:
    return {name for name, count in Counter(names).items() if count > 1}
