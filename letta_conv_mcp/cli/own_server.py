"""Our own server as a process on stdio, and calls to its tools, for what a person runs in a terminal."""

import os
import sys
from collections.abc import Mapping
from typing import Any

from mcp import Client, StdioServerParameters
from mcp.shared.dispatcher import ProgressFnT
from mcp_types import RequestParamsMeta, TextContent

from letta_conv_mcp.local.opening import folder_of
from letta_conv_mcp.local.standin import HANDLE as STANDIN
from letta_conv_mcp.settings import Settings


class CallFailed(Exception):
    """A tool could not do what was asked; the text is what the server said."""


def own_server(settings: Settings) -> Client:
    """A client of a process of our own server, which is started when the client is entered and ends with it."""
    environment = {**os.environ, **_environment(settings)}
    return Client(StdioServerParameters(command=sys.executable, args=["-m", "letta_conv_mcp"], env=environment))


async def call(
    client: Client,
    tool: str,
    arguments: Mapping[str, Any],
    *,
    progress: ProgressFnT | None = None,
    meta: RequestParamsMeta | None = None,
) -> dict[str, Any]:
    """The structure that a tool returns.

    Args:
        client: the connection.
        tool: the tool's name.
        arguments: its arguments; None counts as left out.
        progress: called with each progress notification.
        meta: further `_meta` of the request.

    Raises:
        CallFailed: the tool refused or failed.
        MCPError: the connection ended.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    result = await client.call_tool(tool, given, progress_callback=progress, meta=meta)
    if result.is_error or result.structured_content is None:
        raise CallFailed("".join(part.text for part in result.content if isinstance(part, TextContent)))
    return result.structured_content


def first_model(settings: Settings) -> str | None:
    """The model of an agent that is made where there is none; None for the one that is set up."""
    if not settings.is_local or settings.local_model or folder_of(settings).saved_model():
        return None
    # With a provider's key in the environment there are models, and none was chosen: this is to cost nothing.
    return STANDIN


def _environment(settings: Settings) -> dict[str, str]:
    """The settings as the server process reads them; flags of this program count there too."""
    named = {
        "LETTA_BASE_URL": settings.base_url,
        "LETTA_API_KEY": settings.api_key.get_secret_value() if settings.api_key else None,
        "LETTA_AGENT_ID": settings.agent_id,
        "LETTA_CONV_WAIT_SECONDS": str(settings.wait_seconds),
        "LETTA_CONV_ON_CANCEL": settings.on_cancel,
        "LETTA_CONV_ELICITATION": "on" if settings.elicitation else "off",
        "LETTA_CONV_REFRESH_MEMORY": settings.refresh_memory,
        "LETTA_CONV_AGENTS": ",".join(settings.agents),
        # What is chosen for a model doesn't bind the person.
        "LETTA_CONV_TOOLSETS": "all",
        "LETTA_CONV_TOOLS": "",
        "LETTA_CONV_EXCLUDE_TOOLS": "",
        "LETTA_CONV_READ_ONLY": "off",
        "LETTA_CONV_LOCAL_TOOLS": ",".join(settings.local_tools) or None,
        "LETTA_CONV_LOCAL_DIR": settings.local_dir,
        "LETTA_CONV_STATE_DIR": settings.state_dir,
        "LETTA_LOCAL_MODEL": settings.local_model,
        "LETTA_CONV_LOG_LEVEL": settings.log_level,
        "LETTA_CONV_LOG_CONTENT": "on" if settings.log_content else "off",
    }
    return {name: value for name, value in named.items() if value is not None}
