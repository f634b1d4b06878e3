"""Saying something, deciding, and stopping."""

from letta_conv_mcp.errors.failure import LettaFailure, shown


class ConversationBusy(LettaFailure):
    """Another client's run holds the conversation; our message was not taken."""

    def __init__(self, conversation_id: str, run_id: str | None) -> None:
        run = f" (run {run_id})" if run_id else ""
        super().__init__(
            f"{shown(conversation_id)} is busy with another client's message{run}. Yours was not sent: call "
            "wait_for_reply, then send it again."
        )
        self.run_id = run_id


class ApprovalPending(LettaFailure):
    """Tool calls wait for a person's decision; our message was not taken."""

    def __init__(self, conversation_id: str) -> None:
        super().__init__(
            f"A tool call waits for approval in {shown(conversation_id)}, so your message was not sent. Call "
            "retrieve_conversation to see it, then answer_approval."
        )


class ApprovalsMismatch(LettaFailure):
    """Decisions that don't fit what waits for one: all parallel calls are answered together, and nothing else."""

    def __init__(self, conversation_id: str, problems: list[str], pending: list[str]) -> None:
        what = f"Waiting for a decision: {', '.join(pending)}." if pending else "Nothing waits for a decision there."
        super().__init__(
            f"No decision was passed on in {shown(conversation_id)}: {'; '.join(problems)}. {what} Call "
            "retrieve_conversation to see what is pending; it is safe to call again."
        )


class CancelWouldDeny(LettaFailure):
    """Letta denies what is pending in an agent's own thread whenever one of the agent's runs is cancelled."""

    def __init__(self, conversation_id: str) -> None:
        super().__init__(
            f"Nothing was cancelled: it would make Letta deny the tool call that waits in {shown(conversation_id)}. "
            "Have the person decide on that first (retrieve_conversation shows it), then cancel again."
        )


class NothingToCancel(LettaFailure):
    """No run goes on, so none can be stopped."""

    def __init__(self, conversation_id: str, run_id: str | None = None) -> None:
        what = f"Run {shown(run_id)} has ended already" if run_id else f"Nothing is running in {shown(conversation_id)}"
        super().__init__(f"{what}, so nothing was cancelled. Call wait_for_reply to see how the last reply ended.")


class NotOurRun(LettaFailure):
    """A run that this process did not start, which is not ours to stop."""

    def __init__(self, conversation_id: str, run_id: str) -> None:
        super().__init__(
            f"Run {shown(run_id)} in {shown(conversation_id)} was started by another client, or before this server "
            "started, so it was not cancelled. Call wait_for_reply to follow it; the person can stop it in Letta."
        )
