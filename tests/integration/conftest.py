"""A host before our server before the fake Letta, for faults that the real one can't be made to show."""

from collections.abc import AsyncIterator

import pytest
from mcp import Client
from pydantic import SecretStr

from letta_conv_mcp.server import build_server
from letta_conv_mcp.settings import Settings
from tests.fake import FakeLetta
from tests.fake.state import Conversation
from tests.integration.calls import KEY


@pytest.fixture
def talk(fake: FakeLetta) -> Conversation:
    return fake.add_conversation(fake.add_agent("Ada"))


@pytest.fixture
async def fake_client(fake: FakeLetta) -> AsyncIterator[Client]:
    settings = Settings(base_url=fake.base_url, api_key=SecretStr(KEY))
    async with Client(build_server(settings), mode="legacy") as connected:
        yield connected
