"""Where an App Server differs from a REST server, by test, each with its reason. All else is the same on both."""

DIFFERENCES = {
    "test_conversations_come_in_pages_without_gap_or_repeat": "it lists by last activity only, whatever order is asked",
    "test_retrieving_a_conversation_tells_its_agent_and_its_size": "its system prompt is no message in context",
    "test_every_kind_of_message_can_be_read": "its system prompt is no message, nor are answers to approvals",
    "test_a_pending_approval_is_found_after_a_restart_and_answered": (
        "what waits for an answer is cancelled with its last connection, like all that goes on"
    ),
    "test_a_call_for_the_client_that_offered_the_tool_can_be_denied_and_not_approved": (
        "a client's tools are called over its connection, and never offered to others"
    ),
    "test_an_approval_in_the_agents_own_thread_keeps_its_other_runs_from_being_cancelled": (
        "stopping one conversation's run denies nothing in another"
    ),
    "test_a_model_that_letta_does_not_know_is_not_called_an_unknown_conversation": (
        "an unknown model is found out by the turn, and not before it"
    ),
    "test_what_was_deleted_in_letta_is_made_anew_with_a_note": "it deletes no conversation",
}

DIFFERENCES["test_a_turn_outlives_its_process_and_is_found_by_the_next_one"] = (
    "what goes on is cancelled with its last connection, and what is left of it says so"
)
NOT_RUN = {
    "test_a_failing_model_is_a_failed_reply_with_the_reason_in_our_words": (
        "it keeps the message, and puts it to a failing model four times, which takes 35 s; see test_app_server.py"
    ),
}
"""Differences that take too long to be shown again by each run; each has a test of its own."""
