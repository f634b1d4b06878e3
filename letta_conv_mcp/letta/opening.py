"""Which Letta the settings name: a REST server, an App Server, or one that we start, told by the address."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio

from letta_conv_mcp.letta.limited import LimitedLetta
from letta_conv_mcp.letta.port import Letta
from letta_conv_mcp.settings import Settings


@asynccontextmanager
async def open_letta(settings: Settings) -> AsyncGenerator[Letta]:
    """The Letta that the settings name, limited to the agents that they name.

    Opening it touches no network; its connections end with the block.
    """
    async with _open_whole(settings) as letta:
        yield LimitedLetta(letta, settings.agents) if settings.agents else letta


@asynccontextmanager
async def _open_whole(settings: Settings) -> AsyncGenerator[Letta]:
    # Imported where they are chosen: nobody needs all of them.
    if settings.is_local:
        from letta_conv_mcp.local.opening import open_local

        async with open_local(settings) as local:
            yield local.letta
        return
    if settings.is_app_server and settings.base_url is not None:
        from letta_conv_mcp.letta.appserver import open_app_server
        from letta_conv_mcp.letta.appserver_server import Endpoint, ForeignServer

        foreign = ForeignServer(Endpoint(address=settings.base_url, token=settings.api_key))
        async with open_app_server(foreign, tools=settings.local_tools) as app_server:
            yield app_server
        return
    from letta_conv_mcp.letta.rest import RestLetta

    rest = RestLetta(settings.base_url, settings.api_key)
    try:
        yield rest
    finally:
        with anyio.move_on_after(1, shield=True):
            await rest.aclose()
