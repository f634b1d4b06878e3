"""What happens to a turn on its way: lines in the log, and a span for those who collect traces.

Ids, states, durations and counts; what was said only in a logger of its own, silent unless it is asked for. Without
a collector the span costs nothing.
"""

import logging
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from time import perf_counter

from opentelemetry import trace
from opentelemetry.trace import Span, Status, StatusCode

from letta_conv_mcp.logs import CONTENT

_logger = logging.getLogger(__name__)
_content = logging.getLogger(CONTENT)
_tracer = trace.get_tracer("letta_conv_mcp")

Value = str | int | float | bool | None


class Journal:
    """The story of one turn.

    Args:
        conversation_id: stands on every line.
    """

    def __init__(self, conversation_id: str) -> None:
        self._conversation_id = conversation_id
        self._span: Span = trace.INVALID_SPAN
        self._counts: Counter[str] = Counter()

    @contextmanager
    def kept(self, **about: Value) -> Generator[None]:
        """Within it the turn goes on: its span, a child of the request's that started it."""
        with _tracer.start_as_current_span("letta.turn", record_exception=False, set_status_on_exception=False) as span:
            self._span = span
            span.set_attributes(_given({"letta.conversation_id": self._conversation_id, **_prefixed(about)}))
            self._since = perf_counter()
            yield

    def note(self, event: str, *, level: int = logging.INFO, **about: Value) -> None:
        """Something happened on the way: a repeat, a resumption, a wait for another client."""
        self._counts[event] += 1
        self._span.add_event(event, _given(about))
        _log(_logger, event, {"conversation_id": self._conversation_id, **about}, level)

    def said(self, who: str, text: str) -> None:
        """Words, for those who want them in their log."""
        _log(_content, who, {"conversation_id": self._conversation_id, "text": text})

    def end(self, *, failed: bool, **about: Value) -> None:
        """How the turn ended."""
        counts = {f"{event.replace(' ', '_')}_count": number for event, number in self._counts.items()}
        told = {**about, "seconds": round(perf_counter() - self._since, 3), **counts}
        self._span.set_attributes(_given(_prefixed(told)))
        if failed:
            self._span.set_status(Status(StatusCode.ERROR))
        _log(_logger, "turn ended", {"conversation_id": self._conversation_id, **told})


def _log(logger: logging.Logger, event: str, fields: dict[str, Value], level: int = logging.INFO) -> None:
    logger.log(level, event, extra={"fields": fields})


def _prefixed(about: dict[str, Value]) -> dict[str, Value]:
    return {f"letta.{name}": value for name, value in about.items()}


def _given(about: dict[str, Value]) -> dict[str, str | int | float | bool]:
    return {name: value for name, value in about.items() if value is not None}
