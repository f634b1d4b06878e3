"""A message gets in once, whatever happens on the way. Counted in Letta, not in us. Faults are played by the fake."""

from collections.abc import AsyncIterator
from functools import partial

import anyio
import pytest
from mcp import Client

from letta_conv_mcp.app import open_app
from letta_conv_mcp.cancels import Cancels
from letta_conv_mcp.letta.rest import RestLetta
from letta_conv_mcp.server import build_server
from letta_conv_mcp.settings import Settings
from letta_conv_mcp.turns.memories import REFRESH_SECONDS
from tests.fake import Answer, Close, Cut, FakeLetta, Garbage
from tests.fake.faults import Fault, Hang
from tests.fake.state import Conversation
from tests.integration.calls import Progress, call, failure, heard, held, posts

pytestmark = pytest.mark.anyio

GIF = "data:image/gif;base64,R0lGODlhAQABAAAAACw="
UNCLEAR = [
    Close(),
    Close(is_received=True),
    Close(by_reset=True),
    Close(is_received=True, by_reset=True),
    Answer(500, {}),
    Answer(502, b"<html>Bad Gateway</html>", {"content-type": "text/html"}),
    Answer(503, {}),
    Answer(504, {}),
    Answer(200, {"welcome": True}),
    Cut(0),
    Cut(0, into_bytes=9),
    Garbage(b"data: {broken\n\n"),
]


@pytest.fixture
async def no_redis() -> AsyncIterator[FakeLetta]:
    with FakeLetta(redis=False) as letta:
        yield letta


@pytest.fixture
async def plain_talk(no_redis: FakeLetta) -> Conversation:
    return no_redis.add_conversation(no_redis.add_agent("Ada"))


@pytest.fixture
async def plain_client(no_redis: FakeLetta, plain_talk: Conversation) -> AsyncIterator[Client]:
    """A host before a Letta without Redis, which knows so already."""
    async with Client(build_server(Settings(base_url=no_redis.base_url)), mode="legacy") as client:
        await call(client, "send_message", conversation_id=plain_talk.id, message="before")
        yield client


@pytest.mark.parametrize("fault", UNCLEAR)
@pytest.mark.parametrize("times", [1, 3])
async def test_a_message_of_unclear_fate_is_sent_again_under_the_same_otid_until_it_is_answered(
    fake: FakeLetta, fake_client: Client, talk: Conversation, fault: Fault, times: int
) -> None:
    """LETTA: the same otid and body lead to the one run."""
    fake.fail("POST", "*/messages", fault, times=times)

    reply = await call(fake_client, "send_message", conversation_id=talk.id, message="hello")

    assert (reply["status"], reply["text"]) == ("completed", "echo: hello")
    assert heard(fake, talk.id) == ["hello"]
    first, *others = [seen.body for seen in fake.requests_to("POST", "*/messages")]
    assert all(body == first for body in others)


async def test_a_repeat_waits_as_long_as_letta_asks(fake: FakeLetta, fake_client: Client, talk: Conversation) -> None:
    fake.fail("POST", "*/messages", Answer(503, {}, {"retry-after": "1"}))
    began = anyio.current_time()

    reply = await call(fake_client, "send_message", conversation_id=talk.id, message="hello")

    assert reply["status"] == "completed"
    assert anyio.current_time() - began >= 1


@pytest.mark.parametrize(
    "fault",
    [
        Answer(429, {}, {"retry-after": "0.2"}),
        Answer(429, {}),
        Answer(503, {"errorCode": "cloud_api_shutting_down", "admitted": False, "retryable": True}),
    ],
)
async def test_a_message_that_was_surely_not_taken_goes_again(
    fake: FakeLetta, fake_client: Client, talk: Conversation, fault: Fault
) -> None:
    fake.fail("POST", "*/messages", fault)

    reply = await call(fake_client, "send_message", conversation_id=talk.id, message="hello")

    assert (reply["status"], reply["text"]) == ("completed", "echo: hello")
    assert posts(fake) == 2


async def test_a_message_that_is_never_taken_is_an_error_after_a_few_tries(
    fake: FakeLetta, fake_client: Client, talk: Conversation
) -> None:
    fake.fail("POST", "*/messages", Answer(503, {"admitted": False}), times=None)

    said = await failure(fake_client, "send_message", conversation_id=talk.id, message="hello")

    assert said.endswith("Nothing was changed; it is safe to try again.")
    assert posts(fake) == 4
    assert heard(fake, talk.id) == []


async def test_a_quota_is_not_tried_again(fake: FakeLetta, fake_client: Client, talk: Conversation) -> None:
    fake.fail("POST", "*/messages", Answer(429, {"reasons": ["not-enough-credits"]}), times=None)

    said = await failure(fake_client, "send_message", conversation_id=talk.id, message="hello")

    assert "out of credits" in said
    assert posts(fake) == 1


async def test_what_a_repeat_is_refused_with_says_nothing_about_the_first_time(
    fake: FakeLetta, fake_client: Client, talk: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first attempt was received, and every later one meets a closed door."""
    monkeypatch.setattr("letta_conv_mcp.turns.sender.UNCLEAR_SECONDS", 1.0)
    fake.fail("POST", "*/messages", Close())
    fake.fail("POST", "*/messages", Answer(401, {}), times=None)

    reply = await call(fake_client, "send_message", conversation_id=talk.id, message="hello")

    assert reply["status"] == "interrupted"
    assert "may have been received" in reply["next_step"]


async def test_a_message_of_unknown_fate_is_told_before_an_older_reply_is(
    fake: FakeLetta, fake_client: Client, talk: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("letta_conv_mcp.turns.sender.UNCLEAR_SECONDS", 0.5)
    await call(fake_client, "send_message", conversation_id=talk.id, message="first")
    fake.fail("POST", "*/messages", Close(), times=None)

    await call(fake_client, "send_message", conversation_id=talk.id, message="second", wait_seconds=0)
    told = await call(fake_client, "wait_for_reply", conversation_id=talk.id)

    assert (told["status"], told["in_reply_to"]) == ("interrupted", "second")


# Without Redis nothing knows an otid again


@pytest.mark.parametrize("fault", [Close(is_received=True), Close(is_received=True, by_reset=True), Cut(0)])
async def test_a_foreground_message_of_unclear_fate_is_looked_for_and_its_reply_found(
    no_redis: FakeLetta, plain_client: Client, plain_talk: Conversation, fault: Fault
) -> None:
    no_redis.fail("POST", "*/messages", fault)

    reply = await call(plain_client, "send_message", conversation_id=plain_talk.id, message="hello")

    assert (reply["status"], reply["text"]) == ("completed", "echo: hello")
    assert heard(no_redis, plain_talk.id) == ["before", "hello"]


@pytest.mark.parametrize("fault", [Close(), Answer(500, {}), Answer(502, b"<html>", {})])
async def test_a_foreground_message_that_cannot_be_found_is_never_sent_again(
    no_redis: FakeLetta,
    plain_client: Client,
    plain_talk: Conversation,
    fault: Fault,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("letta_conv_mcp.turns.sender.UNCLEAR_SECONDS", 1.0)
    before = posts(no_redis)
    no_redis.fail("POST", "*/messages", fault)

    reply = await call(plain_client, "send_message", conversation_id=plain_talk.id, message="hello")

    assert reply["status"] == "interrupted"
    assert "may have been received" in reply["next_step"]
    assert posts(no_redis) == before + 1
    assert heard(no_redis, plain_talk.id) == ["before"]


async def test_a_letta_that_lost_its_redis_between_two_attempts_is_not_sent_the_message_twice(
    fake: FakeLetta, fake_client: Client, talk: Conversation
) -> None:
    """LETTA: the otids are in Redis alone; after its restart the same otid would run a second time."""
    fake.fail("POST", "*/messages", Close(is_received=True))
    fake.fail("GET", "/v1/runs/*", Answer(503, {}, {"x-should-retry": "false"}))

    async with anyio.create_task_group() as group:
        group.start_soon(partial(call, fake_client, "send_message", conversation_id=talk.id, message="#hold key hello"))
        await held(fake, "key")
        fake.store.otids.clear()
        fake.store.locks.clear()
        fake.release("key")

    reply = await call(fake_client, "wait_for_reply", conversation_id=talk.id)
    assert (reply["status"], reply["text"]) == ("completed", "echo: hello")
    assert heard(fake, talk.id) == ["#hold key hello"]


# Another client's run


async def test_another_clients_run_is_waited_for_and_then_the_message_is_sent(
    fake: FakeLetta, talk: Conversation
) -> None:
    settings = Settings(base_url=fake.base_url)
    progress = Progress()
    async with Client(build_server(settings)) as one, Client(build_server(settings)) as other:
        await call(one, "send_message", conversation_id=talk.id, message="#hold key hello", wait_seconds=0)
        await held(fake, "key")
        async with anyio.create_task_group() as group:
            say = partial(call, other, "send_message", progress, conversation_id=talk.id, message="me too")
            group.start_soon(say)
            is_told = partial(progress.lines.__contains__, "waiting for another client's run to end")
            await anyio.to_thread.run_sync(fake.wait_until, is_told)
            fake.release("key")
        reply = await call(other, "wait_for_reply", conversation_id=talk.id)

    assert (reply["status"], reply["text"]) == ("completed", "echo: me too")
    assert heard(fake, talk.id) == ["#hold key hello", "me too"]


async def test_a_wait_for_another_clients_run_that_runs_out_says_that_nothing_was_sent(
    fake: FakeLetta, talk: Conversation
) -> None:
    settings = Settings(base_url=fake.base_url)
    async with Client(build_server(settings)) as one, Client(build_server(settings)) as other:
        await call(one, "send_message", conversation_id=talk.id, message="#hold key hello", wait_seconds=0)
        await held(fake, "key")
        blocked = await call(other, "send_message", conversation_id=talk.id, message="me too", wait_seconds=0.6)
        fake.release("key")
        ended = await call(other, "wait_for_reply", conversation_id=talk.id)

    assert (blocked["status"], blocked["text"], blocked["run_id"]) == ("running", "", ended["run_id"])
    assert blocked["next_step"].startswith("Your message was NOT sent")
    assert (ended["status"], ended["in_reply_to"]) == ("completed", "#hold key hello")
    assert heard(fake, talk.id) == ["#hold key hello"]


async def test_a_message_nobody_waits_for_gives_way_to_another_clients_run_after_a_while(
    fake: FakeLetta, talk: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("letta_conv_mcp.turns.sender.BUSY_SECONDS", 0.3)
    settings = Settings(base_url=fake.base_url)
    async with Client(build_server(settings)) as one, open_app(settings, RestLetta(fake.base_url), Cancels()) as app:
        await call(one, "send_message", conversation_id=talk.id, message="#hold key hello", wait_seconds=0)
        await held(fake, "key")
        turn = app.hub.start(talk.id, "me too", tokens=False)
        with anyio.fail_after(10):
            await turn.over.wait()
        fake.release("key")
        await call(one, "wait_for_reply", conversation_id=talk.id)

    assert turn.has_untold_trouble
    assert (turn.reply().status, (turn.reply().next_step or "")[:25]) == ("running", "Your message was NOT sent")
    assert heard(fake, talk.id) == ["#hold key hello"]


# Our own queue


async def test_a_message_that_waits_its_turn_says_so_and_is_read_when_it_comes(
    fake: FakeLetta, fake_client: Client, talk: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time in the queue is no silence of Letta's, however long."""
    monkeypatch.setattr("letta_conv_mcp.turns.reader.SILENT_SECONDS", 2)
    progress = Progress()
    await call(fake_client, "send_message", conversation_id=talk.id, message="#hold key first", wait_seconds=0)
    await held(fake, "key")

    queued = await call(
        fake_client, "send_message", progress, conversation_id=talk.id, message="second", wait_seconds=0.6
    )
    fake.release("key")
    reply = await call(fake_client, "wait_for_reply", conversation_id=talk.id)

    assert queued["status"] == "running"
    assert queued["next_step"].startswith("An earlier message in this conversation is still being answered")
    assert progress.lines[0] == "waiting for 1 earlier message in this conversation"
    assert (reply["status"], reply["text"], reply["in_reply_to"]) == ("completed", "echo: second", "second")
    assert heard(fake, talk.id) == ["#hold key first", "second"]


async def test_many_messages_to_one_conversation_arrive_in_their_order(
    no_redis: FakeLetta, plain_client: Client, plain_talk: Conversation
) -> None:
    """Without Redis our queue is the only order there is."""
    for number in range(8):
        await call(plain_client, "send_message", conversation_id=plain_talk.id, message=f"m{number}", wait_seconds=0)

    last = await call(plain_client, "wait_for_reply", conversation_id=plain_talk.id)

    assert last["in_reply_to"] == "m7"
    assert heard(no_redis, plain_talk.id) == ["before", *(f"m{number}" for number in range(8))]


async def test_turns_in_an_agents_own_thread_queue_too(no_redis: FakeLetta, plain_client: Client) -> None:
    agent = no_redis.add_agent("Bo")
    thread = f"default:{agent.id}"
    await call(plain_client, "send_message", conversation_id=thread, message="#hold key first", wait_seconds=0)
    await held(no_redis, "key")

    queued = await call(plain_client, "send_message", conversation_id=thread, message="second", wait_seconds=0)
    no_redis.release("key")
    reply = await call(plain_client, "wait_for_reply", conversation_id=thread)

    assert queued["next_step"].startswith("An earlier message")
    assert (reply["status"], reply["in_reply_to"]) == ("completed", "second")
    assert [message.text for message in agent.thread.messages if message.role == "user"] == [
        "#hold key first",
        "second",
    ]


async def test_a_message_gets_in_once_the_lock_of_a_dead_run_is_gone(
    fake: FakeLetta, talk: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LETTA: a run whose server was killed is `running` for ever, and its lock lasts 300 seconds."""
    monkeypatch.setattr("letta_conv_mcp.turns.sender.KNOCK_SECONDS", 0.2)
    settings = Settings(base_url=fake.base_url)
    async with Client(build_server(settings)) as one, Client(build_server(settings)) as other:
        await call(one, "send_message", conversation_id=talk.id, message="#hold key first", wait_seconds=0)
        await held(fake, "key")
        fake.kill()
        await call(other, "send_message", conversation_id=talk.id, message="second", wait_seconds=0)
        await anyio.to_thread.run_sync(fake.wait_until, lambda: posts(fake) > 2)
        fake.store.locks.clear()
        reply = await call(other, "wait_for_reply", conversation_id=talk.id)

    assert (reply["status"], reply["text"]) == ("completed", "echo: second")
    assert fake.runs[0].is_active


@pytest.mark.parametrize("fault", [Answer(500, {}), Answer(403, {}), Answer(404, {}), Close(), Hang()])
async def test_a_look_at_the_memory_that_fails_keeps_no_message_back(
    fake: FakeLetta, fake_client: Client, talk: Conversation, fault: Fault
) -> None:
    fake.fail("GET", f"/v1/agents/{talk.agent_id}", fault, times=None)
    with anyio.fail_after(REFRESH_SECONDS + 5):
        reply = await call(fake_client, "send_message", conversation_id=talk.id, message="hello")

    assert (reply["status"], reply["text"]) == ("completed", "echo: hello")
    assert heard(fake, talk.id) == ["hello"]


@pytest.mark.parametrize("fault", [Close(), Answer(502, {})])
async def test_a_message_with_an_image_and_options_is_repeated_word_for_word(
    fake: FakeLetta, fake_client: Client, talk: Conversation, fault: Fault
) -> None:
    """LETTA: only the same otid with the same body is one message."""
    fake.fail("POST", "*/messages", fault)
    reply = await call(fake_client, "send_message", conversation_id=talk.id, message="look", images=[GIF], max_steps=3)

    sent = [request.body for request in fake.requests_to("POST", "*/messages")]
    assert reply["in_reply_to"] == "look[image: image/gif]"
    assert (len(sent), sent[0]) == (2, sent[1])
    assert sent[0]["max_steps"] == 3
    assert sent[0]["messages"][0]["content"][1]["source"]["data"] in GIF
    assert len(heard(fake, talk.id)) == 1


async def test_a_message_with_an_image_is_looked_for_where_letta_knows_no_otids(
    no_redis: FakeLetta, plain_client: Client, plain_talk: Conversation
) -> None:
    no_redis.fail("POST", "*/messages", Close(is_received=True))
    reply = await call(plain_client, "send_message", conversation_id=plain_talk.id, message="look", images=[GIF])

    assert (reply["status"], reply["in_reply_to"]) == ("completed", "look[image: image/gif]")
    assert len(heard(no_redis, plain_talk.id)) == 2
