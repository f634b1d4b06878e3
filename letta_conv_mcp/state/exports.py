"""The files of exports: written whole or not at all, read by name, and only the newest kept."""

import os
import re
import secrets
import stat
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from letta_conv_mcp import errors
from letta_conv_mcp.state.folder import StateFolder, unusable

KEPT = 20
READ_BYTES = 1_000_000
PART = ".part"
PART_SECONDS = 86_400
"""After that an unfinished file is what a killed process left."""

_CAREFULLY = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
"""Neither out of the folder nor waiting for a pipe's other end; Windows has neither."""
_NAME = re.compile(r"(?P<id>[A-Za-z0-9_-]+)\.\d{8}T\d{6}Z-[0-9a-f]{6}\.(md|json|jsonl)")
_UNSAFE = re.compile(r"[^A-Za-z0-9-]")
_ESCAPED = re.compile(r"_([0-9a-f]+)_")


def new_name(conversation_id: str, ending: str) -> str:
    """A name for an export, that tells its conversation and can't lead out of the folder."""
    safe = _UNSAFE.sub(lambda found: f"_{ord(found[0]):x}_", conversation_id)
    return f"{safe}.{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}.{ending}"


def conversation_of(name: str) -> str:
    """The conversation that an export is of.

    Raises:
        ExportNotFound: no export is named so.
    """
    if (found := _NAME.fullmatch(name)) is None:
        raise errors.ExportNotFound(name)
    try:
        return _ESCAPED.sub(lambda escaped: chr(int(escaped[1], 16)), found["id"])
    except (ValueError, OverflowError):
        raise errors.ExportNotFound(name) from None


@contextmanager
def new_export(folder: StateFolder, name: str) -> Generator[TextIO]:
    """A file to write to, which is there under its name when the block ends well; then the oldest go.

    Raises:
        StateUnusable: it can't be written.
    """
    folder.make()
    part = None
    try:
        # Its owner only may read it.
        handle, part = tempfile.mkstemp(dir=folder.exports, suffix=PART)
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace", newline="\n") as file:
            yield file
        Path(part).replace(folder.exports / name)
        part = None
        _prune(folder.exports)
    except OSError as error:
        raise unusable(folder.exports, error) from None
    finally:
        if part is not None:
            Path(part).unlink(missing_ok=True)


def read_export(folder: StateFolder, name: str) -> str:
    """The text of an export.

    Raises:
        ExportNotFound: there is none of this name.
        ExportTooLong: it is too long to be read at once.
        StateUnusable: it can't be read.
    """
    conversation_of(name)
    path = folder.exports / name
    try:
        handle = os.open(path, os.O_RDONLY | _CAREFULLY)
        with os.fdopen(handle, "rb") as file:
            about = os.fstat(handle)
            if not stat.S_ISREG(about.st_mode):
                raise errors.ExportNotFound(name)
            if about.st_size > READ_BYTES:
                raise errors.ExportTooLong(str(path), about.st_size, READ_BYTES)
            return file.read().decode()
    except FileNotFoundError:
        raise errors.ExportNotFound(name) from None
    except OSError as error:
        raise unusable(path, error) from None


def _prune(folder: Path) -> None:
    exports: list[tuple[float, Path]] = []
    for path in folder.iterdir():
        try:
            written = path.lstat().st_mtime
        except FileNotFoundError:
            # Another process does the same.
            continue
        if _NAME.fullmatch(path.name):
            exports.append((written, path))
        elif path.suffix == PART and written < time.time() - PART_SECONDS:
            path.unlink(missing_ok=True)
    for _, path in sorted(exports)[:-KEPT]:
        path.unlink(missing_ok=True)
