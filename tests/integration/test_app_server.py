"""What becomes of a turn on a Letta App Server when it, its model or a wire breaks, and what else is peculiar to it.

All else is tested by the tests that ask for a `place`. Every App Server here is a real one.
"""

import json
import random
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from socket import create_server
from threading import Thread
from typing import Any

import anyio
import anyio.to_thread
import pytest
from mcp import Client
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from letta_conv_mcp.letta.opening import open_letta
from letta_conv_mcp.server import build_server
from letta_conv_mcp.settings import Settings
from tests.fake import FakeLetta
from tests.integration.calls import Progress, call, failure
from tests.seeds import new_seeds
from tests.stack.app_rig import AppRig, open_app_rig
from tests.stack.app_server import open_app_server
from tests.stack.cutter import Cutter, open_cutter, place_of

pytestmark = [pytest.mark.anyio, pytest.mark.real_letta]

LONG = "#drip 0.2 one two three four five six"


@pytest.fixture
def wire(app_rig: AppRig) -> Iterator[Cutter]:
    with open_cutter(app_rig.server.address) as cutter:
        yield cutter


@pytest.fixture
async def client(wire: Cutter) -> AsyncIterator[Client]:
    """A host before our server before a wire that can be cut."""
    async with Client(build_server(Settings(base_url=wire.address)), mode="legacy") as connected:
        yield connected


@pytest.fixture
def talk(app_rig: AppRig) -> str:
    return app_rig.make_conversation(app_rig.agent_id)


async def test_a_failing_model_is_a_failed_reply_and_the_message_is_known_to_be_kept(
    client: Client, app_rig: AppRig, talk: str
) -> None:
    reply = await call(client, "send_message", conversation_id=talk, message="#http 401 hello")

    assert (reply["status"], reply["stop_reason"]) == ("failed", "error")
    assert reply["next_step"] == (
        "The agent's model failed. Some of it may be kept: call get_history before you send anything again."
    )
    assert app_rig.said_by_user(talk) == ["#http 401 hello"]


async def test_what_a_repeated_message_said_the_first_time_is_not_said_twice(
    client: Client, app_rig: AppRig, talk: str
) -> None:
    """APP SERVER: it puts a message to a model that breaks off four times in all, and keeps it each time."""
    reply = await call(client, "send_message", Progress(), conversation_id=talk, message="#cut 2 one two three")

    assert (reply["status"], reply["stop_reason"], reply["text"]) == ("failed", "llm_api_error", "echo: one ")
    assert "may hold it more than once" in reply["next_step"]
    assert app_rig.said_by_user(talk) == ["#cut 2 one two three"] * 4


async def test_one_lost_connection_costs_nothing_and_is_replaced(
    client: Client, app_rig: AppRig, wire: Cutter, talk: str
) -> None:
    for number in range(3):
        replies, progress = await _begun(client, talk, f"{LONG} {number}", partial(_cut, wire, 1))

        assert progress.lines
        assert (replies[0]["status"], replies[0]["text"]) == (
            "completed",
            f"echo: one two three four five six {number}",
        )
        await anyio.to_thread.run_sync(wire.wait_for, 2)

    assert len(app_rig.said_by_user(talk)) == 3


async def test_a_reply_that_another_client_keeps_alive_comes_whole(
    client: Client, app_rig: AppRig, wire: Cutter, talk: str
) -> None:
    """Its middle was said while nobody of ours listened; the history has it."""
    app_rig.join(talk)

    replies, _ = await _begun(client, talk, LONG, partial(_cut, wire, 2))

    assert (replies[0]["status"], replies[0]["text"]) == ("completed", "echo: one two three four five six")
    assert replies[0]["next_step"] is None


async def test_a_reply_whose_connections_are_all_lost_is_interrupted_and_its_conversation_is_named_as_stuck(
    client: Client, app_rig: AppRig, wire: Cutter, talk: str
) -> None:
    """APP SERVER: it cancels the turn, forgets it, and takes it for active until it is restarted."""
    replies, _ = await _begun(client, talk, LONG, partial(_cut, wire, 2))
    stuck = await call(client, "send_message", conversation_id=talk, message="after")
    elsewhere = await call(
        client, "send_message", conversation_id=app_rig.make_conversation(app_rig.agent_id), message="hello"
    )

    assert replies[0]["status"] == "interrupted"
    assert "may be cut" in replies[0]["next_step"]
    assert stuck["status"] == "failed"
    assert "Yours was NOT sent. Ask the person to restart the App Server" in stuck["next_step"]
    assert app_rig.said_by_user(talk) == [LONG]
    assert elsewhere["status"] == "completed"


@pytest.mark.parametrize("seed", new_seeds("cuts", 1), ids=lambda seed: f"seed={seed}")
async def test_whenever_connections_are_cut_no_message_is_doubled_and_no_ending_dressed_up(
    client: Client, app_rig: AppRig, wire: Cutter, seed: int
) -> None:
    chance = random.Random(seed)
    for _ in range(12):
        conversation_id = app_rig.make_conversation(app_rig.agent_id)
        whole = f"echo: one two three {conversation_id}"
        arguments = {"conversation_id": conversation_id, "message": f"#drip 0.05 one two three {conversation_id}"}
        replies: list[dict[str, Any]] = []

        async def send(arguments: dict[str, Any] = arguments, replies: list[dict[str, Any]] = replies) -> None:
            replies.append(await call(client, "send_message", **arguments))

        async with anyio.create_task_group() as group:
            group.start_soon(send)
            await anyio.sleep(chance.uniform(0, 0.4))
            wire.cut(chance.choice((1, 1, 2)))

        assert replies[0]["status"] in ("completed", "interrupted"), replies
        if replies[0]["status"] == "completed":
            assert replies[0]["text"] == whole
        assert len(app_rig.said_by_user(conversation_id)) <= 1


async def test_a_server_that_dies_and_comes_back_answers_anew_and_the_reply_says_so(tmp_path: Path) -> None:
    """APP SERVER: it does an unfinished message again by itself, which then stands there twice."""
    with open_app_rig(tmp_path) as rig, open_cutter(rig.server.address) as wire:
        async with Client(build_server(Settings(base_url=wire.address)), mode="legacy") as client:
            conversation_id = rig.make_conversation(rig.agent_id)
            before = await call(client, "send_message", conversation_id=conversation_id, message="before")

            async def die_and_come_back() -> None:
                rig.server.kill()
                server = await anyio.to_thread.run_sync(revived.__enter__)
                wire.upstream = place_of(server.address)

            revived = open_app_server(tmp_path)
            replies, _ = await _begun(client, conversation_id, LONG, die_and_come_back)
            after = await call(client, "send_message", conversation_id=conversation_id, message="after")
            page = await call(client, "get_history", conversation_id=conversation_id, types=["user_message"])
            revived.__exit__(None, None, None)

    assert before["status"] == "completed"
    assert (replies[0]["status"], replies[0]["text"]) == ("completed", "echo: one two three four five six")
    assert "may hold it more than once" in replies[0]["next_step"]
    assert (after["status"], after["text"]) == ("completed", "echo: after")
    assert [message["text"] for message in page["messages"]] == ["before", LONG, LONG, "after"]


async def test_an_agent_is_looked_for_by_its_name_and_not_by_its_id(client: Client, app_rig: AppRig) -> None:
    """APP SERVER: it finds a text in ids too."""
    agent_id = app_rig.make_agent("Zoe")
    part_of_id = agent_id.rpartition("-")[2]

    by_id = await call(client, "list_agents", query=part_of_id)
    by_name = await call(client, "list_agents", query="zO")

    assert by_id["agents"] == []
    assert [agent["id"] for agent in by_name["agents"]] == [agent_id]


async def test_conversations_that_were_let_go_of_are_taken_up_again(
    client: Client, app_rig: AppRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("letta_conv_mcp.letta.appserver_link.KEPT_TALKS", 2)
    talks = [app_rig.make_conversation(app_rig.agent_id) for _ in range(5)]

    first = [await call(client, "send_message", conversation_id=talk, message="one") for talk in talks]
    second = [await call(client, "send_message", conversation_id=talk, message="two") for talk in talks]

    assert [reply["text"] for reply in (*first, *second)] == ["echo: one"] * 5 + ["echo: two"] * 5


async def test_a_reader_that_pages_while_the_conversation_is_compacted_gets_each_message_once_and_ends(
    client: Client, app_rig: AppRig, talk: str
) -> None:
    """APP SERVER: a compaction takes messages out of the list, and an unknown cursor begins the list again."""
    for number in range(14):
        await call(client, "send_message", conversation_id=talk, message=f"message {number}")
    page = await call(client, "get_history", conversation_id=talk, limit=6)
    seen = [page["messages"]]
    compacted = app_rig.ask("conversation_compact", conversation_id=talk, body={})["compaction"]
    while page["older_cursor"] is not None:
        page = await call(client, "get_history", conversation_id=talk, limit=6, before=page["older_cursor"])
        seen.append(page["messages"])
        assert len(seen) < 10

    # The summary stands beside what was said in the same second.
    pages = [[message for message in messages if message["type"] != "summary_message"] for messages in reversed(seen)]
    ids = [message["id"] for messages in pages for message in messages]
    left = compacted["num_messages_after"] - 1
    assert left < compacted["num_messages_before"]
    assert ids == [f"ui-msg-{number}" for number in _numbers_before(ids[-1], left)]


async def test_another_version_of_the_protocol_is_refused_in_so_many_words() -> None:
    with answering({"app_server_info": {"success": True, "protocol_version": 2}}) as address:
        async with Client(build_server(Settings(base_url=address))) as client:
            said = await failure(client, "list_agents")

    assert "speaks version 2 of its protocol, and this program only version 1" in said


async def test_a_request_that_is_never_answered_runs_into_a_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("letta_conv_mcp.letta.appserver_socket.ANSWER_SECONDS", 0.2)
    with answering({"app_server_info": {"success": True, "protocol_version": 1}}) as address:
        async with Client(build_server(Settings(base_url=address))) as client:
            said = await failure(client, "list_agents")

    assert "did not answer in time. Nothing was changed; it is safe to try again." in said


async def test_a_list_that_comes_in_parts_is_taken_as_one() -> None:
    """APP SERVER: so it tells of a large memory."""
    memory = [
        {"success": True, "done": done, "entries": [{"relative_path": f"{name}.md", "content": name}]}
        for name, done in (("human", False), ("persona", True))
    ]
    agent = {"success": True, "agent": {"id": "agent-1", "name": "Ada"}}
    info = {"success": True, "protocol_version": 1}
    with answering({"app_server_info": info, "agent_retrieve": agent, "list_memory": memory}) as address:
        async with open_letta(Settings(base_url=address)) as letta:
            blocks = await letta.memory_blocks("agent-1")

    assert [(block.label, block.value) for block in blocks] == [("human", "human"), ("persona", "persona")]


async def test_what_speaks_no_websocket_is_named_as_what_it_is_not(fake: FakeLetta) -> None:
    async with Client(build_server(Settings(base_url=fake.base_url.replace("http://", "ws://")))) as client:
        said = await failure(client, "list_agents")

    assert "is not a Letta." in said


async def test_a_connection_that_closes_before_it_is_open_says_nothing_of_who_is_there() -> None:
    """A server that is about to end, or a wire that is cut just then."""
    with create_server(("127.0.0.1", 0)) as listener:

        def close_each() -> None:
            with suppress(OSError):
                while True:
                    listener.accept()[0].close()

        Thread(target=close_each, daemon=True).start()
        address = f"ws://127.0.0.1:{listener.getsockname()[1]}"
        async with Client(build_server(Settings(base_url=address))) as client:
            said = await failure(client, "list_agents")

    assert "Nothing was changed; it is safe to try again." in said


@contextmanager
def answering(answers: Mapping[str, dict[str, Any] | list[dict[str, Any]]]) -> Generator[str]:
    """The address of something that answers these requests so, and no others: what no App Server can be made to do."""

    def answer(connection: ServerConnection) -> None:
        try:
            for text in connection:
                frame = json.loads(text)
                found = answers.get(frame["type"]) or []
                for part in found if isinstance(found, list) else [found]:
                    kind = f"{frame['type']}_response"
                    connection.send(json.dumps({**part, "type": kind, "request_id": frame["request_id"]}))
        except ConnectionClosed:
            return

    with serve(answer, "127.0.0.1", 0) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()


def _numbers_before(newest: str, count: int) -> range:
    """The numbers of so many messages, up to the newest."""
    last = int(newest.removeprefix("ui-msg-"))
    return range(last - count + 1, last + 1)


async def _cut(wire: Cutter, count: int) -> None:
    await anyio.to_thread.run_sync(wire.wait_for, 2)
    wire.cut(count)


async def _begun(
    client: Client, conversation_id: str, message: str, then: Callable[[], Any]
) -> tuple[list[dict[str, Any]], Progress]:
    """The reply to a message when something happens after its first words, and the progress."""
    replies: list[dict[str, Any]] = []
    progress = Progress()

    async def send() -> None:
        arguments = {"conversation_id": conversation_id, "message": message}
        replies.append(await call(client, "send_message", progress, **arguments))

    async with anyio.create_task_group() as group:
        group.start_soon(send)
        await progress.until("echo: one")
        await then()
    return replies, progress
