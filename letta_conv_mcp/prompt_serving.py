"""Prompts served to hosts.

Not by the SDK's own decorator: it has no titles for arguments, and answers a wrong name or argument with an internal
error and a traceback in the log.
"""

from collections.abc import Collection, Mapping
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceNotFoundError
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    GetPromptRequestParams,
    GetPromptResult,
    ListPromptsResult,
    PaginatedRequestParams,
    Prompt,
    PromptArgument,
)

from letta_conv_mcp.app import App
from letta_conv_mcp.errors import (
    AgentAmbiguous,
    AgentNeeded,
    ConversationAmbiguous,
    ConversationNeeded,
    LettaFailure,
)
from letta_conv_mcp.prompts import Argument, PromptEntry

_MISNAMED = (ResourceNotFoundError, AgentAmbiguous, AgentNeeded, ConversationAmbiguous, ConversationNeeded)


def add_prompts(server: MCPServer[App], offered: Collection[PromptEntry]) -> None:
    """Serve these prompts."""
    entries = {entry.name: entry for entry in offered}

    async def list_prompts(_: ServerRequestContext[App, Any], __: PaginatedRequestParams) -> ListPromptsResult:
        return ListPromptsResult(prompts=[_listed(entry) for entry in entries.values()])

    async def get_prompt(ctx: ServerRequestContext[App, Any], params: GetPromptRequestParams) -> GetPromptResult:
        entry = entries.get(params.name)
        if entry is None:
            raise MCPError(INVALID_PARAMS, f"Unknown prompt: {params.name!r}")
        return await _written(entry, ctx.lifespan_context, params.arguments or {})

    lowlevel = server._lowlevel_server  # noqa: SLF001 - there is no public way to replace the SDK's own
    lowlevel.add_request_handler("prompts/list", PaginatedRequestParams, list_prompts)
    lowlevel.add_request_handler("prompts/get", GetPromptRequestParams, get_prompt)


def _listed(entry: PromptEntry) -> Prompt:
    return Prompt(
        name=entry.name,
        title=entry.title,
        description=entry.description,
        arguments=[
            PromptArgument(
                name=argument.name, title=argument.title, description=argument.description, required=argument.required
            )
            for argument in entry.arguments
        ],
    )


async def _written(entry: PromptEntry, app: App, given: Mapping[str, str]) -> GetPromptResult:
    values = {argument.name: _filled_in(argument, given) for argument in entry.arguments}
    missing = [argument.name for argument in entry.arguments if argument.required and values[argument.name] is None]
    unknown = [name for name in given if name not in values]
    problems = [f"{name} is missing" for name in missing] + [f"there is no argument {name!r}" for name in unknown]
    if problems:
        raise MCPError(INVALID_PARAMS, f"The prompt {entry.name} can't be written: {'; '.join(problems)}.")
    try:
        messages = await entry.write(app, **values)
    except LettaFailure as failure:
        raise MCPError(INVALID_PARAMS if isinstance(failure, _MISNAMED) else INTERNAL_ERROR, str(failure)) from None
    return GetPromptResult(description=entry.description, messages=messages)


def _filled_in(argument: Argument, given: Mapping[str, str]) -> str | None:
    # A form that was left empty gives an empty text.
    value = given.get(argument.name, "")
    return (value.strip() if argument.completes else value) if value.strip() else None
