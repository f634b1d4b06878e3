"""Whole transcripts as files, on the fake, on a real Letta server and on a real App Server."""

import json
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import ResourceLink, TextResourceContents

from letta_conv_mcp import history
from letta_conv_mcp.server import build_server
from letta_conv_mcp.settings import ALL_TOOLSETS, Settings
from tests.conftest import Place
from tests.fake import FakeLetta
from tests.integration.calls import Progress, call, failure

pytestmark = pytest.mark.anyio


@pytest.fixture
def settings(fake: FakeLetta, tmp_path: Path) -> Settings:
    return Settings(base_url=fake.base_url, toolsets=ALL_TOOLSETS, state_dir=str(tmp_path))


async def text_of(made: dict[str, Any]) -> str:
    return await anyio.to_thread.run_sync(Path(made["path"]).read_text)


async def read(client: Client, uri: str) -> str:
    contents = (await client.read_resource(uri)).contents[0]
    assert isinstance(contents, TextResourceContents)
    return contents.text


async def history_of(client: Client, conversation_id: str) -> list[dict[str, Any]]:
    return (await call(client, "get_history", conversation_id=conversation_id, limit=100, detail="full"))["messages"]


async def test_the_whole_conversation_is_exported_whatever_the_page(
    client: Client, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "WHOLE_PAGE", 3)
    conversation_id = await place.new_conversation(client)
    for message in ("one", "#reason hm# two", "#tool lookup {}", "ünd four"):
        await call(client, "send_message", conversation_id=conversation_id, message=message)

    lines = await call(client, "export_conversation", conversation_id=conversation_id, format="jsonl")
    whole = await call(client, "export_conversation", conversation_id=conversation_id, format="json")
    markdown = await call(client, "export_conversation", conversation_id=conversation_id)

    shown = await history_of(client, conversation_id)
    assert [json.loads(line) for line in (await text_of(lines)).splitlines()] == shown
    assert json.loads(await text_of(whole))["messages"] == shown
    assert (lines["messages"], lines["first_date"], lines["last_date"]) == (
        len(shown),
        shown[0]["date"],
        shown[-1]["date"],
    )
    assert "echo: ünd four" in await text_of(markdown)
    for made in (lines, whole, markdown):
        assert await read(client, made["uri"]) == await text_of(made)


async def test_an_agents_own_thread_is_exported_in_order(
    client: Client, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "WHOLE_PAGE", 3)
    agent = await call(client, "create_agent", name="Own thread", model=place.model)
    conversation_id = f"default:{agent['id']}"
    for message in ("one", "two", "three"):
        await call(client, "send_message", conversation_id=conversation_id, message=message)

    made = await call(client, "export_conversation", conversation_id=conversation_id, format="jsonl")

    shown = await history_of(client, conversation_id)
    assert [json.loads(line) for line in (await text_of(made)).splitlines()] == shown
    assert await read(client, made["uri"]) == await text_of(made)


@pytest.mark.real_letta
@pytest.mark.parametrize("kind", ["real", "app_server"])
async def test_a_compacted_conversation_is_exported_as_its_history_shows_it(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "WHOLE_PAGE", 3)
    place: Place = request.getfixturevalue(f"{kind}_place")
    async with Client(build_server(place.settings)) as client:
        conversation_id = await place.new_conversation(client)
        for number in range(10):
            await call(client, "send_message", conversation_id=conversation_id, message=f"message {number}")
        await call(client, "compact_conversation", conversation_id=conversation_id)
        await call(client, "send_message", conversation_id=conversation_id, message="and on")

        made = await call(client, "export_conversation", conversation_id=conversation_id, format="jsonl")

        shown = await history_of(client, conversation_id)
    assert [json.loads(line) for line in (await text_of(made)).splitlines()] == shown


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_an_export_comes_with_a_link_and_tells_how_far_it_is(
    fake: FakeLetta, settings: Settings, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("letta_conv_mcp.tools.exports.PAUSE_SECONDS", 0)
    conversation = fake.add_conversation(fake.add_agent("Ada"), summary="Long")
    fake.add_messages(conversation, 3_000)
    progress = Progress()
    async with Client(build_server(settings), mode=mode) as client:
        result = await client.call_tool(
            "export_conversation", {"conversation_id": conversation.id}, progress_callback=progress
        )
        made = result.structured_content
        assert made is not None
        assert await read(client, made["uri"]) == await text_of(made)

    link = result.content[1]
    assert isinstance(link, ResourceLink)
    assert (link.uri, link.mime_type, link.size) == (made["uri"], "text/markdown", made["bytes"])
    assert len(progress.lines) > 10
    assert progress.numbers == sorted(set(progress.numbers))
    assert all(line.endswith("messages read") for line in progress.lines)


async def test_an_export_is_not_found_where_its_conversation_can_not_be_seen(
    fake: FakeLetta, settings: Settings
) -> None:
    """Ours: what is out of bounds is so by every path."""
    conversation = fake.add_conversation(fake.add_agent("Ada"))
    async with Client(build_server(settings)) as client:
        await call(client, "open_conversation", key="k", agent_id="Ada")
        made = await call(client, "export_conversation", conversation_id=conversation.id)
        conversation.is_deleted = True

        for uri in (made["uri"], "letta://exports/keys.sqlite3", "letta://exports/..%2Fkeys.sqlite3"):
            with pytest.raises(MCPError, match=r"No export|Unknown resource"):
                await read(client, uri)


async def test_an_unknown_conversation_is_named(settings: Settings) -> None:
    async with Client(build_server(settings)) as client:
        said = await failure(client, "export_conversation", conversation_id="conv-0")

    assert said.startswith("No conversation 'conv-0'.")
