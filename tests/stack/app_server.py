"""A real Letta App Server, as a person starts one by hand."""

import json
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from letta_conv_mcp.local.child import QUIET
from tests.stack.errors import StackError

LETTA = Path(sys.executable).with_name("letta")


# What its agents may do unasked: nothing but what the tests' own tools do.
PERMISSIONS = {
    "deny": ["Bash", "exec_command", "Agent", "Task", "Workflow"],
    "allow": ["memory_replace", "lookup", "fail"],
}


@dataclass(frozen=True)
class AppServer:
    """One that runs: its ws:// address and its process."""

    address: str
    process: "subprocess.Popen[str]"

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.process.wait()


@contextmanager
def open_app_server(folder: Path, *, token: str | None = None) -> Generator[AppServer]:
    """An App Server that keeps everything in a folder; with a token it is guarded."""
    settings = folder / ".letta/settings.json"
    settings.parent.mkdir(exist_ok=True)
    settings.write_text(json.dumps({"reflectionTrigger": "off", "permissions": PERMISSIONS}))
    folders = {"HOME": str(folder), "LETTA_LOCAL_BACKEND_DIR": str(folder / "store")}
    command = [str(LETTA), "--backend", "local", "server", "--listen", "ws://127.0.0.1:0"]
    if token is not None:
        command += ["--ws-auth", "capability-token", "--ws-token-sha256", sha256(token.encode()).hexdigest()]
    with subprocess.Popen(
        command,
        cwd=folder,
        env={"PATH": os.environ.get("PATH", os.defpath), **QUIET, **folders},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield AppServer(_address(process), process)
        finally:
            process.terminate()


def _address(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Listening on "):
            return line.removeprefix("Listening on ").strip()
    raise StackError("The App Server ended before it listened.")
