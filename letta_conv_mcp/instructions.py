"""What a host's model is told about this server as a whole: only of tools that are offered. Pure.

Claude Code cuts it at 2,048 characters.
"""

from collections.abc import Collection

_PARTS: tuple[tuple[frozenset[str], str], ...] = (
    (
        frozenset(),
        "Talk to Letta agents. An agent keeps memory and tools of its own and remembers across chats. A conversation "
        "is one isolated message thread on an agent: what is said in one is not seen in another, while memory blocks "
        "and tools are shared by all of an agent's conversations.\n\n",
    ),
    (
        frozenset({"list_conversations", "list_agents", "create_conversation", "send_message"}),
        "Start: to go on with something, list_conversations (search takes part of the summary); for something new, "
        "list_agents, then create_conversation with a short summary. Then send_message with the conversation's id. ",
    ),
    (
        frozenset(),
        "default:<agent_id> is the agent's own thread and works wherever a conversation id does.\n\n",
    ),
    (
        frozenset({"send_message", "wait_for_reply", "answer_approval"}),
        "Every reply has a `status`; read it before `text`:\n"
        "- completed: `text` is the whole reply.\n"
        "- running: the agent is still at work and `text` is what it said so far. Call wait_for_reply, also later or "
        "after a restart. Never send the message again.\n"
        "- awaiting_approval: the agent wants to run a tool and waits for a person. Show `approvals` and stop; "
        "answer_approval passes on what the person decides.\n"
        "- failed, cancelled, interrupted: `next_step` says what happened, what to do, and whether sending again is "
        "safe.\n\n",
    ),
    (
        frozenset({"send_message"}),
        "A message is spoken as the user; the agent may act on it and remembers it. ",
    ),
    (
        frozenset({"get_history"}),
        "To read without speaking use get_history (newest page first; go back with older_cursor). ",
    ),
    (
        frozenset(),
        "Lists come in pages: pass next_cursor on until it is null. Results that were cut say so and how to get the "
        "rest.",
    ),
)
"""Each part with the tools that it speaks of."""


def instructions_for(tools: Collection[str]) -> str:
    """The instructions of a server that offers these tools."""
    return "".join(text for needs, text in _PARTS if needs <= set(tools))
