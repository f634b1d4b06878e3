"""The map of keys in an SQLite file, for all processes of one user on one machine.

A connection lives for one statement, so that no process holds another up and a killed one leaves nothing behind.
"""

import hashlib
import os
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from letta_conv_mcp import errors
from letta_conv_mcp.state.folder import FILE_MODE, StateFolder, unusable
from letta_conv_mcp.state.keys import Claim, Slot

if TYPE_CHECKING:
    from sqlite3 import Connection, Error

VERSION = 1
BUSY_SECONDS = 10.0
"""How long one statement waits for those of other processes, which take milliseconds."""
HELD_SECONDS = 40.0
LOOK_SECONDS = 0.05

_TABLE = """
CREATE TABLE keys (
    server TEXT NOT NULL, agent_id TEXT NOT NULL, key TEXT NOT NULL,
    conversation_id TEXT, begun_at REAL NOT NULL, newest_id TEXT, newest_date TEXT,
    PRIMARY KEY (server, agent_id, key)
)
"""
_FIND = """
SELECT conversation_id, begun_at, newest_id, newest_date FROM keys WHERE server = ? AND agent_id = ? AND key = ?
"""
_UNKNOWN_PROBLEM = "can't be read or written"
_PROBLEMS = {
    "SQLITE_NOTADB": "is damaged, or not a database",
    "SQLITE_CORRUPT": "is damaged",
    "SQLITE_BUSY": "is held by another program",
    "SQLITE_FULL": "can't grow, because the disk is full",
    "SQLITE_ERROR": "is not as this program made it",
}


class SqliteKeys:
    """The map.

    Args:
        folder: where its file and its locks are.
    """

    def __init__(self, folder: StateFolder) -> None:
        self._folder = folder

    async def find(self, slot: Slot) -> Claim | None:
        """See the protocol."""
        return await anyio.to_thread.run_sync(self._find, slot)

    async def keep(self, slot: Slot, claim: Claim) -> None:
        """See the protocol."""
        known = (claim.conversation_id, claim.begun_at, claim.newest_id, claim.newest_date)
        values = (slot.server, slot.agent_id, slot.key, *known)
        await anyio.to_thread.run_sync(self._change, "INSERT OR REPLACE INTO keys VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    async def forget(self, slot: Slot) -> None:
        """See the protocol."""
        values = (slot.server, slot.agent_id, slot.key)
        await anyio.to_thread.run_sync(
            self._change, "DELETE FROM keys WHERE server = ? AND agent_id = ? AND key = ?", values
        )

    @asynccontextmanager
    async def held(self, slot: Slot) -> AsyncGenerator[None]:
        """See the protocol."""
        # Imported where it is needed: hosts wait for the start.
        from filelock import FileLock, Timeout

        self._folder.make()
        lock = FileLock(self._folder.locks / f"{_stripe(slot)}.lock", mode=FILE_MODE, thread_local=False)
        until = anyio.current_time() + HELD_SECONDS
        while not lock.is_locked:
            try:
                lock.acquire(blocking=False)
            except Timeout:
                if anyio.current_time() > until:
                    raise errors.KeyBusy(slot.key) from None
                await anyio.sleep(LOOK_SECONDS)
            except OSError as error:
                raise unusable(self._folder.locks, error) from None
        try:
            yield
        finally:
            lock.release()

    def _find(self, slot: Slot) -> Claim | None:
        with self._opened() as database:
            row = database.execute(_FIND, (slot.server, slot.agent_id, slot.key)).fetchone()
        return Claim(conversation_id=row[0], begun_at=row[1], newest_id=row[2], newest_date=row[3]) if row else None

    def _change(self, statement: str, values: tuple[str | float | None, ...]) -> None:
        with self._opened() as database:
            database.execute(statement, values)

    @contextmanager
    def _opened(self) -> "Generator[Connection]":
        # Imported where it is needed: hosts wait for the start.
        import sqlite3

        self._folder.make()
        try:
            # SQLite would make it for everybody to read.
            os.close(os.open(self._folder.keys, os.O_RDWR | os.O_CREAT, FILE_MODE))
        except OSError as error:
            raise unusable(self._folder.keys, error) from None
        try:
            database = sqlite3.connect(self._folder.keys, timeout=BUSY_SECONDS, isolation_level=None)
            try:
                self._prepare(database)
                yield database
            finally:
                database.close()
        except sqlite3.Error as error:
            raise self._unusable(error) from None

    def _prepare(self, database: "Connection") -> None:
        if _version(database) == 0:
            database.execute("BEGIN IMMEDIATE")
            # Another process may have been faster.
            if _version(database) == 0:
                database.execute(_TABLE)
                database.execute(f"PRAGMA user_version = {VERSION}")
            database.execute("COMMIT")
        if _version(database) > VERSION:
            raise errors.StateUnusable(f"{self._folder.keys} was made by a newer version of this program")

    def _unusable(self, error: "Error") -> errors.StateUnusable:
        # The extended names begin with the plain ones: SQLITE_BUSY_SNAPSHOT.
        name = "_".join((getattr(error, "sqlite_errorname", None) or "").split("_")[:2])
        return errors.StateUnusable(f"{self._folder.keys} {_PROBLEMS.get(name, _UNKNOWN_PROBLEM)}")


def _version(database: "Connection") -> int:
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def _stripe(slot: Slot) -> str:
    """One of 256, so that there is no file for each key; two keys that share one only wait for each other."""
    text = f"{slot.server}\n{slot.agent_id}\n{slot.key}"
    return hashlib.blake2s(text.encode(), digest_size=1).hexdigest()
