"""Everything that can go wrong and be said: one class a situation, each writing its own sentence.

What an agent did is a value (`views.Reply`); what a call could not do is one of these. The double base keeps
the sentence readable both from a tool and from a resource, since the MCP SDK hides the text of any other
exception. No sentence quotes Letta: its texts carry stack traces, database rows and other people's ids.
"""

from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError, ToolError

ID_CHARS = 100


def _shown(value: str) -> str:
    return repr(value if len(value) <= ID_CHARS else f"{value[:ID_CHARS]}…")


class SettingsError(Exception):
    """A flag or environment variable that can't be used; ends the program before it serves."""


class LettaFailure(ToolError, ResourceError):
    """Something a call could not do. The text is ours and safe to show to a model.

    Attributes:
        retry_after: the seconds that Letta asks its callers to wait; None where it names none.
    """

    retry_after: float | None = None


class NotConfigured(LettaFailure):
    """Neither a key nor an address was given."""

    def __init__(self) -> None:
        super().__init__(
            "No Letta is configured, so nothing was sent. Set LETTA_API_KEY for Letta Cloud, or LETTA_BASE_URL for a "
            "Letta server of your own, in the `env` of this server's entry in the host's configuration; or install "
            "letta-conv-mcp[local] in place of letta-conv-mcp, which brings a Letta to run on this machine."
        )


class LocalNotInstalled(LettaFailure):
    """A Letta on this machine is asked for, and the package that would be run is missing."""

    def __init__(self) -> None:
        super().__init__(
            "The Letta to run on this machine is not installed, so nothing was sent. Ask the person to install "
            "letta-conv-mcp[local] in place of letta-conv-mcp; trying again before that can't help."
        )


class LocalUnusable(LettaFailure):
    """The Letta on this machine can't be started. `problem` is a statement about it."""

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"Letta can't be started on this machine: {problem}. Nothing was sent; ask the person to put that right, "
            "then it is safe to try again."
        )
        self.problem = problem


class ModelNeeded(LettaFailure):
    """An agent is to be made without a model on a Letta that chooses none by itself."""

    def __init__(self, wanted: str | None, offered: list[str]) -> None:
        what = f"This Letta offers no model {_shown(wanted)}" if wanted else "The new agent needs a model"
        if offered:
            then = f"Offered: {', '.join(offered)}. Call create_agent with one of them as model."
        else:
            then = (
                "It offers none at all. Have the person connect one (to a Letta on this machine with "
                "`letta-conv-mcp setup-local`), then call again."
            )
        super().__init__(f"{what}, so no agent was made. {then}")


class AgentNotFound(LettaFailure, ResourceNotFoundError):
    """No agent has this id or name, or the key can't see it. Letta doesn't say which."""

    def __init__(self, agent_id: str) -> None:
        super().__init__(f"No agent {_shown(agent_id)}. Call list_agents for the ids and names you can use.")


class AgentAmbiguous(LettaFailure):
    """Several agents share the name that was given."""

    def __init__(self, name: str, agent_ids: list[str]) -> None:
        super().__init__(
            f"Several agents are named {_shown(name)}: {', '.join(agent_ids)}. Call list_agents to tell them apart, or "
            "ask the person, and use an id."
        )


class AgentNeeded(LettaFailure):
    """A tool that works on one agent was called without one, and none is set as default."""

    def __init__(self) -> None:
        super().__init__("No agent_id was given and LETTA_AGENT_ID sets no default. Call list_agents to choose one.")


class ConversationNotFound(LettaFailure, ResourceNotFoundError):
    """No conversation has this id, or the key can't see it. Letta doesn't say which."""

    def __init__(self, conversation_id: str) -> None:
        super().__init__(f"No conversation {_shown(conversation_id)}. Call list_conversations for the ids you can use.")


class ConversationAmbiguous(LettaFailure):
    """Several conversations have what a person wrote in their summary: pairs of id and summary."""

    def __init__(self, wanted: str, found: list[tuple[str, str]]) -> None:
        listed = ", ".join(f"{conversation_id} ({_shown(summary)})" for conversation_id, summary in found)
        super().__init__(
            f"Several conversations have {_shown(wanted)} in their summary. Use one of their ids: {listed}."
        )


class ConversationNeeded(LettaFailure):
    """The latest conversation is wanted, and there is none."""

    def __init__(self) -> None:
        super().__init__("There is no conversation yet. Call create_conversation to open one.")


class RunNotFound(LettaFailure, ResourceNotFoundError):
    """No run has this id in the conversation, or the conversation has had none."""

    def __init__(self, conversation_id: str, run_id: str | None = None) -> None:
        if run_id is None:
            what = f"Nothing has been sent in {_shown(conversation_id)} yet, so there is no reply to wait for."
        else:
            what = f"No run {_shown(run_id)} in {_shown(conversation_id)}."
        super().__init__(f"{what} Call get_history to see what was said there.")


class UnknownCursor(LettaFailure, ResourceNotFoundError):
    """A cursor that isn't from this list, or whose item is gone."""

    def __init__(self, name: str, value: str) -> None:
        super().__init__(f"The cursor {name}={_shown(value)} is not from this list. Leave it out to start again.")


class HistoryTooLong(LettaFailure):
    """A compacted conversation that this Letta doesn't list at once, so that it can't be put in order."""

    def __init__(self, conversation_id: str) -> None:
        super().__init__(
            f"The history of {_shown(conversation_id)} was compacted and is too long for this Letta to show it in "
            "order. Nothing was changed; read it in Letta itself."
        )


class NotWatchable(LettaFailure):
    """A resource of which nothing tells when it changes."""

    def __init__(self, uri: str) -> None:
        super().__init__(
            f"{_shown(uri)} can't be watched for changes, only what is below letta://conversations/ and a "
            "conversation's id. Read it again when you need it."
        )


class TooManyWatched(LettaFailure):
    """As much is watched for changes as this server watches at a time. `what` is counted."""

    def __init__(self, limit: int, what: str) -> None:
        super().__init__(f"{limit} {what} are watched or watch already. End a subscription, then try again.")


class HistoryChanged(LettaFailure):
    """A history that was compacted or cut, again and again, while it was read."""

    def __init__(self, conversation_id: str) -> None:
        super().__init__(
            f"The history of {_shown(conversation_id)} was changed again and again while it was read. Nothing was "
            "exported; it is safe to try again when the conversation is at rest."
        )


class ExportNotFound(LettaFailure, ResourceNotFoundError):
    """No export has this name, or its conversation is gone or out of bounds."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"No export {_shown(name)} of a conversation that can be seen now; only the newest exports are kept. Call "
            "export_conversation to make one, which is safe."
        )


class ExportTooLong(LettaFailure):
    """An export that is too long to be read as one resource."""

    def __init__(self, path: str, size: int, most: int) -> None:
        super().__init__(
            f"The export is {size:,} bytes long, and at most {most:,} are read at once. Open the file {path} instead; "
            "the same call will fail again."
        )


class ModelUnknown(LettaFailure):
    """The model that a message, its conversation or its agent is set to doesn't exist on this Letta."""

    def __init__(self, conversation_id: str, override: str | None = None) -> None:
        if override is not None:
            super().__init__(
                f"This Letta can't use the model {_shown(override)}, so nothing was sent. Send the message again with "
                "another override_model, or without."
            )
            return
        super().__init__(
            f"The model that {_shown(conversation_id)} or its agent is set to is not known to this Letta, so nothing "
            "was sent. Create a conversation with another model, or tell the person to set the agent's right."
        )


class Redirected(LettaFailure):
    """The address sends its callers elsewhere. A redirected POST would turn into a GET, and reads would work on."""

    def __init__(self, address: str) -> None:
        super().__init__(
            f"{address} redirects to another address, so nothing was done. Ask the person to set LETTA_BASE_URL to "
            "that address itself, often the same with https; trying again before that can't help."
        )


class InvalidArguments(LettaFailure, ResourceNotFoundError):
    """Arguments that don't fit a tool's input schema."""

    def __init__(self, tool: str, problems: list[str]) -> None:
        super().__init__(f"{tool} was not run: {'; '.join(problems)}. Correct the arguments and call it again.")


class CancelWouldDeny(LettaFailure):
    """Letta denies what is pending in an agent's own thread whenever one of the agent's runs is cancelled."""

    def __init__(self, conversation_id: str) -> None:
        super().__init__(
            f"Nothing was cancelled: it would make Letta deny the tool call that waits in {_shown(conversation_id)}. "
            "Have the person decide on that first (retrieve_conversation shows it), then cancel again."
        )


class NotAllowed(LettaFailure):
    """Letta refused the key: 401 or 403."""

    def __init__(self, address: str, *, has_key: bool) -> None:
        cause = "refused the key in LETTA_API_KEY" if has_key else "wants a key and LETTA_API_KEY is not set"
        super().__init__(
            f"Letta at {address} {cause}. Ask the person to set a valid key and restart this server; "
            "trying again before that can't help."
        )


class ConversationBusy(LettaFailure):
    """Another client's run holds the conversation; our message was not taken."""

    def __init__(self, conversation_id: str, run_id: str | None) -> None:
        run = f" (run {run_id})" if run_id else ""
        super().__init__(
            f"{_shown(conversation_id)} is busy with another client's message{run}. Yours was not sent: call "
            "wait_for_reply, then send it again."
        )
        self.run_id = run_id


class ApprovalPending(LettaFailure):
    """Tool calls wait for a person's decision; our message was not taken."""

    def __init__(self, conversation_id: str) -> None:
        super().__init__(
            f"A tool call waits for approval in {_shown(conversation_id)}, so your message was not sent. Call "
            "retrieve_conversation to see it, then answer_approval."
        )


class ApprovalsMismatch(LettaFailure):
    """Decisions that don't fit what waits for one: all parallel calls are answered together, and nothing else."""

    def __init__(self, conversation_id: str, problems: list[str], pending: list[str]) -> None:
        what = f"Waiting for a decision: {', '.join(pending)}." if pending else "Nothing waits for a decision there."
        super().__init__(
            f"No decision was passed on in {_shown(conversation_id)}: {'; '.join(problems)}. {what} Call "
            "retrieve_conversation to see what is pending; it is safe to call again."
        )


class NothingToCancel(LettaFailure):
    """No run goes on, so none can be stopped."""

    def __init__(self, conversation_id: str, run_id: str | None = None) -> None:
        what = (
            f"Run {_shown(run_id)} has ended already" if run_id else f"Nothing is running in {_shown(conversation_id)}"
        )
        super().__init__(f"{what}, so nothing was cancelled. Call wait_for_reply to see how the last reply ended.")


class NotOurRun(LettaFailure):
    """A run that this process did not start, which is not ours to stop."""

    def __init__(self, conversation_id: str, run_id: str) -> None:
        super().__init__(
            f"Run {_shown(run_id)} in {_shown(conversation_id)} was started by another client, or before this server "
            "started, so it was not cancelled. Call wait_for_reply to follow it; the person can stop it in Letta."
        )


class RequestRejected(LettaFailure):
    """Letta can't accept what was asked: a 4xx that no other class names."""

    def __init__(self, what: str, status: int) -> None:
        super().__init__(
            f"Letta did not accept {what} (HTTP {status}). Nothing was changed; the same call will fail again, "
            "so change its arguments."
        )


class RateLimited(LettaFailure):
    """429: too much for now, or for the account."""

    def __init__(self, retry_after: float | None) -> None:
        when = f"in {retry_after:.0f} seconds" if retry_after is not None else "in a minute"
        super().__init__(f"Letta is limiting requests. Nothing was done; it is safe to try again {when}.")
        self.retry_after = retry_after


class OutOfCredits(LettaFailure):
    """402, or a 429 that speaks of a quota: waiting doesn't help."""

    def __init__(self) -> None:
        super().__init__(
            "The Letta account is out of credits or over its quota. Nothing was done; tell the person, "
            "since trying again can't help until that is settled."
        )


class LettaUnavailable(LettaFailure):
    """No usable answer: no connection, a 5xx, a time-out. Only for what certainly changed nothing."""

    def __init__(self, address: str, problem: str, retry_after: float | None = None) -> None:
        super().__init__(f"Letta at {address} {problem}. Nothing was changed; it is safe to try again.")
        self.retry_after = retry_after


class OutcomeUnknown(LettaFailure):
    """A request that changes something got no usable answer, so it may or may not have been carried out.

    Attributes:
        is_repeatable: whether Letta takes the same request, with the same otid, for the same message.
    """

    def __init__(
        self, address: str, problem: str, check: str, *, is_repeatable: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(f"Letta at {address} {problem}. It may have been carried out: {check} before trying again.")
        self.is_repeatable = is_repeatable
        self.retry_after = retry_after


class NotLetta(LettaFailure):
    """Something answers at the address, but not as a Letta does."""

    def __init__(self, address: str) -> None:
        super().__init__(
            f"What answers at {address} is not a Letta. Ask the person to check LETTA_BASE_URL "
            "(`letta-conv-mcp doctor` tells what is there); trying again can't help."
        )


class BlockNotFound(LettaFailure):
    """An agent has no memory block of this label."""

    def __init__(self, agent_id: str, label: str) -> None:
        super().__init__(
            f"{_shown(agent_id)} has no memory block {_shown(label)}. Nothing was changed; use another label."
        )


class NotIsolated(LettaFailure):
    """A Letta that makes conversations, and keeps no memory blocks apart in them."""

    def __init__(self, conversation_id: str) -> None:
        super().__init__(
            f"Letta made {_shown(conversation_id)}, but keeps no memory blocks apart in it: all are shared there as "
            "elsewhere. Tell the person before you use it; trying again would make another one like it."
        )


class IsolationAtRisk(LettaFailure):
    """A recompile, which on 0.16.8 puts the agent's blocks in the place of a conversation's own."""

    def __init__(self, conversation_id: str) -> None:
        super().__init__(
            f"Nothing was done: {_shown(conversation_id)} has isolated memory blocks, and a recompile would put the "
            "agent's in their place. For the agent's memory as it is now, create another conversation."
        )


class BlockUnchangeable(LettaFailure):
    """A memory block can't get this value: it is read-only, or the value is too long."""

    def __init__(self, label: str, limit: int | None) -> None:
        why = "is read-only" if limit is None else f"holds {limit} characters at most"
        super().__init__(f"The memory block {_shown(label)} {why}. Nothing was changed; the same call will fail again.")


class TextNotThere(LettaFailure):
    """What is to be replaced in a memory block doesn't stand there exactly once."""

    def __init__(self, label: str, times: int) -> None:
        super().__init__(
            f"old_text stands {times} times in the memory block {_shown(label)}; it must stand there once. Nothing was "
            "changed: call read_memory, then use a part of what is there."
        )


class ConfirmationNeeded(LettaFailure):
    """A deletion that nobody has agreed to."""

    def __init__(self, conversation_id: str, *, was_asked: bool) -> None:
        if was_asked:
            then = "The person was asked and did not agree; don't call again unless they ask for it."
        else:
            then = "It can't be undone: ask the person, then call again with confirm true."
        super().__init__(f"{_shown(conversation_id)} was not deleted. {then}")


class AgentsLimited(LettaFailure):
    """Agents are to be made by a server that is limited to certain ones."""

    def __init__(self) -> None:
        super().__init__(
            "This server may only reach certain agents, so none was made; the same call will fail again. The person "
            "can change that in its configuration (LETTA_CONV_AGENTS)."
        )


class OwnThread(LettaFailure):
    """An agent's own thread was named where only other conversations will do. `what` completes "can't"."""

    def __init__(self, what: str) -> None:
        super().__init__(f"An agent's own thread can't {what}. Nothing was done; name another conversation.")


class NotSupported(LettaFailure):
    """This kind of Letta lacks it. `what` completes "can't"."""

    def __init__(self, what: str) -> None:
        super().__init__(f"A Letta App Server can't {what}. Nothing was done; the same call will fail again.")


class StateUnusable(LettaFailure):
    """The folder for what this program keeps itself can't be used. `problem` is a statement about it."""

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"What this server keeps on its own disk can't be used: {problem}. No conversation is made twice for "
            "that; ask the person to put it right or to set LETTA_CONV_STATE_DIR, then it is safe to try again."
        )


class KeyBusy(LettaFailure):
    """Another call is at work on the same key, for longer than we wait."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"Another call is still opening the conversation for {_shown(key)}, or waits for Letta. This one made "
            "nothing; it is safe to try again."
        )


class OpeningUnclear(LettaFailure):
    """Letta's answer to the creation of a key's conversation was lost."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"Letta's answer was lost, so the conversation for {_shown(key)} may or may not exist. Call "
            "open_conversation again, which is safe: it looks for that one before it makes another."
        )


class AppServerVersion(LettaFailure):
    """An App Server that speaks another version of its protocol."""

    def __init__(self, address: str, version: str) -> None:
        super().__init__(
            f"The Letta App Server at {address} speaks version {version} of its protocol, and this program only "
            "version 1. Nothing was sent; ask the person to update letta-conv-mcp or the App Server."
        )


class AppServerAddress(LettaFailure):
    """A Letta App Server, which speaks a WebSocket protocol, was given where REST is spoken."""

    def __init__(self, address: str) -> None:
        super().__init__(
            f"{address} is a Letta App Server, which is spoken to at an address with ws:// instead of http://. Ask the "
            "person to change LETTA_BASE_URL; trying again before that can't help."
        )
