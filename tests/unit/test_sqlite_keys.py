"""The map of keys as a file: private, shared, and never taken for empty when it can't be read."""

import sqlite3
import stat
from pathlib import Path

import anyio
import pytest

from letta_conv_mcp import errors
from letta_conv_mcp.state import sqlite_keys
from letta_conv_mcp.state.folder import StateFolder
from letta_conv_mcp.state.keys import Claim, Slot
from letta_conv_mcp.state.sqlite_keys import SqliteKeys

pytestmark = pytest.mark.anyio

SLOT = Slot(server="http://x", agent_id="agent-1", key="ticket 7")
CLAIM = Claim(conversation_id="conv-1", begun_at=12.5, newest_id="conv-0", newest_date="2026-11-28T10:00:00Z")


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    return StateFolder(tmp_path / "deep" / "state")


async def test_what_is_kept_is_found_by_another_who_looks(folder: StateFolder) -> None:
    await SqliteKeys(folder).keep(SLOT, CLAIM)

    assert await SqliteKeys(folder).find(SLOT) == CLAIM


async def test_a_slot_is_a_letta_an_agent_and_a_key(folder: StateFolder) -> None:
    keys = SqliteKeys(folder)
    await keys.keep(SLOT, CLAIM)

    others = [
        Slot(server="http://y", agent_id="agent-1", key="ticket 7"),
        Slot(server="http://x", agent_id="agent-2", key="ticket 7"),
        Slot(server="http://x", agent_id="agent-1", key="Ticket 7"),
    ]

    assert [await keys.find(other) for other in others] == [None, None, None]


async def test_what_is_kept_later_takes_the_place_and_what_is_forgotten_is_gone(folder: StateFolder) -> None:
    keys, begun = SqliteKeys(folder), Claim(conversation_id=None, begun_at=1)
    await keys.keep(SLOT, begun)
    await keys.keep(SLOT, CLAIM)
    found = await keys.find(SLOT)
    await keys.forget(SLOT)

    assert found == CLAIM
    assert await keys.find(SLOT) is None


async def test_only_its_owner_may_read_any_of_it(folder: StateFolder) -> None:
    keys = SqliteKeys(folder)
    async with keys.held(SLOT):
        await keys.keep(SLOT, CLAIM)

    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [folder.path, *folder.path.rglob("*")]}
    assert modes == {path: 0o700 if path.is_dir() else 0o600 for path in modes}
    assert len(modes) == 5


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no database at all, and long enough to be taken for one's header by nobody" * 20, "is damaged"),
        (b"SQLite format 3\x00" + b"\xff" * 4096, "is damaged"),
    ],
)
async def test_a_damaged_map_is_an_error_and_not_an_empty_map(folder: StateFolder, content: bytes, said: str) -> None:
    folder.make()
    folder.keys.write_bytes(content)

    with pytest.raises(errors.StateUnusable, match=said):
        await SqliteKeys(folder).find(SLOT)

    assert folder.keys.read_bytes() == content


async def test_a_map_of_somebody_elses_making_is_an_error(folder: StateFolder) -> None:
    folder.make()
    for statement, said in (("PRAGMA user_version = 1", "not as this"), ("PRAGMA user_version = 9", "newer version")):
        with sqlite3.connect(folder.keys) as database:
            database.execute(statement)
        database.close()

        with pytest.raises(errors.StateUnusable, match=said):
            await SqliteKeys(folder).find(SLOT)


async def test_a_map_that_another_program_holds_is_an_error(
    folder: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_keys, "BUSY_SECONDS", 0.01)
    keys = SqliteKeys(folder)
    await keys.keep(SLOT, CLAIM)
    database = sqlite3.connect(folder.keys, isolation_level=None)
    database.execute("BEGIN EXCLUSIVE")

    with pytest.raises(errors.StateUnusable, match="held by another program"):
        await keys.find(SLOT)

    database.close()
    assert await keys.find(SLOT) == CLAIM


async def test_a_folder_that_can_not_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(errors.StateUnusable, match="can't be made, read or written"):
        await SqliteKeys(StateFolder(tmp_path / "file" / "state")).find(SLOT)


async def test_a_folder_that_others_may_write_to_is_an_error(tmp_path: Path) -> None:
    StateFolder(tmp_path).make()
    await anyio.Path(tmp_path).chmod(0o777)

    with pytest.raises(errors.StateUnusable, match="others may write there"):
        await SqliteKeys(StateFolder(tmp_path)).find(SLOT)


async def test_a_slot_is_held_by_one_at_a_time_and_others_wait(
    folder: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, order = [SqliteKeys(folder), SqliteKeys(folder)], list[str]()
    entered, waits, sleep = anyio.Event(), anyio.Event(), anyio.sleep

    async def noted(seconds: float) -> None:
        waits.set()
        await sleep(seconds)

    monkeypatch.setattr(sqlite_keys.anyio, "sleep", noted)

    async def second() -> None:
        await entered.wait()
        async with keys[1].held(SLOT):
            order.append("second")

    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(second)
            async with keys[0].held(SLOT):
                entered.set()
                await waits.wait()
                order.append("first")

    assert order == ["first", "second"]


async def test_who_waits_too_long_is_told_that_it_is_safe_to_try_again(
    folder: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_keys, "HELD_SECONDS", 0.1)
    keys = SqliteKeys(folder)

    async with keys.held(SLOT):
        with pytest.raises(errors.KeyBusy, match="it is safe to try again"):
            async with keys.held(SLOT):
                pass
