"""What we rely on letta-client 1.12 to do, pinned: an update that changes it fails here and not in somebody's chat."""

import inspect
from typing import Any, cast

import httpx
import letta_client
import pytest
from letta_client import AsyncLetta, AsyncStream
from mcp.server.mcpserver.exceptions import ResourceError, ToolError

from letta_conv_mcp import errors
from letta_conv_mcp.letta.rest_failures import NoBackground, Question, failure_from
from tests.fake import Answer, Close, Cut, FakeLetta, Garbage, LoseBlankLine

pytestmark = pytest.mark.anyio

REQUEST = httpx.Request("GET", "http://letta.test/v1/agents/agent-1")
MISSING = errors.AgentNotFound("agent-1")


def subclasses(of: type[Exception]) -> set[type[Exception]]:
    return {of}.union(*(subclasses(one) for one in of.__subclasses__()))


def question(**more: Any) -> Question:
    return Question(address="http://letta.test", has_key=True, what="the request", missing=MISSING, **more)


def status_error(status: int, body: object = None, **headers: str) -> letta_client.APIStatusError:
    """The error that letta-client makes of an answer."""
    client = letta_client.Letta(base_url="http://letta.test", api_key="")
    return client._make_status_error(
        "upstream words", body=body, response=httpx.Response(status, headers=headers, request=REQUEST)
    )


def test_every_exception_of_letta_client_is_placed() -> None:
    """A class that a later version adds has to be given a sentence."""
    assert {one.__name__ for one in subclasses(letta_client.LettaError)} == {
        "LettaError",
        "APIError",
        "APIStatusError",
        "APIConnectionError",
        "APITimeoutError",
        "APIResponseValidationError",
        "StreamAlreadyConsumed",
        "BadRequestError",
        "AuthenticationError",
        "PermissionDeniedError",
        "NotFoundError",
        "ConflictError",
        "UnprocessableEntityError",
        "RateLimitError",
        "InternalServerError",
    }


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"detail": "bad"}, errors.AgentNotFound),
        (401, {"detail": "Unauthorized"}, errors.NotAllowed),
        (402, None, errors.OutOfCredits),
        (403, None, errors.NotAllowed),
        (404, {"detail": "Agent not found"}, errors.AgentNotFound),
        (404, {"detail": "Not Found"}, errors.NotLetta),
        (404, "<html>", errors.NotLetta),
        (408, None, errors.LettaUnavailable),
        (409, {"detail": "CONFLICT"}, errors.RequestRejected),
        (418, None, errors.RequestRejected),
        (422, {"detail": "[{'loc': ('path', 'agent_id')}]"}, errors.AgentNotFound),
        (429, {"detail": "slow down"}, errors.RateLimited),
        (429, {"reasons": ["not-enough-credits"]}, errors.OutOfCredits),
        (500, "<html>", errors.LettaUnavailable),
        (301, None, errors.Redirected),
        (503, {"detail": "Background streaming requires Redis to be running."}, errors.LettaUnavailable),
        (503, {"detail": "overloaded"}, errors.LettaUnavailable),
    ],
)
def test_every_status_has_its_failure(status: int, body: object, kind: type[errors.LettaFailure]) -> None:
    assert type(failure_from(status_error(status, body), question())) is kind


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (409, {"detail": "CONFLICT", "run_id": "run-1"}, errors.ConversationBusy),
        (409, {"detail": "CONFLICT: … The agent is waiting for approval on a tool call."}, errors.ApprovalPending),
        (409, {"error": {"code": "PENDING_APPROVAL"}}, errors.ApprovalPending),
        (503, {"errorCode": "cloud_api_shutting_down", "admitted": False}, errors.LettaUnavailable),
        (422, {"detail": "[{'loc': ('body', 'messages')}]"}, errors.RequestRejected),
        (422, {"detail": "[{'loc': ('path', 'conversation_id')}]"}, errors.AgentNotFound),
        (500, None, errors.OutcomeUnknown),
        (504, None, errors.OutcomeUnknown),
        (429, None, errors.RateLimited),
        (404, {"detail": "NOT_FOUND: Handle x/y not found, must be one of []"}, errors.ModelUnknown),
        (503, {"detail": "Background streaming requires Redis to be running."}, NoBackground),
    ],
)
def test_what_a_send_meets_says_whether_it_may_have_arrived(
    status: int, body: object, kind: type[errors.LettaFailure]
) -> None:
    sending = question(check="look", conversation_id="conv-1", streams=True)

    assert type(failure_from(status_error(status, body), sending)) is kind


@pytest.mark.parametrize("status", [429, 500, 503])
def test_the_pause_that_letta_asks_for_is_passed_on(status: int) -> None:
    error = status_error(status, None, **{"retry-after": "7"})

    assert failure_from(error, question(check="look", conversation_id="conv-1")).retry_after == 7


@pytest.mark.parametrize("is_repeatable", [True, False])
def test_only_a_request_that_letta_knows_again_may_be_repeated(is_repeatable: bool) -> None:
    unknown = failure_from(status_error(500), question(check="look", is_repeatable=is_repeatable))

    assert isinstance(unknown, errors.OutcomeUnknown)
    assert unknown.is_repeatable is is_repeatable


@pytest.mark.parametrize("cause", [httpx.ConnectError("no"), httpx.ConnectTimeout("no"), httpx.PoolTimeout("no")])
def test_what_failed_before_it_was_sent_is_safe_to_repeat(cause: Exception) -> None:
    error = letta_client.APIConnectionError(request=REQUEST)
    error.__cause__ = cause

    assert type(failure_from(error, question(check="look"))) is errors.LettaUnavailable


@pytest.mark.parametrize("cause", [httpx.ReadError("no"), httpx.RemoteProtocolError("no"), httpx.WriteError("no")])
def test_what_failed_after_it_was_sent_may_have_been_done(cause: Exception) -> None:
    error = letta_client.APIConnectionError(request=REQUEST)
    error.__cause__ = cause

    assert type(failure_from(error, question(check="look"))) is errors.OutcomeUnknown
    assert type(failure_from(error, question())) is errors.LettaUnavailable


def test_no_failure_repeats_what_letta_said() -> None:
    for status in (400, 401, 402, 403, 404, 409, 418, 422, 429, 500, 503):
        failure = failure_from(status_error(status, {"detail": "secret words"}), question(check="look"))

        assert isinstance(failure, ToolError)
        assert isinstance(failure, ResourceError)
        assert "secret words" not in str(failure)
        assert "upstream words" not in str(failure)


def test_sends_take_the_options_that_we_send() -> None:
    parameters = inspect.signature(AsyncLetta(base_url="http://x", api_key="").conversations.messages.create).parameters

    assert {"agent_id", "background", "include_pings", "messages", "stream_tokens"} <= set(parameters)


async def test_no_key_means_no_header_even_when_the_environment_has_one(
    fake: FakeLetta, monkeypatch: pytest.MonkeyPatch
) -> None:
    """letta-client reads LETTA_API_KEY for a client without a key, and again for every copy of it."""
    from letta_conv_mcp.letta.rest import RestLetta

    monkeypatch.setenv("LETTA_API_KEY", "sk-of-somebody-else")
    letta = RestLetta(fake.base_url)

    await letta.agents(limit=1)
    await letta.conversation(fake.add_conversation(fake.add_agent("Ada")).id)
    await letta.aclose()

    assert fake.requests
    assert all("authorization" not in {name.lower() for name in seen.headers} for seen in fake.requests)


async def open_stream(fake: FakeLetta, client: AsyncLetta) -> AsyncStream[object]:
    conversation = fake.add_conversation(fake.add_agent("Ada"))
    response = await client.conversations.messages.with_raw_response.create(
        conversation.id, input="one two", stream_tokens=True, background=True
    )
    return await response.parse(to=AsyncStream[object])


async def types_until_the_end(stream: AsyncStream[object]) -> list[str]:
    return [chunk["message_type"] async for chunk in stream if isinstance(chunk, dict)]


async def test_a_stream_can_be_read_as_plain_json(fake: FakeLetta) -> None:
    async with AsyncLetta(base_url=fake.base_url, api_key="k") as client:
        types = await types_until_the_end(await open_stream(fake, client))

    assert types == [
        "ping",
        "assistant_message",
        "assistant_message",
        "assistant_message",
        "stop_reason",
        "usage_statistics",
    ]


async def test_a_stream_without_its_end_ends_without_an_error(fake: FakeLetta) -> None:
    """So only a stop reason may settle a turn."""
    from tests.fake import Without

    fake.fail("POST", "*/messages", Without(b"stop_reason"), Without(b"[DONE]"))
    async with AsyncLetta(base_url=fake.base_url, api_key="k") as client:
        types = await types_until_the_end(await open_stream(fake, client))

    assert "stop_reason" not in types


async def test_a_last_event_without_a_blank_line_is_lost_in_silence(fake: FakeLetta) -> None:
    fake.fail("POST", "*/messages", LoseBlankLine())
    async with AsyncLetta(base_url=fake.base_url, api_key="k") as client:
        types = await types_until_the_end(await open_stream(fake, client))

    assert types[-1] == "usage_statistics"


async def test_a_cut_stream_raises_an_error_of_httpx(fake: FakeLetta) -> None:
    fake.fail("POST", "*/messages", Cut(2))
    async with AsyncLetta(base_url=fake.base_url, api_key="k") as client:
        stream = await open_stream(fake, client)
        with pytest.raises(httpx.HTTPError):
            await types_until_the_end(stream)


async def test_a_broken_frame_raises_a_value_error(fake: FakeLetta) -> None:
    fake.fail("POST", "*/messages", Garbage(b"data: {broken\n\n", after_frames=1))
    async with AsyncLetta(base_url=fake.base_url, api_key="k") as client:
        stream = await open_stream(fake, client)
        with pytest.raises(ValueError, match="Expecting"):
            await types_until_the_end(stream)


async def test_an_error_event_raises_a_status_error_with_status_200(fake: FakeLetta) -> None:
    conversation = fake.add_conversation(fake.add_agent("Ada"))
    async with AsyncLetta(base_url=fake.base_url, api_key="k") as client:
        response = await client.conversations.messages.with_raw_response.create(conversation.id, input="#http 500")
        stream = await response.parse(to=AsyncStream[object])
        with pytest.raises(letta_client.APIStatusError) as caught:
            await types_until_the_end(stream)

    assert caught.value.status_code == 200
    assert cast("dict[str, object]", caught.value.body)["message_type"] == "error_message"


@pytest.mark.parametrize("fault", [Answer(500, {}), Answer(409, {}), Answer(429, {}, {"retry-after": "0"}), Close()])
async def test_left_alone_it_would_post_a_message_three_times(fake: FakeLetta, fault: Any) -> None:
    """Why its retries are off for sends."""
    conversation = fake.add_conversation(fake.add_agent("Ada"))
    fake.fail("POST", "*/messages", fault, times=None)
    async with AsyncLetta(base_url=fake.base_url, api_key="k") as client:
        with pytest.raises(letta_client.LettaError):
            await client.conversations.messages.create(conversation.id, input="hello")

    assert len(fake.requests_to("POST", "*/messages")) == 3
