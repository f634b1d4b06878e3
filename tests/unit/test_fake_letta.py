"""The fake Letta: what letta-client makes of it, and that it goes wrong the way it is told to."""

import time
from collections.abc import AsyncIterator, Callable, Iterator

import anyio
import httpx
import letta_client
import pytest

from tests.fake import (
    Answer,
    Close,
    Conversation,
    Cut,
    Delay,
    FakeLetta,
    Fault,
    Garbage,
    Hang,
    InPieces,
    LoseBlankLine,
    StayOpen,
    Tool,
    Twice,
    WaitFor,
    Without,
)
from tests.stack.script import Prompt

SENDS = "*/messages"
DONE = "data: [DONE]\n\n"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def letta() -> Iterator[FakeLetta]:
    with FakeLetta() as letta:
        yield letta


@pytest.fixture
def conversation(letta: FakeLetta) -> Conversation:
    agent = letta.add_agent(tools=[Tool("lookup", "found it"), Tool("erase", requires_approval=True)])
    return letta.add_conversation(agent, summary="A talk")


@pytest.fixture
def http(letta: FakeLetta) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=letta.base_url, timeout=5) as http:
        yield http


@pytest.fixture
async def client(letta: FakeLetta) -> AsyncIterator[letta_client.AsyncLetta]:
    async with letta_client.AsyncLetta(base_url=letta.base_url, max_retries=0, timeout=5) as client:
        yield client


def send(http: httpx.Client, conversation: Conversation, text: str = "hello", **more: object) -> httpx.Response:
    return http.post(f"/v1/conversations/{conversation.id}/messages", json={"input": text, **more})


@pytest.mark.anyio
async def test_letta_client_has_a_whole_talk_with_the_fake(client: letta_client.AsyncLetta, letta: FakeLetta) -> None:
    """Ours: the product speaks to Letta through letta-client only."""
    agent = letta.add_agent("Ada")

    agents = [found.id async for found in client.agents.list(query_text="ada")]
    made = await client.conversations.create(agent_id=agent.id, summary="From the client")
    stream = await client.conversations.messages.create(made.id, input="hi", stream_tokens=True)
    chunks = [(chunk.message_type, getattr(chunk, "content", None)) async for chunk in stream]
    page = await client.conversations.messages.list(made.id, order="asc")
    retrieved = await client.conversations.retrieve(made.id)
    listed = await client.conversations.list(agent_id=agent.id)
    runs = await client.runs.list(conversation_id=made.id)
    run_messages = await client.runs.messages.list(runs.items[0].id)

    assert agents == [agent.id]
    assert chunks == [
        ("ping", None),
        ("assistant_message", "echo: "),
        ("assistant_message", "hi"),
        ("stop_reason", None),
        ("usage_statistics", None),
    ]
    assert [item.message_type for item in page.items] == ["system_message", "user_message", "assistant_message"]
    assert retrieved.in_context_message_ids == [item.id for item in page.items]
    assert [item.summary for item in listed] == ["From the client"]
    assert [(run.status, run.stop_reason) for run in runs.items] == [("completed", "end_turn")]
    assert [item.message_type for item in run_messages.items] == ["user_message", "assistant_message"]


@pytest.mark.anyio
async def test_letta_client_raises_what_the_fake_answers(
    client: letta_client.AsyncLetta, letta: FakeLetta, conversation: Conversation
) -> None:
    """Letta's: an error inside a stream is an `APIStatusError` with status 200."""
    with pytest.raises(letta_client.NotFoundError):
        await client.conversations.retrieve("conv-00000000-0000-4000-8000-000000000000")
    stream = await client.conversations.messages.create(conversation.id, input="#http 500")
    with pytest.raises(letta_client.APIStatusError) as told:
        _ = [chunk async for chunk in stream]
    letta.fail("POST", SENDS, Answer(503, {"detail": "later"}))
    with pytest.raises(letta_client.InternalServerError):
        await client.conversations.messages.create(conversation.id, input="x")

    assert told.value.status_code == 200


@pytest.mark.anyio
async def test_a_turn_is_held_until_the_test_lets_it_go(
    client: letta_client.AsyncLetta, letta: FakeLetta, conversation: Conversation
) -> None:
    """Ours: no test sleeps to catch a turn while it runs."""
    stream = await client.conversations.messages.create(
        conversation.id, input="#hold here@1 one two", stream_tokens=True
    )
    await anyio.to_thread.run_sync(letta.wait_until_held, "here")
    with pytest.raises(letta_client.ConflictError):
        await client.conversations.messages.create(conversation.id, input="meanwhile")
    letta.release("here")
    said = "".join([getattr(chunk, "content", None) or "" async for chunk in stream])

    assert said == "echo: one two"


def test_every_request_is_noted(http: httpx.Client, letta: FakeLetta, conversation: Conversation) -> None:
    send(http, conversation, "hello")
    http.get("/v1/conversations/", params={"limit": 2})

    assert [(seen.method, seen.path, seen.query, seen.body) for seen in letta.requests] == [
        ("POST", f"/v1/conversations/{conversation.id}/messages", {}, {"input": "hello"}),
        ("GET", "/v1/conversations/", {"limit": ["2"]}, None),
    ]
    assert [seen.state for seen in letta.requests_to("POST", SENDS)] == ["answered"]


def test_an_answer_can_be_any_answer(http: httpx.Client, letta: FakeLetta) -> None:
    letta.fail("GET", "/v1/agents/", Answer(502, b"<html>bad gateway</html>", {"content-type": "text/html"}), times=1)

    answers = [http.get("/v1/agents/") for _ in range(2)]

    assert [(answer.status_code, answer.text) for answer in answers] == [(502, "<html>bad gateway</html>"), (200, "[]")]
    assert answers[0].headers["content-type"] == "text/html"


@pytest.mark.parametrize("is_received", [False, True])
def test_a_connection_closes_before_an_answer_comes(
    http: httpx.Client, letta: FakeLetta, conversation: Conversation, is_received: bool
) -> None:
    for by_reset in (False, True):
        letta.fail("POST", SENDS, Close(is_received, by_reset))
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            send(http, conversation)
        letta.wait_until(lambda: all(not run.is_active for run in letta.runs))

    assert len(letta.runs) == (2 if is_received else 0)


@pytest.mark.parametrize(("frames", "into_bytes"), [(0, 0), (1, 0), (2, 40)])
def test_a_stream_is_cut_where_it_was_told_to_be(
    http: httpx.Client, letta: FakeLetta, conversation: Conversation, frames: int, into_bytes: int
) -> None:
    letta.fail("POST", SENDS, Cut(frames, into_bytes))
    path, got = f"/v1/conversations/{conversation.id}/messages", list[bytes]()

    with http.stream("POST", path, json={"input": "hello"}) as answer, pytest.raises(httpx.RemoteProtocolError):
        got.extend(answer.iter_raw())

    *whole, rest = b"".join(got).split(b"\n\n")
    assert (len(whole), len(rest)) == (frames, into_bytes)


def test_a_request_that_hangs_ends_when_the_client_has_had_enough(http: httpx.Client, letta: FakeLetta) -> None:
    letta.fail("GET", "*", Hang())

    with pytest.raises(httpx.ReadTimeout):
        http.get("/v1/agents/", timeout=0.1)
    letta.wait_until(lambda: letta.requests[0].state == "abandoned")


def test_a_stream_that_stays_open_says_nothing_after_its_stop_reason(
    http: httpx.Client, letta: FakeLetta, conversation: Conversation
) -> None:
    letta.fail("POST", SENDS, StayOpen())
    path, got = f"/v1/conversations/{conversation.id}/messages", list[str]()

    with http.stream("POST", path, json={"input": "hello"}, timeout=0.2) as answer, pytest.raises(httpx.ReadTimeout):
        got.extend(answer.iter_text())

    assert "".join(got).endswith('data: {"message_type":"stop_reason","stop_reason":"end_turn"}\n\n')


CHANGES: list[tuple[Fault, Callable[[str], str]]] = [
    (Without(), lambda text: text.removesuffix(DONE)),
    (LoseBlankLine(), lambda text: text[:-1]),
    (Garbage(b"%%%\n\n"), lambda text: "%%%\n\n" + text),
    (InPieces(3), lambda text: text),
    (Twice(), lambda text: "".join(2 * f"{frame}\n\n" for frame in text.split("\n\n")[:-1])),
]


@pytest.mark.parametrize(("fault", "expected"), CHANGES, ids=lambda value: type(value).__name__)
def test_a_stream_is_changed_as_told(
    http: httpx.Client, letta: FakeLetta, conversation: Conversation, fault: Fault, expected: Callable[[str], str]
) -> None:
    sent = {"messages": [{"role": "user", "content": "héllo 🌍", "otid": "one"}], "background": True}
    path = f"/v1/conversations/{conversation.id}/messages"
    whole = http.post(path, json=sent).text
    letta.fail("POST", SENDS, fault)

    changed = http.post(path, json=sent).text

    assert changed == expected(whole)


def test_faults_are_combined_until_all_is_healed(
    http: httpx.Client, letta: FakeLetta, conversation: Conversation
) -> None:
    letta.fail("POST", SENDS, Delay(0.05), Without(), Without(b"ping"), InPieces(7), times=None)

    started = time.monotonic()
    texts = [send(http, conversation).text for _ in range(2)]
    took = time.monotonic() - started
    letta.heal()

    assert ["[DONE]" in text or "ping" in text for text in texts] == [False, False]
    assert took >= 0.1
    assert send(http, conversation).text.endswith(DONE)


def test_a_send_can_be_received_long_after_its_client_has_gone(
    http: httpx.Client, letta: FakeLetta, conversation: Conversation
) -> None:
    """Letta's: under load a send shows up a second after it was cut off."""
    letta.fail("POST", SENDS, WaitFor("the load is over"))
    with pytest.raises(httpx.ReadTimeout):
        http.post(f"/v1/conversations/{conversation.id}/messages", json={"input": "late"}, timeout=0.1)
    before = len(letta.runs)

    letta.release("the load is over")
    letta.wait_until(lambda: letta.runs and not letta.runs[0].is_active)

    assert (before, [message.text for message in conversation.thread.messages[1:]]) == (0, ["late", "echo: late"])


def test_ten_thousand_messages_are_there_at_once(
    http: httpx.Client, letta: FakeLetta, conversation: Conversation
) -> None:
    started = time.monotonic()
    loaded = letta.add_messages(conversation, 10_000)
    took = time.monotonic() - started

    page = http.get(f"/v1/conversations/{conversation.id}/messages", params={"limit": 4, "before": loaded[8].id}).json()

    assert took < 2
    assert [entry["message_type"] for entry in page] == [
        "reasoning_message",
        "assistant_message",
        "tool_return_message",
        "reasoning_message",
        "tool_call_message",
        "user_message",
    ]
    assert [len(message.entries) for message in loaded[:4]] == [1, 2, 1, 2]


def test_a_password_is_asked_of_all_but_the_health_check() -> None:
    """Letta's."""
    with FakeLetta(password="s3cret") as letta, httpx.Client(base_url=letta.base_url) as http:
        headers = [{}, {"Authorization": "Bearer nope"}, {"Authorization": "Bearer s3cret"}]
        headers.append({"X-BARE-PASSWORD": "password s3cret"})

        answers = [http.get("/v1/agents/", headers=header) for header in headers]
        health = http.get("/v1/health/")

    assert [answer.status_code for answer in answers] == [401, 401, 200, 200]
    assert (answers[0].json(), health.status_code) == ({"detail": "Unauthorized"}, 200)


def test_without_redis_nothing_is_locked_and_nothing_runs_in_the_background() -> None:
    """Letta's."""
    with FakeLetta(redis=False) as letta, httpx.Client(base_url=letta.base_url) as http:
        conversation = letta.add_conversation(letta.add_agent())
        path = f"/v1/conversations/{conversation.id}"
        with http.stream("POST", f"{path}/messages", json={"input": "#hold x"}):
            letta.wait_until_held("x")
            second = send(http, conversation, "second")
            letta.release("x")
        refused = [send(http, conversation, "x", background=True), http.post(f"{path}/stream", json={})]

    assert (second.status_code, [answer.status_code for answer in refused]) == (200, [503, 503])
    assert refused[0].json()["detail"].startswith("INTERNAL_SERVER_ERROR: Background streaming requires Redis")
    assert refused[1].json()["detail"].startswith("Background streaming requires Redis")


def test_a_foreground_run_asked_for_by_its_otid_is_not_even_answered_before_a_ping(
    http: httpx.Client, conversation: Conversation
) -> None:
    """Letta's: not a status line comes before the first frame."""
    path = f"/v1/conversations/{conversation.id}"
    http.post(f"{path}/messages", json={"messages": [{"role": "user", "content": "hello", "otid": "one"}]})

    with pytest.raises(httpx.ReadTimeout):
        http.post(f"{path}/stream", json={"otid": "one"}, timeout=0.1)


def test_a_tool_takes_as_long_as_the_test_wants(http: httpx.Client, letta: FakeLetta) -> None:
    """Letta's: a tool that runs isn't stopped by a cancel, and what it returned is stored."""

    async def answer(_: object) -> str:
        await letta.holds.wait("tool")
        return "done"

    agent = letta.add_agent(tools=[Tool("work", answer)])
    conversation = letta.add_conversation(agent)
    path = f"/v1/conversations/{conversation.id}/messages"
    with http.stream("POST", path, json={"input": "#tool work", "stream_tokens": True}) as stream:
        letta.wait_until_held("tool")
        http.post(f"/v1/agents/{agent.id}/messages/cancel", json={"run_ids": [letta.runs[0].id]})
        letta.release("tool")
        text = "".join(stream.iter_text())

    assert text.endswith('"stop_reason": "cancelled"}\n\n')
    assert [it.role for it in letta.runs[0].messages] == ["user", "assistant", "tool"]


def test_an_agent_with_a_character_answers_by_it(letta: FakeLetta, http: httpx.Client) -> None:
    def character(prompt: Prompt) -> str:
        return f"#answer {len(prompt.earlier) + 1} by now#"

    agent = letta.add_agent("Cy", character=character)
    conversation = letta.add_conversation(agent)

    texts = [send(http, conversation, text, streaming=False).json()["messages"][0]["content"] for text in ("a", "b")]

    assert texts == ["1 by now", "2 by now"]
