"""A Letta of one's own for tests: settings for one, its processes, and the scripted model in it."""

import os
import signal
from pathlib import Path
from typing import Any

import httpx

from letta_conv_mcp.local.opening import connect, open_local
from letta_conv_mcp.settings import Settings
from tests.stack.app_rig import MODEL


def own_settings(folder: Path, **changes: Any) -> Settings:
    """Settings for one that keeps everything in a folder."""
    about: dict[str, Any] = {"local_environment": {"PATH": os.environ["PATH"]}, **changes}
    return Settings(base_url="local", local_dir=str(folder), **about)


async def set_up_model(folder: Path, model_url: str) -> None:
    """Give it the scripted model, as setup-local would."""
    async with open_local(own_settings(folder)) as local:
        await connect(await local.server.endpoint(), "openai-compatible", {"baseUrl": f"{model_url}/v1"})
        local.folder.save_model(MODEL, "openai-compatible")


def prompts_of(model_url: str) -> list[dict[str, Any]]:
    """What the scripted model was asked lately, oldest first."""
    return httpx.get(f"{model_url}/log", timeout=30, trust_env=False).raise_for_status().json()


def processes_of(folder: Path) -> dict[int, str]:
    """The processes that work in its folder, with their programs' names: its server, and what looks after that."""
    work = folder / "work"
    found: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "cwd").readlink() == work:
                found[int(entry.name)] = (entry / "comm").read_text().strip()
        except OSError:
            # It has ended meanwhile.
            continue
    return found


def servers_of(folder: Path) -> set[int]:
    """Its server and the supervisor, without what the server itself runs for a moment, such as git."""
    return {pid for pid, name in processes_of(folder).items() if name.startswith(("python", "node", "Main"))}


def server_of(folder: Path) -> int:
    """The process of its server."""
    (pid,) = [pid for pid, name in processes_of(folder).items() if name.startswith(("node", "Main"))]
    return pid


def kill(pid: int) -> None:
    """End a process as a crash would."""
    os.kill(pid, signal.SIGKILL)
