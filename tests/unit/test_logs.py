"""The lines on stderr."""

import logging

import pytest

from letta_conv_mcp.logs import CONTENT, NAME, LineFormatter, set_levels
from letta_conv_mcp.settings import Settings


def line(message: str = "turn ended", **fields: object) -> str:
    record = logging.LogRecord("letta_conv_mcp.turns", logging.INFO, "", 0, message, (), None)
    record.created = 1_795_000_000.25
    record.fields = fields
    return LineFormatter().format(record)


def test_a_line_is_time_level_module_event_and_pairs() -> None:
    assert line(conversation_id="conv-1", seconds=0.25, is_ours=True, run_id=None) == (
        "2026-11-18T11:06:40.250Z INFO letta_conv_mcp.turns turn ended conversation_id=conv-1 seconds=0.25 is_ours=true"
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("", 'text=""'),
        ("two words", 'text="two words"'),
        ("a=b", 'text="a=b"'),
        ('say "hi"', 'text="say \\"hi\\""'),
        ("one\ntwo\x1b[31m", 'text="one\\ntwo\\u001b[31m"'),
        ("Grüße", "text=Grüße"),
    ],
)
def test_a_value_can_neither_pass_for_another_pair_nor_for_another_line(value: str, shown: str) -> None:
    """Ours: ids and words come from elsewhere, and a log is read line by line."""
    assert line(text=value).endswith(f" {shown}")


def test_a_traceback_follows_its_line() -> None:
    record = logging.LogRecord(NAME, logging.ERROR, "", 0, "A turn broke.", (), (ValueError, ValueError("why"), None))

    first, *others = LineFormatter().format(record).splitlines()

    assert first.endswith("ERROR letta_conv_mcp A turn broke.")
    assert others == ["ValueError: why"]


@pytest.mark.parametrize("log_content", [True, False])
def test_what_is_said_has_a_switch_of_its_own(log_content: bool) -> None:
    set_levels(Settings(log_level="ERROR", log_content=log_content))

    assert logging.getLogger(CONTENT).isEnabledFor(logging.INFO) is log_content
    assert not logging.getLogger(NAME).isEnabledFor(logging.INFO)
