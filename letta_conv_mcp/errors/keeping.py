"""Reading a whole history, watching it, and what this program keeps on its own disk."""

from mcp.server.mcpserver.exceptions import ResourceNotFoundError

from letta_conv_mcp.errors.failure import LettaFailure, shown


class HistoryTooLong(LettaFailure):
    """A compacted conversation that this Letta doesn't list at once, so that it can't be put in order."""

    def __init__(self, conversation_id: str) -> None:
        super().__init__(
            f"The history of {shown(conversation_id)} was compacted and is too long for this Letta to show it in "
            "order. Nothing was changed; read it in Letta itself."
        )


class HistoryChanged(LettaFailure):
    """A history that was compacted or cut, again and again, while it was read."""

    def __init__(self, conversation_id: str) -> None:
        super().__init__(
            f"The history of {shown(conversation_id)} was changed again and again while it was read. Nothing was "
            "exported; it is safe to try again when the conversation is at rest."
        )


class NotWatchable(LettaFailure):
    """A resource of which nothing tells when it changes."""

    def __init__(self, uri: str) -> None:
        super().__init__(
            f"{shown(uri)} can't be watched for changes, only what is below letta://conversations/ and a "
            "conversation's id. Read it again when you need it."
        )


class TooManyWatched(LettaFailure):
    """As much is watched for changes as this server watches at a time. `what` is counted."""

    def __init__(self, limit: int, what: str) -> None:
        super().__init__(
            f"This server tells of changes for {limit} {what} at most, and has as many already. End a subscription, "
            "then it is safe to try again."
        )


class ExportNotFound(LettaFailure, ResourceNotFoundError):
    """No export has this name, or its conversation is gone or out of bounds."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"No export {shown(name)} of a conversation that can be seen now; only the newest exports are kept. Call "
            "export_conversation to make one, which is safe."
        )


class ExportTooLong(LettaFailure):
    """An export that is too long to be read as one resource."""

    def __init__(self, path: str, size: int, most: int) -> None:
        super().__init__(
            f"The export is {size:,} bytes long, and at most {most:,} are read at once. Open the file {path} instead; "
            "the same call will fail again."
        )


class StateUnusable(LettaFailure):
    """The folder for what this program keeps itself can't be used. `problem` is a statement about it."""

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"This server's own folder can't be used: {problem}. Ask the person to put that right, or to set "
            "LETTA_CONV_STATE_DIR to another folder, where no key is known yet; then it is safe to try again."
        )


class KeyBusy(LettaFailure):
    """Another call is at work on the same key, for longer than we wait."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"Another call is still opening the conversation for {shown(key)}, or waits for Letta. This one made "
            "nothing; it is safe to try again."
        )


class OpeningUnclear(LettaFailure):
    """Letta's answer to the creation of a key's conversation was lost."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"Letta's answer was lost, so the conversation for {shown(key)} may or may not exist. Call "
            "open_conversation again, which is safe: it looks for that one before it makes another."
        )
