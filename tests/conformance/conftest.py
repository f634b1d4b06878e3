"""The programs that judge our server, and a Letta behind it whose lists aren't empty."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.node import RegistryUnreachable, installed
from tests.fake import FakeLetta


@pytest.fixture(scope="session")
def programs() -> Path:
    """The folder of the MCP project's programs. Without them a person's run skips, and CI fails."""
    try:
        return installed()
    except RegistryUnreachable as unreachable:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(unreachable))


@pytest.fixture(scope="session")
def letta() -> Iterator[FakeLetta]:
    """A Letta with two agents, a conversation that has a past, and one that has none."""
    with FakeLetta() as fake:
        ada = fake.add_agent("Ada")
        fake.add_agent("Bo")
        fake.add_messages(fake.add_conversation(ada, summary="Travel plans"), 6)
        fake.add_conversation(ada, summary="Groceries")
        yield fake
