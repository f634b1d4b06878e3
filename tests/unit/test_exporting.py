"""A whole conversation as a file: every message once and in order, whatever happens to the list meanwhile."""

import json
import os
import time
from math import ceil
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given, settings

from letta_conv_mcp import errors
from letta_conv_mcp.exporting import export
from letta_conv_mcp.formats import FormatName
from letta_conv_mcp.history import WHOLE_PAGE, whole_history
from letta_conv_mcp.state.exports import KEPT, READ_BYTES, conversation_of, new_export, new_name, read_export
from letta_conv_mcp.state.folder import StateFolder
from letta_conv_mcp.views import Export
from tests.fake.state import StoredMessage, Thread
from tests.unit.thread_letta import (
    CONV,
    Compaction,
    ThreadLetta,
    compacted_lettas,
    letta_after,
    plain_thread,
    stored,
    summary,
    threads,
)


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    return StateFolder(tmp_path)


def exported(letta: ThreadLetta, folder: StateFolder, name: FormatName = "jsonl", told: Any = None) -> Export:
    async def report(messages: int) -> None:
        if told is not None:
            told(messages)

    return anyio.run(lambda: export(letta.letta, folder, CONV, name, report))


def ids_in(made: Export) -> list[str]:
    return [json.loads(line)["id"] for line in Path(made.path).read_text(encoding="utf-8").splitlines()]


def ids_of(messages: list[StoredMessage]) -> list[str]:
    return [entry["id"] for message in messages for entry in message.entries]


async def walked(letta: ThreadLetta) -> list[str]:
    return [message.id async for page in whole_history(letta.letta, CONV) for message in page]


@given(threads())
@settings(max_examples=50)
def test_every_entry_of_any_thread_is_there_once_and_in_order(thread: Thread) -> None:
    assert anyio.run(walked, ThreadLetta(thread)) == ids_of(thread.messages)


@given(compacted_lettas(distinct_seconds=True))
@settings(max_examples=50)
def test_every_entry_of_a_compacted_thread_is_there_once_and_in_order(letta: ThreadLetta) -> None:
    assert anyio.run(walked, letta) == ids_of(letta.thread.messages)


@pytest.mark.parametrize("most", [None, 30])
def test_a_long_thread_takes_a_request_a_page_also_where_less_is_listed_than_asked_for(
    folder: StateFolder, most: int | None
) -> None:
    letta, told = ThreadLetta(plain_thread(1_050), most=most), list[int]()

    made = exported(letta, folder, told=told.append)

    assert ids_in(made) == ids_of(letta.thread.messages)
    assert (made.messages, told[-1]) == (1_050, 1_050)
    assert told == sorted(told)
    # A look before and after whether it was compacted, and one beyond the end.
    assert letta.requests == ceil(1_050 / (most or WHOLE_PAGE)) + 3


def test_what_is_compacted_meanwhile_is_read_again_in_order(folder: StateFolder) -> None:
    """LETTA: what stays in context is numbered anew, and would be missing."""
    said = [stored(number, number, ["user_message"]) for number in range(250)]
    letta = ThreadLetta(plain_thread(0))
    letta.thread = letta_after(said).thread
    after = letta_after([*said, Compaction(summary(250, 250), 10)])

    def compact(messages: int) -> None:
        if messages == WHOLE_PAGE:
            letta.thread, letta.positions = after.thread, after.positions

    made = exported(letta, folder, told=compact)

    assert ids_in(made) == ids_of(after.thread.messages)
    assert made.messages == 251
    assert [path.name for path in folder.exports.iterdir()] == [Path(made.path).name]


def test_what_is_cut_again_and_again_is_an_error_and_leaves_no_file(folder: StateFolder) -> None:
    letta = ThreadLetta(plain_thread(250))

    def cut(messages: int) -> None:
        # The message that the next page's cursor names.
        del letta.thread.messages[messages - 1]
        letta.thread.positions = {message.id: place for place, message in enumerate(letta.thread.messages)}

    with pytest.raises(errors.HistoryChanged):
        exported(letta, folder, told=cut)

    assert list(folder.exports.iterdir()) == []


def test_each_format_holds_the_whole_and_says_what_it_leaves_out(folder: StateFolder) -> None:
    letta = ThreadLetta(plain_thread(0))
    for number, kind in enumerate(["system_message", "user_message", "reasoning_message", "assistant_message"]):
        letta.thread.append(stored(number, number, [kind]))

    markdown, plain, lines = (exported(letta, folder, name) for name in ("markdown", "json", "jsonl"))

    text = Path(markdown.path).read_text(encoding="utf-8")
    assert text.startswith(f"# {CONV}\n\nConversation `{CONV}` with agent `agent-1`.\n\n**User** · 2026-11-22T12:00:01")
    assert text.endswith("1.0\n\n**Agent** · 2026-11-22T12:00:03+00:00\n\n3.0\n")
    assert (markdown.messages, markdown.bytes, markdown.preview) == (2, len(text.encode()), text)
    assert (markdown.first_date, markdown.last_date) == ("2026-11-22T12:00:01+00:00", "2026-11-22T12:00:03+00:00")
    assert (markdown.note or "").startswith("2 messages are not in it")
    whole = json.loads(Path(plain.path).read_text(encoding="utf-8"))
    assert whole["conversation"]["id"] == CONV
    assert [message["id"] for message in whole["messages"]] == ids_in(lines) == ids_of(letta.thread.messages)
    assert (plain.messages, plain.note, lines.note) == (4, None, None)


@pytest.mark.parametrize("name", ["markdown", "json", "jsonl"])
def test_an_empty_conversation_is_a_whole_file_too(folder: StateFolder, name: FormatName) -> None:
    made = exported(ThreadLetta(plain_thread(0)), folder, name)

    text = Path(made.path).read_text(encoding="utf-8")
    assert (made.messages, made.first_date, made.preview) == (0, None, text)
    if name == "json":
        assert json.loads(text)["messages"] == []


def test_a_preview_is_the_beginning_and_short(folder: StateFolder) -> None:
    made = exported(ThreadLetta(plain_thread(100)), folder)

    assert len(made.preview) < 1_000
    assert Path(made.path).read_text(encoding="utf-8").startswith(made.preview.removesuffix("…"))


def test_an_unknown_conversation_makes_no_file(folder: StateFolder) -> None:
    letta = ThreadLetta(plain_thread(3), known=set())

    with pytest.raises(errors.ConversationNotFound):
        exported(letta, folder)

    assert not folder.exports.exists()


@pytest.mark.parametrize("conversation_id", ["conv-1", "default:agent-1", "../../etc/passwd", "a/b", "ü_x_", "..", "_"])
def test_a_name_tells_its_conversation_and_stays_in_the_folder(folder: StateFolder, conversation_id: str) -> None:
    name = new_name(conversation_id, "md")

    assert conversation_of(name) == conversation_id
    assert (folder.exports / name).resolve().parent == folder.exports.resolve()
    assert name.isascii()


@pytest.mark.parametrize(
    "name",
    [
        "",
        "..",
        "x.md",
        "../keys.sqlite3",
        "conv-1.20261122T120000Z-0123ab.md/..",
        "_ffffffff_.20261122T120000Z-0123ab.md",
    ],
)
def test_what_is_no_name_of_an_export_is_not_found(folder: StateFolder, name: str) -> None:
    folder.make()

    with pytest.raises(errors.ExportNotFound):
        read_export(folder, name)


def test_an_export_is_read_back_up_to_a_size_and_never_through_a_link(folder: StateFolder) -> None:
    made, long, link = new_name(CONV, "md"), new_name(CONV, "md"), new_name(CONV, "md")
    for name, text in ((made, "said ü"), (long, "x" * (READ_BYTES + 1))):
        with new_export(folder, name) as file:
            file.write(text)
    (folder.exports / link).symlink_to(folder.exports / made)

    assert read_export(folder, made) == "said ü"
    assert (folder.exports / made).stat().st_mode & 0o777 == 0o600
    with pytest.raises(errors.ExportTooLong, match="1,000,001 bytes long"):
        read_export(folder, long)
    with pytest.raises(errors.StateUnusable):
        read_export(folder, link)


def test_only_the_newest_exports_are_kept_and_what_killed_processes_left_goes(folder: StateFolder) -> None:
    folder.make()
    leftover, fresh, foreign = (folder.exports / name for name in ("a.part", "b.part", "notes.md"))
    for path in (leftover, fresh, foreign):
        path.touch()
    os.utime(leftover, (0, 0))
    names = [new_name(f"conv-{number}", "md") for number in range(KEPT + 5)]

    for age, name in enumerate(names):
        with new_export(folder, name):
            pass
        at = time.time() - 1_000 + age
        os.utime(folder.exports / name, (at, at))

    # The last one pruned before its time was set back.
    left = {path.name for path in folder.exports.iterdir()}
    assert left == {*names[-KEPT:], "b.part", "notes.md"}


def test_what_breaks_off_leaves_no_file(folder: StateFolder) -> None:
    def break_off() -> None:
        with new_export(folder, new_name(CONV, "md")) as file:
            file.write("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        break_off()

    assert list(folder.exports.iterdir()) == []
