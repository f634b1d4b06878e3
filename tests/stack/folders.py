"""Where the stack lives on this machine: one folder outside the repository.

When we are root, PostgreSQL runs as another user, so every folder above it must be open to that user: a folder under
root's home is not. A thing that takes long to make is made under another name and renamed when it is whole, so what
has its name is always complete.
"""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.stack.errors import StackError
from tests.stack.progress import tell
from tests.stack.variants import first_port

ROOT = Path(__file__).parents[2]
LOCKS = Path(__file__).parent


def home() -> Path:
    """The folder of everything, made when it is missing."""
    given = os.environ.get("LETTA_STACK_DIR")
    folder = Path(given).absolute() if given else Path(f"/var/tmp/letta-conv-mcp-stack-{os.getuid()}")  # noqa: S108
    folder.mkdir(parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise StackError(f"{folder} belongs to another user. Set LETTA_STACK_DIR to a folder of yours.")
    if os.getuid() == 0:
        _check_open_to_others(folder)
    return folder


def subfolder(*names: str) -> Path:
    """A folder below the home, made when it is missing."""
    folder = home().joinpath(*names)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def live(*names: str) -> Path:
    """A folder for what runs at these ports, made when it is missing: another ten ports are another stack."""
    ours = subfolder(f"ports-{first_port()}")
    # PostgreSQL's user has to get in, whatever the person's own habit.
    ours.chmod(0o755)
    return subfolder(ours.name, *names)


def key_of(*parts: str | Path) -> str:
    """A short name for the content of these files and texts: a changed lock gets a folder of its own."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.read_bytes() if isinstance(part, Path) else part.encode())
        digest.update(b"\0")
    return digest.hexdigest()[:12]


@contextmanager
def being_built(target: Path) -> Generator[Path]:
    """An empty folder to build in, which becomes `target` when nothing went wrong."""
    prefix = f"{target.name}.building-"
    for interrupted in target.parent.glob(f"{prefix}*"):
        shutil.rmtree(interrupted, ignore_errors=True)
    # A new name each time: an installer whose parent was killed may still be writing to the old one.
    building = Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
    building.chmod(0o755)
    yield building
    building.rename(target)


@contextmanager
def only_one(folder: Path) -> Generator[None]:
    """Waits until nobody else, in this process or another, makes or changes what is in a folder."""
    # What we make must be readable to PostgreSQL's user, whatever the person's own habit.
    umask = os.umask(0o022)
    try:
        with _held(folder):
            yield
    finally:
        os.umask(umask)


@contextmanager
def _held(folder: Path) -> Generator[None]:
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell("waiting for another start or stop of the stack")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _check_open_to_others(folder: Path) -> None:
    for step in (folder, *folder.parents):
        if not step.stat().st_mode & 0o001:
            raise StackError(
                f"PostgreSQL refuses to run as root, and its own user can't enter {step}. "
                "Set LETTA_STACK_DIR to a folder that others may enter, such as one in /var/tmp."
            )
