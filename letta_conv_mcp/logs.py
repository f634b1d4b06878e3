"""What goes to stderr, in lines that a program can read: time, level, module, event, then `name=value` pairs.

Never what people say, and never a key. Messages and replies have a logger of their own, which is silent unless
`--log-content` is given.
"""

import json
import logging
from datetime import UTC, datetime
from typing import cast

from letta_conv_mcp.settings import Settings

NAME = "letta_conv_mcp"
CONTENT = f"{NAME}.content"


class LineFormatter(logging.Formatter):
    """`2026-11-24T10:00:00.123Z INFO letta_conv_mcp.turns.journal turn ended conversation_id=conv-1 seconds=0.2`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and a traceback below it where there is one."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        fields = cast("dict[str, object]", getattr(record, "fields", {}))
        pairs = [f"{name}={_value(value)}" for name, value in fields.items() if value is not None]
        line = " ".join([at, record.levelname, record.name, record.getMessage(), *pairs])
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def open_logs() -> None:
    """Send our own lines to stderr, for a process that is ours alone. The libraries' lines stay as they are."""
    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter())
    logger = logging.getLogger(NAME)
    logger.handlers[:] = [handler]
    logger.propagate = False


def set_levels(settings: Settings) -> None:
    """Apply a server's settings to our own loggers only: at DEBUG the libraries below log what people say."""
    logging.getLogger(NAME).setLevel(settings.log_level)
    logging.getLogger(CONTENT).setLevel(logging.INFO if settings.log_content else logging.CRITICAL)


def _value(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    is_plain = text and all(letter.isprintable() and letter not in ' "=' for letter in text)
    return text if is_plain else json.dumps(text, ensure_ascii=False)
