"""House rules that every prompt keeps, walked over the prompts."""

import re

import pytest

from letta_conv_mcp.prompts import PROMPTS, PromptEntry, offered_prompts
from letta_conv_mcp.tools import CATALOG
from letta_conv_mcp.uris import conversation_of, conversation_uri, messages_uri, transcript_uri

TOOLS = {entry.name for entry in CATALOG}
READING = {entry.name for entry in CATALOG if entry.annotations.read_only_hint}


@pytest.mark.parametrize("entry", PROMPTS, ids=lambda entry: entry.name)
def test_a_prompt_and_its_arguments_have_titles_and_descriptions(entry: PromptEntry) -> None:
    assert re.fullmatch(r"[a-z_]{4,30}", entry.name)
    assert entry.title
    assert 20 <= len(entry.description) <= 130
    assert all(argument.title and argument.description for argument in entry.arguments)


@pytest.mark.parametrize("entry", PROMPTS, ids=lambda entry: entry.name)
def test_what_must_be_filled_in_comes_before_what_may_be(entry: PromptEntry) -> None:
    """Ours: some hosts fill arguments in by their order."""
    required = [argument.required for argument in entry.arguments]

    assert required == sorted(required, reverse=True)


@pytest.mark.parametrize("entry", PROMPTS, ids=lambda entry: entry.name)
def test_a_prompt_is_offered_only_with_all_its_tools(entry: PromptEntry) -> None:
    assert entry.needs <= TOOLS
    assert entry in offered_prompts(TOOLS)
    for tool in entry.needs:
        assert entry not in offered_prompts(TOOLS - {tool})


def test_where_only_reading_is_allowed_one_can_be_briefed_and_no_more() -> None:
    assert [entry.name for entry in offered_prompts(READING)] == ["brief_me"]


@pytest.mark.parametrize("conversation_id", ["conv-1", "default:agent-1", "local conv/7?#%", "Ünï"])
def test_every_address_of_a_conversation_leads_back_to_it(conversation_id: str) -> None:
    made = [
        conversation_uri(conversation_id),
        messages_uri(conversation_id, limit=20),
        transcript_uri(conversation_id),
        conversation_uri(conversation_id) + "/messages",
    ]

    assert [conversation_of(uri) for uri in made] == [conversation_id] * 4


@pytest.mark.parametrize(
    "uri",
    [
        "letta://agents",
        "letta://conversations/",
        "letta://conversations/conv-1/other",
        "letta://conversations/conv-1/transcript.md?x=1",
        "http://conversations/conv-1",
    ],
)
def test_other_addresses_lead_to_none(uri: str) -> None:
    assert conversation_of(uri) is None
