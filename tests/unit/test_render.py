"""A view as text: complete, and small."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from letta_conv_mcp.tools.render import structure_of, text_of
from letta_conv_mcp.views import (
    Agent,
    AgentPage,
    Approval,
    Conversation,
    ConversationDetail,
    ConversationPage,
    MessagePage,
    Reply,
    ToolUse,
    View,
)

VIEWS: list[type[View]] = [
    Agent,
    AgentPage,
    Conversation,
    ConversationPage,
    ConversationDetail,
    Reply,
    MessagePage,
]


def leaves(value: object) -> Iterator[object]:
    """Every value in a structure that isn't a list or an object itself."""
    match value:
        case dict():
            for inner in value.values():  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
                yield from leaves(inner)  # pyright: ignore[reportUnknownArgumentType]
        case list():
            for inner in value:  # pyright: ignore[reportUnknownVariableType]
                yield from leaves(inner)  # pyright: ignore[reportUnknownArgumentType]
        case _:
            yield value


def any_view() -> st.SearchStrategy[View]:
    return st.one_of(*(st.from_type(kind) for kind in VIEWS))


@settings(max_examples=150, deadline=None)
@given(any_view())
def test_the_text_holds_every_value_that_the_structure_holds(view: View) -> None:
    """Ours: some hosts show a model only the structure, others only the text."""
    text = text_of(view)

    for value in leaves(structure_of(view)):
        if isinstance(value, bool):
            assert f": {str(value).lower()}" in text
        elif value is not None:
            # Further lines are set in.
            assert str(value).replace("\n", "\n  ") in text


@settings(max_examples=150, deadline=None)
@given(any_view())
def test_the_text_names_every_field_that_is_set(view: View) -> None:
    text = text_of(view)

    for name, value in structure_of(view).items():
        assert (f"{name}:" in text) is (value is not None) or value is None


def test_a_reply_is_a_line_for_each_field_and_a_line_for_each_item() -> None:
    reply = Reply(
        status="awaiting_approval",
        text="One moment.",
        conversation_id="conv-1",
        approvals=[Approval(tool_call_id="call_1", tool="drop", arguments='{"a": 1}')],
        tool_uses=[ToolUse(tool="add", arguments="{}", status="success", result="5")],
    )

    assert text_of(reply) == "\n".join(
        [
            "status: awaiting_approval",
            "text: One moment.",
            "conversation_id: conv-1",
            "approvals:",
            '- tool_call_id: call_1 | tool: drop | arguments: {"a": 1}',
            "tool_uses:",
            "- tool: add | arguments: {} | status: success | result: 5",
        ]
    )


def test_an_empty_list_is_said_to_be_empty() -> None:
    """Ours: a list that isn't mentioned could be one that was forgotten."""
    assert text_of(AgentPage(agents=[])) == "agents: none"


@pytest.mark.parametrize(("archived", "line"), [(True, "\narchived: true"), (False, "\narchived: false"), (None, "")])
def test_yes_and_no_are_written_as_in_json_and_unset_is_left_out(archived: bool | None, line: str) -> None:
    conversation = Conversation(id="conv-1", agent_id="agent-1", archived=archived)

    assert text_of(conversation) == f"id: conv-1\nagent_id: agent-1{line}"


def test_a_number_of_zero_is_not_left_out() -> None:
    conversation = Conversation(id="conv-1", agent_id="agent-1", in_context_count=0)

    assert text_of(conversation) == "id: conv-1\nagent_id: agent-1\nin_context_count: 0"


def test_the_structure_says_null_for_what_is_unset_but_for_fields_of_full_detail() -> None:
    """Ours: the output schema requires what every reply has; the rest is there when it was asked for."""
    assert structure_of(Reply(status="running", text="", conversation_id="conv-1")) == {
        "status": "running",
        "text": "",
        "next_step": None,
        "conversation_id": "conv-1",
        "run_id": None,
        "in_reply_to": None,
        "stop_reason": None,
        "approvals": [],
    }
