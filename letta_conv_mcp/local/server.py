"""The App Server of one's own, as those who connect to it see it: started when it is needed, and again when it ends.

One of us runs it, and only one: two servers on one folder lose replies. Others connect to the first one's.
"""

import json
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import cast
from urllib.parse import urlsplit

import anyio
from anyio.abc import TaskGroup
from pydantic import SecretStr

from letta_conv_mcp import errors
from letta_conv_mcp.letta.appserver_server import Endpoint
from letta_conv_mcp.letta.content import Json
from letta_conv_mcp.local.child import END_SECONDS, Child, Taken, check_machine, start_child
from letta_conv_mcp.local.folder import LocalFolder, write_private
from letta_conv_mcp.settings import LOCAL

_logger = logging.getLogger(__name__)

PAUSES = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Before a start, by how many times in a row the server ended soon after one."""
SOON_SECONDS = 30.0
OTHER_SECONDS = 20.0
"""How long another of us may take to start the server."""
LOOK_SECONDS = 0.2
PARTING_SECONDS = 0.7
"""How long its end may hold up ours, for which a host waits a second."""


class LocalServer:
    """The server.

    Args:
        folder: where it keeps everything.
        tools: its own tools that agents may ask a person to use.
        environment: what it is told beside its folders.
        group: owns the task that watches it.
        on_start: is told where it listens, each time that we have started it, before anybody else is.

    Attributes:
        is_running: whether it is known to run.
    """

    name = LOCAL

    def __init__(
        self,
        folder: LocalFolder,
        tools: Collection[str],
        environment: Mapping[str, str],
        group: TaskGroup,
        on_start: Callable[[Endpoint], Awaitable[None]],
    ) -> None:
        self._folder = folder
        self._tools = tools
        self._environment = environment
        self._group = group
        self._on_start = on_start
        self._starting = anyio.Lock()
        self._child: Child | None = None
        self._over = anyio.Event()
        self._watching = anyio.CancelScope()
        self._failures = 0
        self._failed_at = 0.0
        self._failure: errors.LocalUnusable | None = None
        self.is_running = False

    async def endpoint(self) -> Endpoint:
        """Where it listens. It is started where nobody has.

        Raises:
            LocalUnusable: it can't be started.
        """
        asked = anyio.current_time()
        async with self._starting:
            if self._failure is not None and self._failed_at > asked:
                # It was tried while this caller waited; each would wait longer than the one before.
                raise errors.LocalUnusable(self._failure.problem)
            if self._child is not None:
                return self._child.endpoint
            endpoint = await self._started_or_found()
            self.is_running = True
            return endpoint

    async def end(self, endpoint: Endpoint) -> None:
        """See the protocol. Another of us's server is left alone."""
        if self._child is not None and self._child.endpoint == endpoint:
            await self._end(END_SECONDS)

    async def close(self) -> None:
        """End it. What takes longer is the supervisor's to do after us."""
        with anyio.CancelScope(shield=True):
            await self._end(PARTING_SECONDS)
        self._watching.cancel()

    async def _end(self, within: float) -> None:
        if (child := self._child) is None:
            return
        over = self._over
        child.end()
        with anyio.move_on_after(within):
            await over.wait()

    async def _started_or_found(self) -> Endpoint:
        check_machine(self._environment)
        self._folder.make()
        until = anyio.current_time() + OTHER_SECONDS
        while True:
            try:
                return await self._start()
            except Taken:
                if (endpoint := await self._others()) is not None:
                    return endpoint
            if anyio.current_time() > until:
                place = self._folder.path
                raise errors.LocalUnusable(f"another program holds {place} and says not where its server listens")
            # Who has the lock is about to start it, or to end.
            await anyio.sleep(LOOK_SECONDS)

    async def _start(self) -> Endpoint:
        await anyio.sleep_until(self._failed_at + PAUSES[min(self._failures, len(PAUSES) - 1)])
        try:
            child = await start_child(self._folder, self._environment, self._tools)
        except errors.LocalUnusable as failure:
            self._fail(failure)
            raise
        self._failure = None
        self._child, self._over = child, anyio.Event()
        self._group.start_soon(self._watch, child, self._over, anyio.current_time())
        try:
            await self._on_start(child.endpoint)
            self._publish(child.endpoint)
        except BaseException:
            # Whoever asked for it may have gone.
            with anyio.CancelScope(shield=True):
                await self._end(PARTING_SECONDS)
            raise
        return child.endpoint

    async def _watch(self, child: Child, over: anyio.Event, started: float) -> None:
        # Until `close`: it is told of the end, also when everything else is being cancelled.
        status = "not known"
        with anyio.CancelScope(shield=True) as self._watching:
            status = await child.watch()
        if anyio.current_time() - started < SOON_SECONDS:
            self._fail(None)
        else:
            self._failures = 0
        self._child, self.is_running = None, False
        over.set()
        _logger.info("The Letta on this machine has ended (exit status %s).", status)

    def _fail(self, failure: errors.LocalUnusable | None) -> None:
        self._failures += 1
        self._failed_at, self._failure = anyio.current_time(), failure

    def _publish(self, endpoint: Endpoint) -> None:
        token = endpoint.token.get_secret_value() if endpoint.token else None
        write_private(self._folder.address, json.dumps({"address": endpoint.address, "token": token}))

    async def _others(self) -> Endpoint | None:
        """Where another of us has its server; None while it is about to start it, or to end it."""
        try:
            said = cast("Json", json.loads(self._folder.address.read_text(encoding="utf-8")))
            endpoint = Endpoint(address=said["address"], token=SecretStr(said["token"]))
            place = urlsplit(endpoint.address)
            await (await anyio.connect_tcp(str(place.hostname), place.port or 0)).aclose()
        except OSError:
            return None
        return endpoint
