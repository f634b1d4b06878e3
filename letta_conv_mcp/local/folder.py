"""The folder in which a Letta of one's own keeps everything, and what must be true of it before it is used.

The App Server writes to its HOME as well as to its store, and what it finds in its working folder it obeys. So it gets
all three for itself. Where it can't write it doesn't fail, it spins: so this is looked at first.
"""

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Collection, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from letta_conv_mcp import errors
from letta_conv_mcp.letta.appserver_json import MEMORY_TOOL

LEAST_FREE = 200 * 1024 * 1024
"""Bytes. A store of sixty turns takes 700 KB; below this a disk is about to be full for other reasons."""
SHELLS = ("Bash", "exec_command")
"""To the server two names of one tool: where either is denied, both are."""
OTHER_AGENTS = ("Agent", "Task", "Workflow")


@dataclass(frozen=True)
class LocalFolder:
    """The folder.

    Attributes:
        path: where it is.
    """

    path: Path

    @property
    def home(self) -> Path:
        """The server's HOME: settings, modes of conversations, messages that it has taken but not done."""
        return self.path / "home"

    @property
    def store(self) -> Path:
        """Agents, conversations, memory, and keys of model providers."""
        return self.path / "store"

    @property
    def work(self) -> Path:
        """The server's working folder, empty."""
        return self.path / "work"

    @property
    def lock(self) -> Path:
        """Held by whoever runs a server on this folder."""
        return self.path / "lock"

    @property
    def address(self) -> Path:
        """Where the server listens and its token, for others of us; its owner only may read it."""
        return self.path / "address.json"

    @property
    def log(self) -> Path:
        """What the server last said on stderr."""
        return self.path / "server.log"

    @property
    def keys(self) -> Path:
        """Where the server keeps the keys of model providers; its owner only may read it."""
        return self.store / "providers" / "auth.json"

    @property
    def choice(self) -> Path:
        """The model that was set up."""
        return self.path / "model.json"

    def make(self) -> None:
        """Make what is missing.

        Raises:
            LocalUnusable: it can't be used.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            about = self.path.stat()
            for folder in (self.home, self.store, self.work):
                folder.mkdir(mode=0o700, exist_ok=True)
                # Whether it can be written is only known by doing it.
                with tempfile.TemporaryFile(dir=folder) as probe:
                    probe.write(b"x")
        except OSError as error:
            raise errors.LocalUnusable(_problem(self.path, error)) from None
        if about.st_uid != os.getuid() or about.st_mode & 0o022:
            raise errors.LocalUnusable(f"its folder {self.path} is another user's, or others may write there")
        if shutil.disk_usage(self.path).free < LEAST_FREE:
            raise errors.LocalUnusable(f"less than {LEAST_FREE // 1024 // 1024} MB are free on the disk of {self.path}")

    @contextmanager
    def providers_restored_on_failure(self) -> Generator[None]:
        """A block in which the server is told of model providers; where it fails, those that were there are back.

        The server reads them anew whenever it needs them.
        """
        before = self.keys.read_text(encoding="utf-8") if self.keys.exists() else None
        try:
            yield
        except BaseException:
            if before is not None:
                write_private(self.keys, before)
            else:
                self.keys.unlink(missing_ok=True)
            raise

    def saved_model(self) -> str | None:
        """The handle of the model that was set up, if one was."""
        model = self._saved().get("model")
        return model if isinstance(model, str) else None

    def has_provider(self, provider: str) -> bool:
        """Whether a person has set up a provider of this id here, at whatever time."""
        return provider in self._providers()

    def save_model(self, handle: str, provider: str) -> None:
        """Remember the model that was set up, and whose it is."""
        providers = sorted({*self._providers(), provider})
        write_private(self.choice, json.dumps({"model": handle, "providers": providers}))

    def _providers(self) -> list[str]:
        return cast("list[str]", self._saved().get("providers") or [])

    def _saved(self) -> dict[str, Any]:
        try:
            saved: object = json.loads(self.choice.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return cast("dict[str, Any]", saved) if isinstance(saved, dict) else {}


def server_settings(tools: Collection[str]) -> dict[str, Any]:
    """The server's own settings: what its agents may never do, whatever a message says.

    Args:
        tools: the server's own tools that agents may ask a person to use.
    """
    denied = OTHER_AGENTS if set(SHELLS) & set(tools) else (*SHELLS, *OTHER_AGENTS)
    return {
        # It would start agents with a shell every 25 steps, unseen.
        "reflectionTrigger": "off",
        "permissions": {"deny": list(denied), "allow": [MEMORY_TOOL]},
    }


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    Path(name).replace(path)


def _problem(path: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk of its folder {path} is full"
    return f"its folder {path} can't be made or written ({os.strerror(error.errno or 0)})"
