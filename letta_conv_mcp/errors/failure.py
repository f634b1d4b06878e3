"""What every failure has in common."""

from mcp.server.mcpserver.exceptions import ResourceError, ToolError

ID_CHARS = 100


class SettingsError(Exception):
    """A flag or environment variable that can't be used; ends the program before it serves."""


class LettaFailure(ToolError, ResourceError):
    """Something a call could not do. The text is ours and safe to show to a model.

    Attributes:
        retry_after: the seconds that Letta asks its callers to wait; None where it names none.
    """

    retry_after: float | None = None


def shown(value: str) -> str:
    """A value for a sentence: in quotes, and cut where it is long."""
    return repr(value if len(value) <= ID_CHARS else f"{value[:ID_CHARS]}…")
