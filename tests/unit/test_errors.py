"""The sentences of everything that can go wrong."""

import inspect

import pytest
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError, ToolError

from letta_conv_mcp import errors
from letta_conv_mcp.errors import LettaFailure

ADDRESS = "http://127.0.0.1:8283"
SENTENCES: list[tuple[LettaFailure, str]] = [
    (errors.NotConfigured(), "which brings a Letta to run on this machine."),
    (errors.LocalNotInstalled(), "trying again before that can't help."),
    (errors.LocalUnusable("it needs git"), "put that right, then it is safe to try again."),
    (errors.ModelNeeded("gpt", ["ollama/a"]), "Call create_agent with one of them as model."),
    (errors.ModelNeeded("gpt", []), "with `letta-conv-mcp setup-local`), then call again."),
    (errors.AgentNotFound("Ada"), "Call list_agents for the ids and names you can use."),
    (errors.AgentAmbiguous("Ada", ["agent-1", "agent-2"]), "to tell them apart, or ask the person, and use an id."),
    (errors.AgentNeeded(), "Call list_agents to choose one."),
    (errors.ConversationNotFound("conv-1"), "Call list_conversations for the ids you can use."),
    (errors.ConversationAmbiguous("trip", [("conv-1", "A trip"), ("conv-2", "Trips")]), "conv-2 ('Trips')."),
    (errors.ConversationNeeded(), "Call create_conversation to open one."),
    (errors.RunNotFound("conv-1"), "Call get_history to see what was said there."),
    (errors.RunNotFound("conv-1", "run-1"), "Call get_history to see what was said there."),
    (errors.UnknownCursor("before", "x"), "Leave it out to start again."),
    (errors.InvalidArguments("send_message", ["message is missing"]), "Correct the arguments and call it again."),
    (errors.NotAllowed(ADDRESS, has_key=True), "trying again before that can't help."),
    (errors.NotAllowed(ADDRESS, has_key=False), "trying again before that can't help."),
    (errors.ConversationBusy("conv-1", "run-1"), "call wait_for_reply, then send it again."),
    (errors.ConversationBusy("conv-1", None), "call wait_for_reply, then send it again."),
    (errors.ApprovalPending("conv-1"), "Call retrieve_conversation to see it, then answer_approval."),
    (
        errors.ApprovalsMismatch("conv-1", ["'call_1' is not waiting"], ["call_2 (erase)"]),
        "Call retrieve_conversation to see what is pending; it is safe to call again.",
    ),
    (errors.ApprovalsMismatch("conv-1", ["'call_1' is not waiting"], []), "it is safe to call again."),
    (errors.NothingToCancel("conv-1"), "Call wait_for_reply to see how the last reply ended."),
    (errors.NothingToCancel("conv-1", "run-1"), "Call wait_for_reply to see how the last reply ended."),
    (errors.NotOurRun("conv-1", "run-1"), "the person can stop it in Letta."),
    (errors.CancelWouldDeny("default:agent-1"), "(retrieve_conversation shows it), then cancel again."),
    (errors.RequestRejected("the model", 400), "the same call will fail again, so change its arguments."),
    (errors.RateLimited(7.4), "it is safe to try again in 7 seconds."),
    (errors.RateLimited(0), "it is safe to try again in 0 seconds."),
    (errors.RateLimited(None), "it is safe to try again in a minute."),
    (errors.OutOfCredits(), "tell the person, since trying again can't help until that is settled."),
    (errors.LettaUnavailable(ADDRESS, "can't be reached"), "Nothing was changed; it is safe to try again."),
    (
        errors.OutcomeUnknown(ADDRESS, "dropped the connection", "call get_history"),
        "call get_history before trying again.",
    ),
    (errors.NotLetta(ADDRESS), "(`letta-conv-mcp doctor` tells what is there); trying again can't help."),
    (errors.Redirected(ADDRESS), "trying again before that can't help."),
    (errors.ModelUnknown("conv-1"), "or tell the person to set the agent's right."),
    (errors.ModelUnknown("conv-1", "gpt"), "with another override_model, or without."),
    (errors.HistoryTooLong("conv-1"), "read it in Letta itself."),
    (errors.NotWatchable("letta://agents"), "Read it again when you need it."),
    (errors.TooManyWatched(50, "conversations"), "End a subscription, then it is safe to try again."),
    (errors.AppServerAddress(ADDRESS), "change LETTA_BASE_URL; trying again before that can't help."),
    (errors.AppServerVersion(ADDRESS, "2"), "ask the person to update letta-conv-mcp or the App Server."),
    (errors.BlockNotFound("agent-1", "human"), "Nothing was changed; call read_memory for the labels that it has."),
    (errors.NotIsolated("conv-1"), "trying again would make another one like it."),
    (errors.IsolationAtRisk("conv-1"), "create another conversation."),
    (errors.BlockUnchangeable("human", 5000), "Nothing was changed; the same call will fail again."),
    (errors.BlockUnchangeable("human", None), "Nothing was changed; the same call will fail again."),
    (errors.TextNotThere("human", 2), "call read_memory, then use a part of what is there."),
    (errors.ConfirmationNeeded("conv-1", "refused"), "don't call again unless they ask for it."),
    (errors.ConfirmationNeeded("conv-1", "unanswered"), "to off for this server; then confirm counts."),
    (errors.ConfirmationNeeded("conv-1", "unasked"), "then call again with confirm true."),
    (errors.AgentsLimited(), "can change that in its configuration (LETTA_CONV_AGENTS)."),
    (errors.HistoryChanged("conv-1"), "it is safe to try again when the conversation is at rest."),
    (errors.ExportNotFound("conv-1.md"), "Call export_conversation to make one, which is safe."),
    (errors.ExportTooLong("/x/conv-1.md", 2_000_000, 1_000_000), "the same call will fail again."),
    (errors.StateUnusable("it is full"), "where no key is known yet; then it is safe to try again."),
    (errors.KeyBusy("ticket 7"), "This one made nothing; it is safe to try again."),
    (errors.OpeningUnclear("ticket 7"), "it looks for that one before it makes another."),
    (errors.OwnThread("be changed"), "Nothing was done; name another conversation."),
    (errors.NotSupported("do that"), "Nothing was done; the same call will fail again."),
]


@pytest.mark.parametrize(("failure", "ending"), SENTENCES, ids=lambda value: type(value).__name__)
def test_a_failure_says_what_happened_and_ends_with_the_next_step(failure: LettaFailure, ending: str) -> None:
    """Ours: what happened, with the value; then the next move, and whether trying again is safe."""
    text = str(failure)

    assert text.endswith(ending)
    assert len(text) > len(ending) + 10
    assert "None" not in text
    assert "\n" not in text


@pytest.mark.parametrize(("failure", "ending"), SENTENCES, ids=lambda value: type(value).__name__)
def test_a_failure_can_be_read_from_a_tool_and_from_a_resource(failure: LettaFailure, ending: str) -> None:
    """The MCP SDK hides the text of any other exception."""
    assert isinstance(failure, ToolError)
    assert isinstance(failure, ResourceError)


def test_every_failure_is_among_these() -> None:
    """Ours: a house rule that can be walked."""
    declared = {
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, LettaFailure) and kind is not LettaFailure
    }

    assert {type(failure) for failure, _ in SENTENCES} == declared


def test_only_what_a_resource_names_can_be_a_resource_not_found() -> None:
    """The MCP SDK answers these with the code for a missing resource."""
    missing = {type(failure) for failure, _ in SENTENCES if isinstance(failure, ResourceNotFoundError)}

    assert missing == {
        errors.AgentNotFound,
        errors.ConversationNotFound,
        errors.RunNotFound,
        errors.ExportNotFound,
        # Wrong parts of a resource's address.
        errors.UnknownCursor,
        errors.InvalidArguments,
    }


def test_the_value_that_was_given_stands_in_the_sentence() -> None:
    assert str(errors.ConversationNotFound("conv-1")) == (
        "No conversation 'conv-1'. Call list_conversations for the ids you can use."
    )
    assert str(errors.ConversationBusy("conv-1", "run-1")) == (
        "'conv-1' is busy with another client's message (run run-1). Yours was not sent: call wait_for_reply, "
        "then send it again."
    )
    assert str(errors.RunNotFound("conv-1", "run-1")) == (
        "No run 'run-1' in 'conv-1'. Call get_history to see what was said there."
    )


def test_a_wrong_key_and_a_missing_key_are_told_apart() -> None:
    wrong, missing = (str(errors.NotAllowed(ADDRESS, has_key=has_key)) for has_key in (True, False))

    assert "refused the key in LETTA_API_KEY" in wrong
    assert "LETTA_API_KEY is not set" in missing
