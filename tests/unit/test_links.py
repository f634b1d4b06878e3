"""Which results carry a link, and to whom."""

from collections.abc import Sequence

import pytest

from letta_conv_mcp.tools.links import FIRST_VERSION, links_of
from letta_conv_mcp.views import Conversation, ConversationPage, MessagePage, Reply, Status, View

VERSIONS = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"]
TRIP = Conversation(id="conv-1", agent_id="agent-1", summary="Trip")


def addresses(view: View, version: str = FIRST_VERSION) -> Sequence[str]:
    return [str(link.uri) for link in links_of(view, version)]


def reply(status: Status) -> Reply:
    return Reply(status=status, text="Yes.", conversation_id="default:agent-1")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_link_is_given_to_clients_that_know_links(version: str) -> None:
    """MCP: links came with 2025-06-18, and an older client refuses a result that has one."""
    expected = ["letta://conversations/conv-1/transcript.md"] if version >= FIRST_VERSION else []

    assert addresses(TRIP, version) == expected


@pytest.mark.parametrize("status", ["completed", "awaiting_approval", "failed", "cancelled", "interrupted"])
def test_a_reply_that_has_ended_links_to_the_transcript(status: Status) -> None:
    assert addresses(reply(status)) == ["letta://conversations/default:agent-1/transcript.md"]


def test_what_would_only_make_results_longer_has_none() -> None:
    """A reply that is asked for again and again, and lists, which resources/list has with links."""
    assert addresses(reply("running")) == []
    assert addresses(ConversationPage(conversations=[TRIP])) == []
    assert addresses(MessagePage(conversation_id="conv-1", messages=[])) == []


def test_a_link_is_for_the_person_and_has_the_conversations_name() -> None:
    link = links_of(TRIP, FIRST_VERSION)[0]

    assert (link.title, link.mime_type) == ("Trip", "text/markdown")
    assert link.annotations is not None
    assert link.annotations.audience == ["user"]
