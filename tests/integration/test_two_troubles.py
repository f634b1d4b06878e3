"""Two troubles at once: a fault in the middle of coping with another. Played by the fake; counted in it."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
import httpx
import pytest
from mcp import Client

from letta_conv_mcp.app import App, open_app
from letta_conv_mcp.cancels import Cancels
from letta_conv_mcp.letta.outgoing import Said
from letta_conv_mcp.letta.port import Run
from letta_conv_mcp.letta.rest import RestLetta
from letta_conv_mcp.server import build_server
from letta_conv_mcp.settings import Settings
from letta_conv_mcp.turns.decisions import Verdict
from letta_conv_mcp.views import Approval
from tests.fake import Answer, Close, Cut, FakeLetta, steps
from tests.fake.seed import TOOLS
from tests.fake.state import Conversation
from tests.integration.calls import Progress, call, heard, held, posts

pytestmark = pytest.mark.anyio

PING_WITHOUT_RUN = b'data: {"message_type":"ping"}\n\n'
ERROR_WITHOUT_RUN = b'event: error\ndata: {"message_type":"error_message","error_type":"internal_error"}\n\n'
STREAM = {"content-type": "text/event-stream"}


@asynccontextmanager
async def app_before(fake: FakeLetta, letta: RestLetta | None = None) -> AsyncGenerator[App]:
    """The house without a host."""
    settings = Settings(base_url=fake.base_url)
    async with open_app(settings, letta or RestLetta(fake.base_url), Cancels()) as app:
        yield app


@pytest.fixture
async def app(fake: FakeLetta) -> AsyncIterator[App]:
    async with app_before(fake) as opened:
        yield opened


@pytest.fixture
def guarded(fake: FakeLetta) -> Conversation:
    """A conversation of an agent with a tool that needs approval."""
    return fake.add_conversation(fake.add_agent("Ada", tools=TOOLS))


async def seen(fake: FakeLetta, path: str, times: int = 1) -> None:
    """Until so many posts to a path have come."""
    await anyio.to_thread.run_sync(fake.wait_until, lambda: len(fake.requests_to("POST", path)) >= times)


async def test_a_reply_with_words_missing_is_never_called_whole(
    fake: FakeLetta, fake_client: Client, talk: Conversation
) -> None:
    """Redis restarts while a stream is picked up, so its middle is gone; what Letta stored can't be read at first."""
    fake.fail("POST", "*/messages", Cut(3))
    unreachable = fake.fail("POST", "*/runs/*/stream", Answer(503, {}), times=None)
    fake.fail("GET", "*/runs/*/messages", Answer(500, {}), times=None)
    message = "#hold gap@4 one two three four five six"
    replies: list[dict[str, object]] = []

    async def send() -> None:
        arguments = {"conversation_id": talk.id, "message": message}
        replies.append(await call(fake_client, "send_message", Progress(), **arguments))

    async with anyio.create_task_group() as group:
        group.start_soon(send)
        await held(fake, "gap")
        await seen(fake, "*/runs/*/stream")
        fake.restart_redis()
        fake.gate.rules.remove(unreachable)
        await seen(fake, "*/runs/*/stream", 2)
        fake.release("gap")
    fake.heal()

    later = await call(fake_client, "wait_for_reply", conversation_id=talk.id)

    assert replies[0]["status"] == "interrupted"
    assert (later["status"], later["text"]) == ("completed", "echo: one two three four five six")


@pytest.mark.parametrize("first", [PING_WITHOUT_RUN, ERROR_WITHOUT_RUN], ids=["ping", "error"])
async def test_an_answer_that_names_no_run_is_no_answer(
    fake: FakeLetta, fake_client: Client, talk: Conversation, first: bytes
) -> None:
    """Letta's first frame names the run; without it nothing could be found again."""
    fake.fail("POST", "*/messages", Answer(200, first, STREAM))

    reply = await call(fake_client, "send_message", conversation_id=talk.id, message="hello")

    assert (reply["status"], reply["text"]) == ("completed", "echo: hello")
    assert (posts(fake), heard(fake, talk.id)) == (2, ["hello"])


@pytest.mark.parametrize("path", ["*/messages", "*/runs/*/stream"])
async def test_an_error_whose_text_breaks_off_is_an_error_like_others(
    fake: FakeLetta, fake_client: Client, talk: Conversation, path: str
) -> None:
    """letta-client lets httpx's own exception through then."""
    if path != "*/messages":
        fake.fail("POST", "*/messages", Cut(3))
    fake.fail("POST", path, Answer(502, b"<html>Bad Gateway", is_cut=True))

    reply = await call(
        fake_client, "send_message", Progress(), conversation_id=talk.id, message="#drip 0.1 one two three four"
    )

    assert (reply["status"], reply["text"]) == ("completed", "echo: one two three four")
    assert heard(fake, talk.id) == ["#drip 0.1 one two three four"]


async def test_an_answer_that_is_no_stream_holds_no_connection(fake: FakeLetta, talk: Conversation) -> None:
    letta = RestLetta(fake.base_url)
    for _ in range(3):
        fake.fail("POST", "*/messages", Answer(200, b"x" * 100_000, {"content-type": "text/html"}))
        with pytest.raises(Exception, match="gave an answer that can't be read"):
            await letta.open_turn(talk.id, Said(text="hello"), "otid", tokens=False).__aenter__()

    assert fake.requests_to("POST", "*/messages")[0].state == "answered"
    assert await _open_connections(letta) == 0


async def test_a_message_of_unclear_fate_is_not_sent_again_once_it_is_to_be_stopped(
    fake: FakeLetta, app: App, talk: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The person pressed Stop before it was known whether Letta had the message."""
    monkeypatch.setattr("letta_conv_mcp.turns.sender.UNCLEAR_SECONDS", 2.0)
    fake.fail("POST", "*/messages", Close())
    turn = app.hub.start(talk.id, "hello", tokens=False)
    seen = 0
    while turn.stage != "unclear":
        seen = await turn.news(seen)

    app.hub.stop_soon(turn)
    await turn.over.wait()

    assert turn.reply().status == "interrupted"
    assert (posts(fake), heard(fake, talk.id)) == (1, [])


async def test_a_short_wait_does_not_take_back_what_another_call_waits_for(
    fake: FakeLetta, fake_client: Client, talk: Conversation
) -> None:
    """Another client holds the conversation; one of our callers is more patient than the other."""
    replies: dict[str, dict[str, object]] = {}

    async def send() -> None:
        replies["patient"] = await call(fake_client, "send_message", conversation_id=talk.id, message="mine")

    async with httpx.AsyncClient(base_url=fake.base_url, timeout=30) as other, anyio.create_task_group() as group:
        body = {"messages": [{"role": "user", "content": "#hold other theirs"}]}
        group.start_soon(partial(other.post, f"/v1/conversations/{talk.id}/messages", json=body))
        await held(fake, "other")
        group.start_soon(send)
        await seen(fake, "*/messages", 2)
        replies["short"] = await call(fake_client, "wait_for_reply", conversation_id=talk.id, wait_seconds=0.1)
        fake.release("other")

    assert replies["short"]["status"] == "running"
    assert (replies["patient"]["status"], replies["patient"]["text"]) == ("completed", "echo: mine")


async def test_an_exception_while_a_run_is_stopped_does_not_end_the_server(fake: FakeLetta, talk: Conversation) -> None:
    class Broken(RestLetta):
        tried = anyio.Event()

        async def cancel_run(self, run: Run) -> None:
            self.tried.set()
            raise RuntimeError(run.id)

    async with app_before(fake, Broken(fake.base_url)) as app:
        turn = app.hub.start(talk.id, "#hold key hello", tokens=False)
        await held(fake, "key")
        app.hub.stop_soon(turn)
        await Broken.tried.wait()
        fake.release("key")
        await turn.over.wait()

        assert turn.reply().status == "completed"


async def test_a_decision_that_breaks_before_it_is_sent_says_so(fake: FakeLetta, talk: Conversation) -> None:
    class Broken(RestLetta):
        async def pending_approvals(self, conversation_id: str) -> list[Approval]:
            raise RuntimeError(conversation_id)

    async with app_before(fake, Broken(fake.base_url)) as app:
        turn = app.hub.start(talk.id, Verdict(approve=("call-1",)), tokens=False)
        await turn.over.wait()
        reply = turn.reply()

    assert reply.status == "interrupted"
    assert "NOT sent" in str(reply.next_step)
    assert "safe to send it again" in str(reply.next_step)


async def test_an_earlier_answer_to_a_call_of_the_same_id_is_not_taken_for_the_later_one(
    fake: FakeLetta, fake_client: Client, guarded: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Models number their calls anew in every run; the answer to the second call is lost on its way."""
    monkeypatch.setattr(steps, "uuid4", lambda: _SameEveryTime())
    for fault in (None, Answer(502, b"<html>", {"content-type": "text/html"})):
        asked = await call(
            fake_client, "send_message", conversation_id=guarded.id, message="#tool delete_everything {}"
        )
        if fault:
            fake.fail("POST", "*/messages", fault)
        ids = [approval["tool_call_id"] for approval in asked["approvals"]]
        reply = await call(fake_client, "answer_approval", conversation_id=guarded.id, approve=ids)
        seen = await call(fake_client, "retrieve_conversation", conversation_id=guarded.id)

        assert reply["status"] == "completed"
        assert seen["approvals"] == []

    assert [run.status for run in fake.runs] == ["completed"] * 4


async def test_a_decision_whose_run_died_can_be_given_again(
    fake: FakeLetta, fake_client: Client, guarded: Conversation
) -> None:
    """Letta loses its database as the approved tool is to run: the run stays active for ever, and keeps its otid."""
    asked = await call(fake_client, "send_message", conversation_id=guarded.id, message="#tool delete_everything {}")
    ids = [approval["tool_call_id"] for approval in asked["approvals"]]
    fake.lose_database()

    first = await call(fake_client, "answer_approval", conversation_id=guarded.id, approve=ids)
    await call(fake_client, "cancel_reply", conversation_id=guarded.id)
    between = await call(fake_client, "retrieve_conversation", conversation_id=guarded.id)
    second = await call(fake_client, "answer_approval", conversation_id=guarded.id, approve=ids)
    after = await call(fake_client, "retrieve_conversation", conversation_id=guarded.id)

    assert first["status"] == "failed"
    assert "NOT sent" not in first["next_step"]
    assert [approval["tool_call_id"] for approval in first["approvals"]] == ids
    assert [approval["tool_call_id"] for approval in between["approvals"]] == ids
    assert second["status"] == "completed"
    assert after["approvals"] == []


async def test_an_agents_own_thread_is_found_behind_its_many_other_runs(fake: FakeLetta, talk: Conversation) -> None:
    """LETTA: nothing is found by the thread's own id, so the agent's runs are looked through."""
    thread = f"default:{talk.agent_id}"
    async with Client(build_server(Settings(base_url=fake.base_url))) as client:
        await call(client, "send_message", conversation_id=thread, message="hello")
    async with httpx.AsyncClient(base_url=fake.base_url, timeout=30) as other:
        for _ in range(101):
            body = {"messages": [{"role": "user", "content": "x"}]}
            (await other.post(f"/v1/conversations/{talk.id}/messages", json=body)).raise_for_status()

    async with Client(build_server(Settings(base_url=fake.base_url))) as client:
        reply = await call(client, "wait_for_reply", conversation_id=thread)

    assert (reply["status"], reply["text"]) == ("completed", "echo: hello")


async def _open_connections(letta: RestLetta) -> int:
    """How many of its connections are in use, by httpx's own account."""
    transport: Any = (await letta._connection._connected())._client._transport
    return sum(not connection.is_idle() and not connection.is_closed() for connection in transport._pool.connections)


class _SameEveryTime:
    hex = "0" * 32


async def test_a_model_that_fails_beside_a_question_is_a_failure_that_names_the_question() -> None:
    """Letta: without Redis nothing keeps two runs of one conversation apart. The message was sent, and not refused."""
    replies: list[dict[str, Any]] = []
    with FakeLetta(redis=False) as fake:
        talk = fake.add_conversation(fake.add_agent("Ada", tools=TOOLS))
        server = build_server(Settings(base_url=fake.base_url))
        async with Client(server) as one, Client(server) as other, anyio.create_task_group() as group:

            async def send(client: Client, message: str) -> None:
                replies.append(await call(client, "send_message", conversation_id=talk.id, message=message))

            group.start_soon(send, one, "#hold asks #tool delete_everything {}")
            await held(fake, "asks")
            group.start_soon(send, other, "#hold fails #http 500 hello")
            await held(fake, "fails")
            fake.release("asks")
            await anyio.to_thread.run_sync(fake.wait_until, lambda: talk.thread.pending is not None)
            fake.release("fails")
        async with Client(server) as stranger:
            latest = await call(stranger, "wait_for_reply", conversation_id=talk.id)

    asked, failed = sorted(replies, key=lambda reply: reply["status"])
    assert (asked["status"], failed["status"], latest["status"]) == ("awaiting_approval", "failed", "failed")
    assert asked["approvals"] == failed["approvals"] == latest["approvals"] != []
    assert failed["run_id"] == latest["run_id"] != asked["run_id"]
    for reply in (failed, latest):
        assert reply["next_step"].startswith("The agent's model failed. The agent may not go on before the person")
