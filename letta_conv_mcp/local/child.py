"""An App Server as a child of ours, behind a supervisor that ends it when we are gone."""

import hashlib
import json
import os
import secrets
import subprocess
import sys
from collections.abc import AsyncGenerator, Collection, Mapping
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import IO, cast

import anyio
from pydantic import SecretStr

from letta_conv_mcp import errors
from letta_conv_mcp.letta.appserver_server import Endpoint
from letta_conv_mcp.local.folder import LocalFolder, server_settings

SUPERVISOR = Path(__file__).with_name("supervisor.py")
START_SECONDS = 45.0
END_SECONDS = 5.0
"""More than the supervisor gives the server before it kills it."""
LAUNCHER = Path(__file__).with_name("launcher.py")
QUIET = {
    "LETTA_CODE_TELEM": "0",
    "DO_NOT_TRACK": "1",
    "DISABLE_AUTOUPDATER": "1",
    "LETTA_DISABLE_MODS": "1",
    "LETTA_DISABLE_CRON_SCHEDULER": "1",
    "LETTA_SKIP_KEYCHAIN_CHECK": "1",
}


class Taken(Exception):
    """Another of us runs a server on this folder."""


class Child:
    """A server that was started and listens.

    Args:
        supervisor: the process that runs it.
        endpoint: where it listens.
        lines: what the supervisor says after that.

    Attributes:
        endpoint: where it listens.
    """

    def __init__(self, supervisor: "subprocess.Popen[bytes]", endpoint: Endpoint, lines: AsyncGenerator[str]) -> None:
        self._supervisor = supervisor
        self._lines = lines
        self.endpoint = endpoint

    async def watch(self) -> str:
        """Wait until it has ended; its exit status; nothing where not even the supervisor could tell."""
        return (await _last(self._lines, self._supervisor)).removeprefix("ended ")

    def end(self) -> None:
        """Have it ended; `watch` tells when it is."""
        _let_go(self._supervisor)


def check_machine(environment: Mapping[str, str]) -> None:
    """See that what a server needs is there: it would start without, and fail later.

    Args:
        environment: what it will be told.

    Raises:
        LocalNotInstalled: the package that would be run is missing.
        LocalUnusable: something else is.
    """
    if sys.platform == "win32":
        raise errors.LocalUnusable("that is not done on Windows yet; start an App Server there by hand")
    packages_folder()
    if which("git", path=environment.get("PATH", os.defpath)) is None:
        raise errors.LocalUnusable("it needs git, which is not installed or not on the PATH")


def packages_folder() -> Path:
    """Where the package that is run is installed. Raises LocalNotInstalled."""
    spec = find_spec("letta_code")
    if spec is None or spec.origin is None:
        raise errors.LocalNotInstalled
    return Path(spec.origin).parents[1]


async def start_child(folder: LocalFolder, environment: Mapping[str, str], tools: Collection[str]) -> Child:
    """Start a server on a folder that was made, and wait until it listens.

    Args:
        folder: where it keeps everything.
        environment: what it is told beside its folders: PATH, and what model providers want.
        tools: its own tools that agents may ask a person to use.

    Raises:
        Taken: another of us runs one there.
        LocalUnusable: it can't be started.
    """
    token = secrets.token_urlsafe(32)
    supervisor = _spawn(folder, environment, tools, token)
    lines = _lines(supervisor)
    try:
        with anyio.fail_after(START_SECONDS):
            first = await anext(lines, "")
    except BaseException as stopped:
        # Nobody will ask for it any more.
        _let_go(supervisor)
        if isinstance(stopped, TimeoutError):
            raise errors.LocalUnusable(f"it did not listen within {START_SECONDS:.0f} seconds") from None
        raise
    if first == "taken":
        await _last(lines, supervisor)
        raise Taken
    if not first.startswith("listening "):
        await _last(lines, supervisor)
        raise errors.LocalUnusable(f"its program ended at once; {folder.log} has what it said")
    endpoint = Endpoint(address=first.removeprefix("listening "), token=SecretStr(token))
    return Child(supervisor, endpoint, lines)


def _spawn(
    folder: LocalFolder, environment: Mapping[str, str], tools: Collection[str], token: str
) -> "subprocess.Popen[bytes]":
    folders = {"HOME": str(folder.home), "LETTA_LOCAL_BACKEND_DIR": str(folder.store)}
    guarded = ("--ws-auth", "capability-token", "--ws-token-sha256", hashlib.sha256(token.encode()).hexdigest())
    serve = ("--backend", "local", "server", "--listen", "ws://127.0.0.1:0", *guarded)
    command = [
        # -I: without the search paths and start-up files of the person's Python.
        *(sys.executable, "-I", "-S", str(SUPERVISOR), str(folder.lock), str(folder.address)),
        *(sys.executable, "-I", str(LAUNCHER), json.dumps(server_settings(tools)), str(packages_folder()), *serve),
    ]
    try:
        log = os.open(folder.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            return subprocess.Popen(  # noqa: S603 - our own supervisor and launcher
                command,
                cwd=folder.work,
                env={**environment, **QUIET, **folders},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        finally:
            os.close(log)
    except OSError as error:
        raise errors.LocalUnusable(f"its program can't be run ({os.strerror(error.errno or 0)})") from None


async def _lines(process: "subprocess.Popen[bytes]") -> AsyncGenerator[str]:
    """What the supervisor says, a line at a time."""
    pipe = cast("IO[bytes]", process.stdout).fileno()
    os.set_blocking(pipe, False)
    rest = b""
    while True:
        await anyio.wait_readable(pipe)
        piece = os.read(pipe, 4096)
        if not piece:
            return
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line.decode(errors="replace")


def _let_go(process: "subprocess.Popen[bytes]") -> None:
    """Close the pipe that tells the supervisor that it is still wanted."""
    cast("IO[bytes]", process.stdin).close()


async def _last(lines: AsyncGenerator[str], process: "subprocess.Popen[bytes]") -> str:
    """The last that the supervisor says, once it has ended."""
    last = ""
    async for line in lines:
        last = line
    process.wait()
    cast("IO[bytes]", process.stdout).close()
    return last
