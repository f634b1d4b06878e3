"""What a caller named: arguments, agents, conversations, runs, models."""

from mcp.server.mcpserver.exceptions import ResourceNotFoundError

from letta_conv_mcp.errors.failure import LettaFailure, shown


class InvalidArguments(LettaFailure, ResourceNotFoundError):
    """Arguments that don't fit a tool's input schema."""

    def __init__(self, tool: str, problems: list[str]) -> None:
        super().__init__(f"{tool} was not run: {'; '.join(problems)}. Correct the arguments and call it again.")


class AgentNotFound(LettaFailure, ResourceNotFoundError):
    """No agent has this id or name, or the key can't see it. Letta doesn't say which."""

    def __init__(self, agent_id: str) -> None:
        super().__init__(f"No agent {shown(agent_id)}. Call list_agents for the ids and names you can use.")


class AgentAmbiguous(LettaFailure):
    """Several agents share the name that was given."""

    def __init__(self, name: str, agent_ids: list[str]) -> None:
        super().__init__(
            f"Several agents are named {shown(name)}: {', '.join(agent_ids)}. Call list_agents to tell them apart, or "
            "ask the person, and use an id."
        )


class AgentNeeded(LettaFailure):
    """A tool that works on one agent was called without one, and none is set as default."""

    def __init__(self) -> None:
        super().__init__("No agent_id was given and LETTA_AGENT_ID sets no default. Call list_agents to choose one.")


class AgentsLimited(LettaFailure):
    """Agents are to be made by a server that is limited to certain ones."""

    def __init__(self) -> None:
        super().__init__(
            "This server may only reach certain agents, so none was made; the same call will fail again. The person "
            "can change that in its configuration (LETTA_CONV_AGENTS)."
        )


class ConversationNotFound(LettaFailure, ResourceNotFoundError):
    """No conversation has this id, or the key can't see it. Letta doesn't say which."""

    def __init__(self, conversation_id: str) -> None:
        super().__init__(f"No conversation {shown(conversation_id)}. Call list_conversations for the ids you can use.")


class ConversationAmbiguous(LettaFailure):
    """Several conversations have what a person wrote in their summary: pairs of id and summary."""

    def __init__(self, wanted: str, found: list[tuple[str, str]]) -> None:
        listed = ", ".join(f"{conversation_id} ({shown(summary)})" for conversation_id, summary in found)
        super().__init__(
            f"Several conversations have {shown(wanted)} in their summary. Use one of their ids: {listed}."
        )


class ConversationNeeded(LettaFailure):
    """The latest conversation is wanted, and there is none."""

    def __init__(self) -> None:
        super().__init__("There is no conversation yet. Call create_conversation to open one.")


class OwnThread(LettaFailure):
    """An agent's own thread was named where only other conversations will do. `what` completes "can't"."""

    def __init__(self, what: str) -> None:
        super().__init__(f"An agent's own thread can't {what}. Nothing was done; name another conversation.")


class RunNotFound(LettaFailure, ResourceNotFoundError):
    """No run has this id in the conversation, or the conversation has had none."""

    def __init__(self, conversation_id: str, run_id: str | None = None) -> None:
        if run_id is None:
            what = f"Nothing has been sent in {shown(conversation_id)} yet, so there is no reply to wait for."
        else:
            what = f"No run {shown(run_id)} in {shown(conversation_id)}."
        super().__init__(f"{what} Call get_history to see what was said there.")


class UnknownCursor(LettaFailure, ResourceNotFoundError):
    """A cursor that isn't from this list, or whose item is gone."""

    def __init__(self, name: str, value: str) -> None:
        super().__init__(f"The cursor {name}={shown(value)} is not from this list. Leave it out to start again.")


class ModelNeeded(LettaFailure):
    """An agent is to be made without a model on a Letta that chooses none by itself."""

    def __init__(self, wanted: str | None, offered: list[str]) -> None:
        what = f"This Letta offers no model {shown(wanted)}" if wanted else "The new agent needs a model"
        if offered:
            then = f"Offered: {', '.join(offered)}. Call create_agent with one of them as model."
        else:
            then = (
                "It offers none at all. Have the person connect one (to a Letta on this machine with "
                "`letta-conv-mcp setup-local`), then call again."
            )
        super().__init__(f"{what}, so no agent was made. {then}")


class ModelUnknown(LettaFailure):
    """The model that a message, its conversation or its agent is set to doesn't exist on this Letta."""

    def __init__(self, conversation_id: str, override: str | None = None) -> None:
        if override is not None:
            super().__init__(
                f"This Letta can't use the model {shown(override)}, so nothing was sent. Send the message again with "
                "another override_model, or without."
            )
            return
        super().__init__(
            f"The model that {shown(conversation_id)} or its agent is set to is not known to this Letta, so nothing "
            "was sent. Create a conversation with another model, or tell the person to set the agent's right."
        )
