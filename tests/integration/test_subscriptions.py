"""What hosts are told of changes, in both eras: who writes, here or elsewhere, and who still listens."""

import sys
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import anyio
import pytest
from mcp import Client, StdioServerParameters
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import ResourceUpdated
from mcp_types import INVALID_PARAMS, ResourceListChangedNotification, ResourceUpdatedNotification

from letta_conv_mcp import watches
from letta_conv_mcp.server import build_server
from letta_conv_mcp.settings import Settings
from letta_conv_mcp.subscribers import SUBSCRIPTIONS
from letta_conv_mcp.uris import conversation_uri, messages_uri, transcript_uri
from tests.conformance.app import open_app
from tests.conftest import Place
from tests.fake import Answer, FakeLetta
from tests.fake.state import Conversation
from tests.integration.calls import call, new_conversation

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore::mcp.MCPDeprecationWarning")]

NOWHERE = "letta://conversations/conv-00000000-0000-4000-8000-000000000000"
WITHIN = 15.0
LIST = "the list"


@dataclass
class Host:
    """A host that listens: what it was told so far, by address."""

    heard: Counter[str] = field(default_factory=Counter[str])
    watched: list[str] = field(default_factory=list[str])
    client: Client = field(init=False)
    _news: anyio.Event = field(default_factory=anyio.Event)

    def hear(self, what: str) -> None:
        self.heard[what] += 1
        self._news.set()
        self._news = anyio.Event()

    async def told_of(self, *what: str) -> None:
        """Wait until it was told of all of these."""
        with anyio.fail_after(WITHIN):
            while not set(what) <= set(self.heard):
                await self._news.wait()

    async def read_message(self, message: object) -> None:
        """A notification of the older eras."""
        if isinstance(message, ResourceUpdatedNotification):
            self.hear(str(message.params.uri))
        elif isinstance(message, ResourceListChangedNotification):
            self.hear(LIST)


async def subscribe(client: Client, uri: str) -> None:
    await client.subscribe_resource(uri)  # pyright: ignore[reportDeprecated]


async def unsubscribe(client: Client, uri: str) -> None:
    await client.unsubscribe_resource(uri)  # pyright: ignore[reportDeprecated]


@asynccontextmanager
async def listening(server: object, era: str, *uris: str) -> AsyncGenerator[Host]:
    """A host that wants to hear of these resources, and of the list."""
    host = Host()
    # In the newer era the SDK's client would give it what the stream gives too.
    messages = host.read_message if era == "legacy" else None
    async with Client(server, mode=era, message_handler=messages) as client:  # type: ignore[arg-type]
        host.client = client
        if era == "legacy":
            for uri in uris:
                with suppress(MCPError):
                    await subscribe(client, uri)
                    host.watched.append(uri)
            yield host
            return
        async with client.listen(resource_subscriptions=uris, resources_list_changed=True) as stream:
            host.watched += stream.honored.resource_subscriptions or []

            async def read() -> None:
                async for event in stream:
                    host.hear(event.uri if isinstance(event, ResourceUpdated) else LIST)

            async with anyio.create_task_group() as group:
                group.start_soon(read)
                yield host
                group.cancel_scope.cancel()


@pytest.fixture
def no_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is heard within the test is told at once, and not found out by looking."""
    monkeypatch.setattr(watches, "SHORTEST_PAUSE", 600.0)


@pytest.fixture
def fast_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches, "SHORTEST_PAUSE", 0.05)
    monkeypatch.setattr(watches, "LONGEST_PAUSE", 0.2)


@pytest.fixture
async def other_client(place: Place) -> AsyncIterator[Client]:
    """Another program that speaks to the same Letta."""
    async with Client(build_server(place.settings)) as connected:
        yield connected


@pytest.mark.usefixtures("fast_polls")
@pytest.mark.parametrize("own_thread", [False, True])
async def test_what_another_client_writes_is_told(
    place: Place, era: str, other_client: Client, own_thread: bool
) -> None:
    conversation_id = f"default:{place.agent_id}" if own_thread else await place.new_conversation(other_client)
    uris = [
        conversation_uri(conversation_id),
        transcript_uri(conversation_id),
        messages_uri(conversation_id, limit=5),
    ]
    async with listening(build_server(place.settings), era, *uris) as host:
        await call(other_client, "send_message", conversation_id=conversation_id, message="from elsewhere")
        await host.told_of(*uris)

        assert LIST not in host.heard


@pytest.mark.usefixtures("no_polls")
async def test_a_turn_that_is_settled_here_is_told_at_once(place: Place, era: str, other_client: Client) -> None:
    conversation_id = await place.new_conversation(other_client)
    other_id = await place.new_conversation(other_client)
    async with listening(
        build_server(place.settings), era, transcript_uri(conversation_id), transcript_uri(other_id)
    ) as host:
        await call(host.client, "send_message", conversation_id=conversation_id, message="hello")
        await host.told_of(transcript_uri(conversation_id))

        assert host.heard == {transcript_uri(conversation_id): 1}


async def test_a_client_on_real_pipes_is_told_too(fake: FakeLetta, talk: Conversation, era: str) -> None:
    uri = conversation_uri(talk.id)
    async with listening(stdio_server(fake), era, uri) as host:
        fake.add_messages(talk, 1)
        await host.told_of(uri)
        await call(host.client, "update_conversation", conversation_id=talk.id, summary="renamed")
        await host.told_of(LIST)

    assert host.watched == [uri]


@pytest.mark.usefixtures("no_polls")
async def test_conversations_that_come_and_change_are_told(place: Place, era: str) -> None:
    async with listening(build_server(place.settings), era) as host:
        conversation_id = await new_conversation(host.client, place.agent_id, "first")
        await host.told_of(LIST)
    async with listening(build_server(place.settings), era, conversation_uri(conversation_id)) as host:
        await call(host.client, "update_conversation", conversation_id=conversation_id, summary="renamed")
        await host.told_of(LIST, conversation_uri(conversation_id))


@pytest.mark.usefixtures("no_polls")
async def test_a_conversation_that_is_deleted_is_told(fake: FakeLetta, talk: Conversation, era: str) -> None:
    server = build_server(Settings(base_url=fake.base_url))
    async with listening(server, era, conversation_uri(talk.id)) as host:
        await call(host.client, "delete_conversation", conversation_id=talk.id, confirm=True)
        await host.told_of(LIST, conversation_uri(talk.id))


async def test_what_is_not_there_or_no_conversation_is_not_watched(place: Place, era: str) -> None:
    own = conversation_uri(f"default:{place.agent_id}")
    async with listening(build_server(place.settings), era, NOWHERE, "letta://agents", own, "http://x/") as host:
        assert host.watched == [own]


async def test_the_older_eras_are_told_why(fake: FakeLetta, fake_client: Client) -> None:
    for uri, sentence in (
        (NOWHERE, "No conversation 'conv-00000000-0000-4000-8000-000000000000'."),
        ("letta://agents", "'letta://agents' can't be watched for changes"),
    ):
        with pytest.raises(MCPError) as caught:
            await subscribe(fake_client, uri)
        assert caught.value.code == INVALID_PARAMS
        assert caught.value.message.startswith(sentence)


@pytest.mark.usefixtures("fast_polls")
async def test_nobody_polls_what_nobody_watches_any_more(fake: FakeLetta, talk: Conversation) -> None:
    async with listening(build_server(Settings(base_url=fake.base_url)), "legacy") as host:
        uris = conversation_uri(talk.id), transcript_uri(talk.id)
        for uri in uris:
            await subscribe(host.client, uri)
        fake.add_messages(talk, 1)
        await host.told_of(*uris)
        await unsubscribe(host.client, uris[0])
        await unsubscribe(host.client, uris[0])
        fake.add_messages(talk, 1)
        await heard_again(host, uris[1])
        await unsubscribe(host.client, uris[1])
        await looks_end(fake, talk)

        assert host.heard[uris[0]] == 1


@pytest.mark.usefixtures("fast_polls")
@pytest.mark.parametrize("way", ["legacy", "auto"])
async def test_a_session_that_ends_takes_its_subscriptions_along(fake: FakeLetta, talk: Conversation, way: str) -> None:
    """Ours: over HTTP one process serves many, and each goes when it likes."""
    with open_app(fake.base_url) as url:
        async with listening(url, way, conversation_uri(talk.id)) as stays:
            async with listening(url, way, conversation_uri(talk.id)) as goes:
                fake.add_messages(talk, 1)
                await goes.told_of(conversation_uri(talk.id))
                await stays.told_of(conversation_uri(talk.id))
            fake.add_messages(talk, 1)
            await heard_again(stays, conversation_uri(talk.id))
        await looks_end(fake, talk)


@pytest.mark.usefixtures("no_polls")
async def test_a_host_watches_only_so_much(fake: FakeLetta, talk: Conversation, era: str) -> None:
    agent = fake.store.agents[talk.agent_id]
    many = [conversation_uri(fake.add_conversation(agent).id) for _ in range(watches.WATCHED + 1)]
    pages = [messages_uri(talk.id, limit=limit) for limit in range(1, SUBSCRIPTIONS + 2)]
    async with listening(build_server(Settings(base_url=fake.base_url)), era, *many) as host:
        assert host.watched == many[:-1]
    async with listening(build_server(Settings(base_url=fake.base_url)), era, *pages) as host:
        assert host.watched == pages[:-1]


@pytest.mark.usefixtures("fast_polls")
async def test_a_letta_that_fails_for_a_while_costs_no_subscription(
    fake: FakeLetta, talk: Conversation, era: str
) -> None:
    async with listening(build_server(Settings(base_url=fake.base_url)), era, conversation_uri(talk.id)) as host:
        fake.fail("GET", "/v1/conversations/*", Answer(500), times=6)
        fake.add_messages(talk, 1)
        await host.told_of(conversation_uri(talk.id))


def stdio_server(fake: FakeLetta) -> StdioServerParameters:
    """Our server as a process of its own."""
    environment = {"LETTA_BASE_URL": fake.base_url}
    return StdioServerParameters(command=sys.executable, args=["-m", "letta_conv_mcp"], env=environment)


async def heard_again(host: Host, uri: str) -> None:
    before = host.heard.pop(uri, 0)
    await host.told_of(uri)
    host.heard[uri] += before


async def looks_end(fake: FakeLetta, talk: Conversation) -> None:
    """Until no look at the conversation comes within several times the longest pause."""
    with anyio.fail_after(WITHIN):
        while True:
            before = len(fake.requests_to("GET", f"/v1/conversations/{talk.id}"))
            await anyio.sleep(5 * watches.LONGEST_PAUSE)
            if len(fake.requests_to("GET", f"/v1/conversations/{talk.id}")) == before:
                return
