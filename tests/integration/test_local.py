"""A Letta of one's own: started when it is needed, shared, mended when it breaks, and gone when we are."""

import json
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import to_thread
from mcp import Client
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect as connect_socket

from letta_conv_mcp.app import open_app
from letta_conv_mcp.cancels import Cancels
from letta_conv_mcp.errors import LettaUnavailable
from letta_conv_mcp.letta.port import NewAgent, NewConversation
from letta_conv_mcp.local.folder import LocalFolder
from letta_conv_mcp.local.opening import open_local
from letta_conv_mcp.server import build_server
from tests.integration.calls import Progress, call, failure
from tests.integration.own import kill, own_settings, processes_of, prompts_of, server_of, servers_of, set_up_model
from tests.integration.processes import wait_until_gone
from tests.stack.app_rig import open_model

pytestmark = [pytest.mark.anyio, pytest.mark.real_letta]

LABEL = "[No model is set up; this is a scripted stand-in."
STEPS = 30
LONG = "#drip 0.2 one two three four five six"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "letta"


@pytest.fixture
async def client(folder: Path) -> AsyncIterator[Client]:
    async with Client(build_server(own_settings(folder)), mode="legacy") as connected:
        yield connected


async def new_talk(client: Client) -> str:
    """A conversation with a new agent."""
    agent = await call(client, "create_agent", name="Ada", persona="I am Ada.", human="The human is Bo.")
    return (await call(client, "create_conversation", agent_id=agent["id"]))["id"]


async def test_it_starts_with_the_first_call_which_says_so_and_ends_with_us(folder: Path) -> None:
    progress, later = Progress(), Progress()
    async with Client(build_server(own_settings(folder)), mode="legacy") as client:
        before = processes_of(folder)
        await call(client, "list_agents", progress)
        while_open = servers_of(folder)
        await call(client, "list_agents", later)
    for pid in while_open:
        wait_until_gone(pid, 5)

    assert before == {}
    assert progress.lines == ["starting Letta on this machine"]
    assert later.lines == []
    assert len(while_open) == 2


async def test_what_it_keeps_and_where_it_listens_is_for_its_owner_only(client: Client, folder: Path) -> None:
    await call(client, "list_agents")
    address = json.loads((folder / "address.json").read_text())["address"]
    with pytest.raises(InvalidStatus) as refused:
        connect_socket(f"{address}/ws", proxy=None)

    assert refused.value.response.status_code == 401
    assert address.startswith("ws://127.0.0.1:")
    assert {_mode(folder / name) for name in (".", "home", "store", "work")} == {0o700}
    assert {_mode(folder / name) for name in ("lock", "address.json", "server.log")} == {0o600}
    settings = json.loads((folder / "home/.letta/settings.json").read_text())
    assert settings["reflectionTrigger"] == "off"
    assert settings["permissions"] == {
        "deny": ["Bash", "exec_command", "Agent", "Task", "Workflow"],
        "allow": ["memory_replace"],
    }


async def test_without_a_model_a_stand_in_answers_and_says_so_in_every_reply(client: Client) -> None:
    talk = await new_talk(client)

    said = [
        await call(client, "send_message", conversation_id=talk, message=message)
        for message in ("What did I tell you?", "My name is Bo.", "What did I tell you?")
    ]

    assert [reply["status"] for reply in said] == ["completed"] * 3
    assert all(reply["text"].startswith(LABEL) for reply in said)
    endings = [reply["text"].partition("] ")[2] for reply in said]
    assert endings == ["You have not told me anything yet.", "You said: My name is Bo.", "You told me: My name is Bo."]


async def test_a_model_that_is_not_there_is_never_replaced_by_the_stand_in(client: Client) -> None:
    said = await failure(client, "create_agent", name="Ada", model="ollama/qwen3:8b")

    assert said.startswith("This Letta offers no model 'ollama/qwen3:8b', so no agent was made.")


async def test_two_of_us_share_one_and_the_second_goes_on_when_the_first_has_gone(folder: Path) -> None:
    """APP SERVER: two on the same files lose replies, so there is one at a time."""
    first = Client(build_server(own_settings(folder)), mode="legacy")
    async with Client(build_server(own_settings(folder)), mode="legacy") as second:
        async with first:
            talk = await new_talk(first)
            seen = await call(second, "list_agents")
            shared = await call(second, "send_message", conversation_id=talk, message="hello")
            running = servers_of(folder)
        for pid in running:
            wait_until_gone(pid, 5)
        alone = await call(second, "send_message", conversation_id=talk, message="again")
        now = servers_of(folder)

    assert [agent["name"] for agent in seen["agents"]] == ["Ada"]
    assert (shared["status"], alone["status"]) == ("completed", "completed")
    assert len(running) == len(now) == 2
    assert not running & now


async def test_two_that_begin_at_the_same_moment_share_one(folder: Path) -> None:
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client(build_server(own_settings(folder)))) for _ in range(3)]
        async with anyio.create_task_group() as group:
            for client in clients:
                group.start_soon(call, client, "list_agents")
        running = servers_of(folder)

    assert len(running) == 2


async def test_one_that_was_killed_in_mid_turn_comes_back_and_answers_anew(folder: Path) -> None:
    """APP SERVER: it does an unfinished message again by itself, which then stands there twice."""
    with open_model() as model_url:
        await set_up_model(folder, model_url)
        async with Client(build_server(own_settings(folder)), mode="legacy") as client:
            talk = await new_talk(client)
            await call(client, "send_message", conversation_id=talk, message="before")
            reply = await _broken(client, talk, lambda: kill(server_of(folder)))
            after = await call(client, "send_message", conversation_id=talk, message="after")

    assert (reply["status"], reply["text"]) == ("completed", "echo: one two three four five six")
    assert "may hold it more than once" in reply["next_step"]
    assert (after["status"], after["text"]) == ("completed", "echo: after")


async def test_one_whose_supervisor_was_killed_goes_with_it_and_comes_back(client: Client, folder: Path) -> None:
    talk = await new_talk(client)
    server = server_of(folder)
    (supervisor,) = servers_of(folder) - {server}

    kill(supervisor)
    wait_until_gone(server, 5)
    reply = await call(client, "send_message", conversation_id=talk, message="hello")

    assert reply["status"] == "completed"


async def test_one_that_answers_nothing_any_more_is_killed_and_started_anew(
    client: Client, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped rather than spinning: to those outside it is the same, and TERM does nothing."""
    talk = await new_talk(client)
    monkeypatch.setattr("letta_conv_mcp.letta.appserver_socket.ANSWER_SECONDS", 0.3)
    monkeypatch.setattr("letta_conv_mcp.letta.appserver_connections.SIGN_OF_LIFE_SECONDS", 0.3)
    stuck = server_of(folder)
    os.kill(stuck, signal.SIGSTOP)

    said = await failure(client, "list_agents")
    wait_until_gone(stuck, 5)
    monkeypatch.undo()
    reply = await call(client, "send_message", conversation_id=talk, message="hello")

    assert said.endswith("Nothing was changed; it is safe to try again.")
    assert reply["status"] == "completed"


async def test_one_that_lost_a_turn_with_both_connections_is_started_anew(folder: Path) -> None:
    """APP SERVER: it cancels the turn, and the conversation would take no message any more."""
    with open_model() as model_url:
        await set_up_model(folder, model_url)
        async with (
            open_local(own_settings(folder)) as local,
            open_app(own_settings(folder), local.letta, Cancels()) as app,
        ):
            agent = await local.letta.create_agent(NewAgent(name="Ada"))
            talk = (await local.letta.create_conversation(NewConversation(agent_id=agent.id))).id
            before = server_of(folder)
            turn = app.hub.start(talk, LONG, tokens=True)
            seen = 0
            while not turn.draft.text:
                seen = await turn.news(seen)
            for socket in await local.letta._link._connections.opened():
                socket._connection.transport.abort()
            await turn.over.wait()
            reply = turn.reply()
            after = app.hub.start(talk, "after", tokens=False)
            await after.over.wait()

    assert before != 0
    assert (reply.status, reply.text) == ("completed", "echo: one two three four five six")
    assert "may hold it more than once" in str(reply.next_step)
    assert (after.reply().status, after.reply().text) == ("completed", "echo: after")


async def test_a_question_that_was_lost_with_the_server_is_put_again_and_answered(folder: Path) -> None:
    """APP SERVER: with its connections the question is gone; started anew it does the message again, and asks again."""
    with open_model() as model_url:
        await set_up_model(folder, model_url)
        settings = own_settings(folder, local_tools=("Write",))
        async with Client(build_server(settings), mode="legacy") as client:
            talk = await new_talk(client)
            about: dict[str, Any] = {"conversation_id": talk}
            message = '#tool Write {"file_path": "x", "content": "y"}'
            first = await call(client, "send_message", **about, message=message)
            server = server_of(folder)
            kill(server)
            await to_thread.run_sync(wait_until_gone, server, 5)
            # Whoever notices first is told to try again.
            while (await client.call_tool("list_agents", {})).is_error:
                pass
            again = await call(client, "wait_for_reply", **about)
            once_more = await call(client, "wait_for_reply", **about)
            ids = [approval["tool_call_id"] for approval in once_more["approvals"]]
            denied = await call(client, "answer_approval", **about, deny=ids, reason="not now")

    assert [reply["status"] for reply in (first, again, once_more)] == ["awaiting_approval"] * 3
    assert again["approvals"] == once_more["approvals"] != first["approvals"]
    assert (denied["status"], "not now" in denied["text"]) == ("completed", True)


async def test_one_that_is_stuck_while_nothing_goes_on_is_started_anew(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connections are lost in the meantime, for want of answers to their pings, and no new one can be had."""
    monkeypatch.setattr("letta_conv_mcp.letta.appserver_socket.CONNECT_SECONDS", 0.5)
    async with open_local(own_settings(folder)) as local:
        await local.letta.agents(limit=1)
        stuck = server_of(folder)
        os.kill(stuck, signal.SIGSTOP)
        for socket in await local.letta._link._connections.opened():
            socket._connection.transport.abort()
            await socket._connection.wait_closed()

        with pytest.raises(LettaUnavailable):
            await local.letta.agents(limit=1)
        agents = await local.letta.agents(limit=1)
        now = server_of(folder)

    assert agents == []
    assert now != stuck


async def test_a_folder_that_is_deleted_ends_its_server_before_another_can_be_made(
    client: Client, folder: Path
) -> None:
    """Who deletes it wants to begin anew; a server that went on would write to it beside the new one."""
    await call(client, "list_agents")
    before = servers_of(folder)
    shutil.rmtree(folder)
    for pid in before:
        await to_thread.run_sync(wait_until_gone, pid, 10)
    agents = await call(client, "list_agents")

    assert agents["agents"] == []


async def test_nothing_goes_on_in_the_background_however_long_it_is_talked_to(folder: Path) -> None:
    """APP SERVER: by default every 25 steps another agent with a shell thinks the conversation over, unseen."""
    with open_model() as model_url:
        await set_up_model(folder, model_url)
        async with Client(build_server(own_settings(folder)), mode="legacy") as client:
            talk = await new_talk(client)
            for number in range(STEPS):
                await call(client, "send_message", conversation_id=talk, message=f"step {number}")
            agents = await call(client, "list_agents")
            asked = prompts_of(model_url)

    assert [prompt["text"] for prompt in asked] == [f"step {number}" for number in range(STEPS)]
    assert {tuple(prompt["tool_names"]) for prompt in asked} == {("memory_replace",)}
    assert len(agents["agents"]) == 1
    stored = [json.loads(path.read_text()) for path in (folder / "store/agents").glob("*.json")]
    assert len(stored) == 1


async def test_without_git_it_is_not_started(folder: Path, tmp_path: Path) -> None:
    """APP SERVER: it starts, and fails at the first agent."""
    settings = own_settings(folder, local_environment={"PATH": str(tmp_path)})
    async with Client(build_server(settings)) as client:
        said = await failure(client, "list_agents")

    assert said == (
        "Letta can't be started on this machine: it needs git, which is not installed or not on the PATH. Nothing was "
        "sent; ask the person to put that right, then it is safe to try again."
    )
    assert processes_of(folder) == {}


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """APP SERVER: it starts, and spins for ever at the first agent."""
    (tmp_path / "file").write_text("")
    async with Client(build_server(own_settings(tmp_path / "file" / "letta"))) as client:
        said = await failure(client, "list_agents")

    assert f"its folder {tmp_path}/file/letta can't be made or written (Not a directory)." in said


async def test_a_disk_with_too_little_room_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("letta_conv_mcp.local.folder.LEAST_FREE", shutil.disk_usage("/").total * 100)
    async with Client(build_server(own_settings(folder))) as client:
        said = await failure(client, "list_agents")

    assert f"MB are free on the disk of {folder}." in said
    assert processes_of(folder) == {}


async def test_what_a_full_disk_left_half_made_does_not_keep_it_from_starting(folder: Path) -> None:
    """APP SERVER: it begins the file of a new agent, fails to write it, and never starts again."""
    async with Client(build_server(own_settings(folder))) as client:
        talk = await new_talk(client)
    (folder / "store/agents/bm9ib2R5.json").touch()
    begun = folder / "store/conversations/bm9uZQ"
    begun.mkdir()
    (begun / "conversation.json").touch()
    async with Client(build_server(own_settings(folder))) as client:
        reply = await call(client, "send_message", conversation_id=talk, message="hello")
        agents = await call(client, "list_agents")

    assert reply["status"] == "completed"
    assert [agent["name"] for agent in agents["agents"]] == ["Ada"]


async def test_a_program_that_ends_at_once_is_told_with_where_it_said_why(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = folder.with_name("program.py")
    program.write_text("raise SystemExit('no such luck')")
    monkeypatch.setattr("letta_conv_mcp.local.child.LAUNCHER", program)
    async with Client(build_server(own_settings(folder))) as client:
        said = await failure(client, "list_agents")

    assert f"its program ended at once; {folder}/server.log has what it said." in said
    assert (folder / "server.log").read_text() == "no such luck\n"


async def test_a_lock_without_an_address_is_named(
    client: Client, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as of one of us that was stopped while it started its server."""
    await call(client, "list_agents")
    LocalFolder(folder).address.unlink()
    monkeypatch.setattr("letta_conv_mcp.local.server.OTHER_SECONDS", 0.5)
    async with Client(build_server(own_settings(folder))) as other:
        said = await failure(other, "list_agents")

    assert f"another program holds {folder} and says not where its server listens." in said


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


async def _broken(client: Client, talk: str, then: Callable[[], None]) -> dict[str, Any]:
    """The reply to a message when something happens after its first words."""
    replies: list[dict[str, Any]] = []
    progress = Progress()

    async def send() -> None:
        replies.append(await call(client, "send_message", progress, conversation_id=talk, message=LONG))

    async with anyio.create_task_group() as group:
        group.start_soon(send)
        await progress.until("echo: one")
        then()
    return replies[0]
