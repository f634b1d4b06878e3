"""`letta-conv-mcp doctor`: says what works and what doesn't, a line each.

Exit status: 0 where all is well, 1 where something is wrong, 2 where nothing is configured.
"""

from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import TypeVar, cast

import anyio

from letta_conv_mcp.errors import AgentNotFound, LettaFailure, NotConfigured
from letta_conv_mcp.letta.appserver import AppServerLetta
from letta_conv_mcp.letta.naming import find_agent
from letta_conv_mcp.letta.opening import open_letta
from letta_conv_mcp.letta.port import ConversationQuery, Letta
from letta_conv_mcp.letta.rest import RestLetta
from letta_conv_mcp.letta.rest_connection import RestConnection
from letta_conv_mcp.letta.rest_probe import Told, capabilities_of, kind_at
from letta_conv_mcp.local.standin import HANDLE as STANDIN
from letta_conv_mcp.settings import Settings

T = TypeVar("T")
NAMES_SHOWN = 10


def run_doctor(settings: Settings) -> int:
    """Check a configuration and the Letta that it names. Returns the exit status."""
    if settings.base_url is None:
        _say("wrong", "configuration", str(NotConfigured()))
        return 2
    return anyio.run(_examine, settings, settings.base_url)


async def _examine(settings: Settings, address: str) -> int:
    key = "with a key" if settings.api_key else "without a key"
    _say("ok", "configuration", f"{address}, {key}, waiting {settings.wait_seconds:g} s for a reply")
    if settings.is_app_server or settings.is_local:
        return await _examine_app_server(settings)
    letta = RestLetta(address, settings.api_key)
    connection = RestConnection(address, settings.api_key)
    try:
        await _check_connection(connection)
        await _check_key(letta)
        await _check_capabilities(connection)
        await _check_default_agent(letta, settings)
    except LettaFailure:
        # Already said; what comes after it can't be known.
        return 1
    finally:
        await letta.aclose()
        await connection.aclose()
    return 0


async def _examine_app_server(settings: Settings) -> int:
    async with open_letta(settings) as letta:
        try:
            started = perf_counter()
            version = await _checked("connection", cast("AppServerLetta", letta).version)
            _say("ok", "connection", f"Letta App Server {version} answered in {_milliseconds_since(started)} ms")
            await _check_key(letta)
            await _check_default_agent(letta, settings)
            await _check_models(cast("AppServerLetta", letta), is_local=settings.is_local)
        except LettaFailure:
            return 1
    tools = ", ".join(settings.local_tools) or "none"
    _say("ok", "agents' tools", f"{tools} (LETTA_CONV_LOCAL_TOOLS); a person is asked before each use")
    return 0


async def _check_models(letta: AppServerLetta, *, is_local: bool) -> None:
    models = [model for model in await _checked("models", letta.models) if model != STANDIN]
    chosen = letta.default_model
    if chosen is not None and chosen not in models:
        _say("wrong", "models", f"{chosen} was set up and is not offered now; does its provider run?")
    elif models:
        _say("ok", "models", f"{len(models)} offered; new agents get {chosen or 'the one that is named'}")
    elif is_local:
        _say("note", "models", "none is set up, so a scripted stand-in answers; run `letta-conv-mcp setup-local`")
    else:
        _say("note", "models", "none is connected; connect one there")


async def _check_connection(connection: RestConnection) -> None:
    started = perf_counter()
    kind = await _checked("connection", lambda: kind_at(connection))
    version = f" {kind.version}" if kind.version else ""
    _say("ok", "connection", f"{kind.name}{version} answered in {_milliseconds_since(started)} ms")


async def _check_key(letta: Letta) -> None:
    agents = await _checked("key", lambda: letta.agents(limit=100))
    _say("ok", "key", "accepted, or none is needed")
    await _checked("conversations", lambda: letta.conversations(ConversationQuery(), limit=1))
    _say("ok", "conversations", "can be listed")
    if not agents:
        _say("note", "agents", "none yet; make one in Letta before you talk to it")
        return
    names = ", ".join(agent.name for agent in agents[:NAMES_SHOWN])
    rest = f" and {len(agents) - NAMES_SHOWN} more" if len(agents) > NAMES_SHOWN else ""
    count = f"{len(agents)}{'+' if len(agents) == 100 else ''}"
    _say("ok", "agents", f"{count} seen: {names}{rest}")


async def _check_capabilities(connection: RestConnection) -> None:
    can = await _checked("capabilities", lambda: capabilities_of(connection))
    if can.resumable_replies is False:
        _say("note", "resumable replies", "no: the server runs without Redis, so a broken stream is read from history")
    else:
        _say("ok", "resumable replies", _told(can.resumable_replies))
    for what, told in (("forking", can.forking), ("archiving", can.archiving)):
        _say("note" if told is False else "ok", what, _told(told))


async def _check_default_agent(letta: Letta, settings: Settings) -> None:
    wanted = settings.agent_id
    if wanted is None:
        _say("ok", "default agent", "none set (LETTA_AGENT_ID)")
        return
    agent = await _checked("default agent", lambda: find_agent(letta, wanted))
    _say("ok", "default agent", f"{agent.name} ({agent.id})")


async def _checked(what: str, check: Callable[[], Awaitable[T]]) -> T:
    try:
        return await check()
    except LettaFailure as failure:
        hint = " (LETTA_AGENT_ID)" if isinstance(failure, AgentNotFound) else ""
        _say("wrong", what, f"{failure}{hint}")
        raise


def _milliseconds_since(started: float) -> str:
    return f"{(perf_counter() - started) * 1000:.0f}"


def _told(value: Told) -> str:
    return {True: "yes", False: "no", None: "not told"}[value]


def _say(verdict: str, what: str, text: str) -> None:
    print(f"{verdict:6} {what:18} {text}")
