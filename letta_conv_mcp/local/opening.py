"""A Letta of one's own, from the settings."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import anyio
from platformdirs import user_data_path

from letta_conv_mcp import errors
from letta_conv_mcp.letta.appserver import AppServerLetta, Models, open_app_server
from letta_conv_mcp.letta.appserver_server import Endpoint
from letta_conv_mcp.letta.appserver_socket import Unanswered, open_socket
from letta_conv_mcp.letta.content import Json
from letta_conv_mcp.local.folder import LocalFolder
from letta_conv_mcp.local.server import LocalServer
from letta_conv_mcp.local.standin import HANDLE, PROVIDER, run_standin
from letta_conv_mcp.settings import LOCAL, Settings


def folder_of(settings: Settings) -> LocalFolder:
    """The folder that the settings name, or else the usual one for this user's data."""
    return LocalFolder(Path(settings.local_dir) if settings.local_dir else user_data_path("letta-conv-mcp", False))


@dataclass(frozen=True, kw_only=True)
class Local:
    """A Letta on this machine: what can be asked of it, the server behind it, and where it keeps everything."""

    letta: AppServerLetta
    server: LocalServer
    folder: LocalFolder


@asynccontextmanager
async def open_local(settings: Settings) -> AsyncGenerator[Local]:
    """A Letta on this machine, which is started when it is first needed and ends with the block."""
    folder = folder_of(settings)
    urls: list[str] = []
    async with anyio.create_task_group() as group:

        async def offer_standin(endpoint: Endpoint) -> None:
            if folder.has_provider(PROVIDER):
                # Its place is taken by the person's own.
                return
            if not urls:
                urls.append(await group.start(run_standin))
            await connect(endpoint, PROVIDER, {"baseUrl": urls[0], "apiKey": "none"})

        server = LocalServer(folder, settings.local_tools, settings.local_environment, group, offer_standin)
        try:
            models = Models(chosen=lambda: settings.local_model or folder.saved_model(), standin=HANDLE)
            async with open_app_server(server, tools=settings.local_tools, models=models) as letta:
                yield Local(letta=letta, server=server, folder=folder)
        finally:
            await server.close()
            group.cancel_scope.cancel()


async def connect(endpoint: Endpoint, provider: str, fields: dict[str, str]) -> None:
    """Tell a server of a model provider; it keeps that. Nothing is tried out by it.

    Raises:
        LettaUnavailable: it can't be told.
    """
    answer: Json = {}
    socket = await open_socket(endpoint, lambda _, __: None)
    async with anyio.create_task_group() as group:
        group.start_soon(socket.listen)
        # What it raises would come out wrapped.
        with suppress(Unanswered):
            request = {"target": "local", "provider_id": provider, "fields": fields}
            answer = await socket.ask("connect_provider", request)
        await socket.close()
    if answer.get("success") is not True:
        raise errors.LettaUnavailable(LOCAL, f"did not take the model provider {provider}")
