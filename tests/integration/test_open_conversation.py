"""One conversation for a key: made at most once, found again, whoever asks and whoever is killed meanwhile."""

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import httpx
import pytest
from mcp import Client

from letta_conv_mcp import keyed
from letta_conv_mcp.letta.opening import open_letta
from letta_conv_mcp.server import build_server
from letta_conv_mcp.settings import ALL_TOOLSETS, Settings
from letta_conv_mcp.state.folder import StateFolder
from letta_conv_mcp.state.keys import Claim, Slot
from letta_conv_mcp.state.sqlite_keys import SqliteKeys
from tests.conftest import Place
from tests.fake import Answer, Close, FakeLetta, Late, WaitFor
from tests.integration.calls import call, failure
from tests.integration.stdio import Host, started

AT_ONCE = 10


@pytest.fixture
def key() -> str:
    return f"ticket {uuid4().hex[:8]}"


@pytest.fixture
def settings(fake: FakeLetta, tmp_path: Path) -> Settings:
    return Settings(base_url=fake.base_url, toolsets=ALL_TOOLSETS, state_dir=str(tmp_path / "state"))


def options_of(state_dir: Path) -> tuple[str, ...]:
    """What a server of its own process is started with."""
    return "--toolsets", "core,patterns", "--state-dir", str(state_dir)


def with_summary(base_url: str, agent_id: str, summary: str) -> list[str]:
    """The conversations of this name, counted in Letta."""
    parameters: dict[str, Any] = {"agent_id": agent_id, "summary_search": summary, "limit": 100}
    answer = httpx.get(f"{base_url}/v1/conversations/", params=parameters, timeout=30, trust_env=False)
    return [each["id"] for each in answer.raise_for_status().json() if each["summary"] == summary]


@pytest.mark.anyio
async def test_a_key_has_one_conversation_that_is_found_again_after_a_restart(
    client: Client, place: Place, era: str, key: str
) -> None:
    first = await call(client, "open_conversation", key=key, agent_id=place.agent_id)
    again = await call(client, "open_conversation", key=key, agent_id=place.agent_name)
    async with Client(build_server(place.settings), mode=era) as restarted:
        later = await call(restarted, "open_conversation", key=key, agent_id=place.agent_id)
    other = await call(client, "open_conversation", key=f"{key}!", agent_id=place.agent_id)

    assert (first["created"], again["created"], later["created"], other["created"]) == (True, False, False, True)
    assert first["id"] == again["id"] == later["id"] != other["id"]
    assert (first["summary"], first["agent_id"]) == (key, place.agent_id)
    assert "note" not in first


@pytest.mark.anyio
async def test_what_was_deleted_in_letta_is_made_anew_with_a_note(client: Client, place: Place, key: str) -> None:
    first = await call(client, "open_conversation", key=key, agent_id=place.agent_id)
    await delete(place, first["id"])

    anew = await call(client, "open_conversation", key=key, agent_id=place.agent_id)
    again = await call(client, "open_conversation", key=key, agent_id=place.agent_id)

    assert anew["created"]
    assert anew["id"] != first["id"]
    assert "was deleted in Letta" in anew["note"]
    assert (again["id"], again["created"], again.get("note")) == (anew["id"], False, None)


@pytest.mark.anyio
async def test_what_a_killed_process_had_made_is_found_by_its_summary(client: Client, place: Place, key: str) -> None:
    """In the lists of every kind of Letta."""
    newest = await call(client, "create_conversation", agent_id=place.agent_id, summary=key)
    slot = Slot(server=place.base_url, agent_id=place.agent_id, key=key)
    begun = Claim(conversation_id=None, begun_at=time.time(), newest_id=newest["id"], newest_date=newest["created_at"])
    await SqliteKeys(StateFolder(Path(place.state_dir))).keep(slot, begun)
    made = await call(client, "create_conversation", agent_id=place.agent_id, summary=key)
    await call(client, "create_conversation", agent_id=place.agent_id, summary="after")

    opened = await call(client, "open_conversation", key=key, agent_id=place.agent_id)

    assert (opened["id"], opened["created"]) == (made["id"], True)
    assert "broke off" in opened["note"]


async def delete(place: Place, conversation_id: str) -> None:
    """As another client would."""
    async with open_letta(place.settings) as letta:
        await letta.delete_conversation(conversation_id)


@pytest.mark.anyio
@pytest.mark.real_letta
async def test_an_archived_conversation_is_found_and_the_note_says_so(app_server_place: Place, key: str) -> None:
    """LETTA: 0.16.8 archives nothing."""
    about: dict[str, Any] = {"key": key, "agent_id": app_server_place.agent_id}
    async with Client(build_server(app_server_place.settings)) as client:
        first = await call(client, "open_conversation", **about)
        await call(client, "update_conversation", conversation_id=first["id"], archived=True)
        found = await call(client, "open_conversation", **about)

    assert (found["id"], found["created"]) == (first["id"], False)
    assert found["note"].startswith("It is archived")


@pytest.mark.real_letta
def test_ten_processes_at_the_same_instant_get_one_conversation_also_when_one_is_killed(
    real_place: Place, tmp_path: Path, key: str
) -> None:
    with ExitStack() as stack:
        options = options_of(tmp_path)
        hosts = [stack.enter_context(started(real_place.base_url, *options)) for _ in range(AT_ONCE)]
        for host in hosts:
            host.initialize()
        # Whatever is slow at first is behind them.
        for request, host in [(ask(host, "list_agents"), host) for host in hosts]:
            host.answer(request)

        opened = open_at_once(hosts, real_place, key)
        killed, *others = hosts
        ask(killed, "open_conversation", key=f"{key}!", agent_id=real_place.agent_id)
        kill_when_it_is_made(killed, real_place, f"{key}!")
        after_kill = open_at_once(others, real_place, f"{key}!")

    assert [each["id"] for each in opened] == with_summary(real_place.base_url, real_place.agent_id, key) * AT_ONCE
    assert sum(each["created"] for each in opened) == 1
    made = with_summary(real_place.base_url, real_place.agent_id, f"{key}!")
    assert [each["id"] for each in after_kill] == made * (AT_ONCE - 1)
    # Who was killed may have been the first to know of it.
    assert sum(each["created"] for each in after_kill) <= 1


def ask(host: Host, tool: str, **arguments: str) -> int:
    return host.send("tools/call", {"name": tool, "arguments": arguments})


def open_at_once(hosts: list[Host], place: Place, key: str) -> list[dict[str, Any]]:
    requests = [ask(host, "open_conversation", key=key, agent_id=place.agent_id) for host in hosts]
    answers = [host.answer(request) for host, request in zip(hosts, requests, strict=True)]
    return [answer["result"]["structuredContent"] for answer in answers]


def kill_when_it_is_made(host: Host, place: Place, key: str) -> None:
    """End a process as soon as Letta has its conversation, which it may or may not have been told."""
    until = time.monotonic() + 20
    while not with_summary(place.base_url, place.agent_id, key):
        assert time.monotonic() < until
    host.process.kill()
    host.process.wait(10)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was begun is looked for, for a second."""
    monkeypatch.setattr(keyed, "UNSEEN_SECONDS", 1.0)
    monkeypatch.setattr(keyed, "LOOK_SECONDS", 0.05)


@pytest.mark.anyio
@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("is_received", [True, False])
async def test_a_creation_whose_answer_is_lost_is_looked_for_and_never_made_twice(
    fake: FakeLetta, settings: Settings, key: str, is_received: bool
) -> None:
    agent = fake.add_agent("Ada")
    fake.fail("POST", "/v1/conversations/", Close(is_received), times=1)
    async with Client(build_server(settings)) as client:
        said = await failure(client, "open_conversation", key=key, agent_id=agent.id)
        opened = await call(client, "open_conversation", key=key, agent_id=agent.id)

    assert said.startswith(f"Letta's answer was lost, so the conversation for '{key}' may or may not exist.")
    assert with_summary(fake.base_url, agent.id, key) == [opened["id"]]
    assert opened["created"]
    assert ("broke off" in opened.get("note", "")) == is_received


@pytest.mark.anyio
@pytest.mark.usefixtures("soon")
async def test_a_creation_that_letta_gets_to_late_is_waited_for(fake: FakeLetta, settings: Settings, key: str) -> None:
    """LETTA: a request whose client has gone may be carried out later."""
    agent = fake.add_agent("Ada")
    fake.fail("POST", "/v1/conversations/", Late(0.4), times=1)
    async with Client(build_server(settings)) as client:
        await failure(client, "open_conversation", key=key, agent_id=agent.id)
        opened = await call(client, "open_conversation", key=key, agent_id=agent.id)

    assert with_summary(fake.base_url, agent.id, key) == [opened["id"]]


@pytest.mark.parametrize("is_received", [True, False])
def test_a_process_killed_in_the_middle_leaves_no_second_conversation_behind(
    fake: FakeLetta, tmp_path: Path, key: str, is_received: bool
) -> None:
    agent = fake.add_agent("Ada")
    # Another client's, of the same name.
    older = fake.add_conversation(agent, summary=key)
    fake.fail("POST", "/v1/conversations/", WaitFor("killed", is_received), times=1)
    params = {"name": "open_conversation", "arguments": {"key": key, "agent_id": agent.id}}
    with started(fake.base_url, *options_of(tmp_path / "state")) as killed:
        killed.initialize()
        killed.send("tools/call", params)
        fake.wait_until_held("killed")
    fake.release("killed")

    # Whatever the killed one asked for is done now; the next one looks first.
    fake.wait_until(lambda: [each.summary for each in fake.store.conversations.values()] == [key, key])
    with started(fake.base_url, *options_of(tmp_path / "state")) as other:
        other.initialize()
        opened = other.ask("tools/call", params)["structuredContent"]

    assert sorted(with_summary(fake.base_url, agent.id, key)) == sorted([older.id, opened["id"]])
    assert opened["created"]
    assert "broke off" in opened["note"]


@pytest.mark.anyio
async def test_two_calls_of_one_process_at_once_get_one_conversation(
    fake: FakeLetta, settings: Settings, key: str
) -> None:
    agent, opened = fake.add_agent("Ada"), list[dict[str, Any]]()

    async def open_it(client: Client) -> None:
        opened.append(await call(client, "open_conversation", key=key, agent_id=agent.id))

    async with Client(build_server(settings)) as client, anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(open_it, client)

    assert {each["id"] for each in opened} == set(with_summary(fake.base_url, agent.id, key))
    assert sum(each["created"] for each in opened) == 1


@pytest.mark.anyio
async def test_a_refused_creation_leaves_nothing_to_look_for(fake: FakeLetta, settings: Settings, key: str) -> None:
    agent = fake.add_agent("Ada")
    fake.fail("POST", "/v1/conversations/", Answer(429, {"detail": "slow down"}), times=1)
    async with Client(build_server(settings)) as client:
        said = await failure(client, "open_conversation", key=key, agent_id=agent.id)
        opened = await call(client, "open_conversation", key=key, agent_id=agent.id)

    assert "it is safe to try again" in said
    assert (opened["created"], opened.get("note")) == (True, None)


@pytest.mark.anyio
async def test_a_damaged_map_makes_no_conversation(
    fake: FakeLetta, settings: Settings, key: str, tmp_path: Path
) -> None:
    agent = fake.add_agent("Ada")
    damage_map(tmp_path / "state")
    async with Client(build_server(settings)) as client:
        said = await failure(client, "open_conversation", key=key, agent_id=agent.id)

    assert "keys.sqlite3 is damaged" in said
    assert with_summary(fake.base_url, agent.id, key) == []


def damage_map(state: Path) -> None:
    state.mkdir()
    (state / "keys.sqlite3").write_bytes(b"not a database" * 100)


@pytest.mark.anyio
async def test_a_key_that_can_not_be_shown_is_refused(fake: FakeLetta, settings: Settings) -> None:
    agent = fake.add_agent("Ada")
    async with Client(build_server(settings)) as client:
        for key in ("a\nb", "a\0b", " ", "x" * 201):
            assert "open_conversation was not run" in await failure(
                client, "open_conversation", key=key, agent_id=agent.id
            )
