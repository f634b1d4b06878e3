"""What is typed in the chat, taken apart."""

import pytest

from letta_conv_mcp.cli.chat_commands import (
    COMMANDS,
    Command,
    Decide,
    ListConversations,
    New,
    Plain,
    Say,
    ShowHistory,
    Switch,
    SwitchAgent,
    Wrong,
    command_from_line,
    completions,
    help_lines,
    numbered,
    verdict_from_answer,
)


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("  hello there ", Say("hello there")),
        ("two\nlines", Say("two\nlines")),
        ("//etc/hosts is a file", Say("/etc/hosts is a file")),
        ("", None),
        (" \t ", None),
        ("/new", New()),
        ("/n Bo's colours ", New("Bo's colours")),
        ("/list", ListConversations()),
        ("/l", ListConversations()),
        ("/ls ALL", ListConversations(is_all=True)),
        ("/switch 3", Switch("3")),
        ("/s conv-1", Switch("conv-1")),
        ("/history", ShowHistory(10)),
        ("/h 250", ShowHistory(250)),
        ("/info", Plain("info")),
        ("/i", Plain("info")),
        ("/agents", Plain("agents")),
        ("/agent Ada Lovelace", SwitchAgent("Ada Lovelace")),
        ("/decide", Decide()),
        ("/decide approve", Decide("approve")),
        ("/decide DENY too much", Decide("deny", "too much")),
        ("/decide deny", Decide("deny")),
        ("/wait", Plain("wait")),
        ("/help", Plain("help")),
        ("/?", Plain("help")),
        ("/quit", Plain("quit")),
        ("/q", Plain("quit")),
        ("/EXIT", Plain("quit")),
    ],
)
def test_a_line_is_a_command_or_a_message(line: str, command: Command | None) -> None:
    assert command_from_line(line) == command


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("/nope", "There is no command /nope."),
        ("/", "There is no command /."),
        ("/switch", "/switch wants a number"),
        ("/agent", "/agent wants a number"),
        ("/history many", "/history takes a number from 1, got 'many'."),
        ("/history 0", "got '0'"),
        ("/history -3", "got '-3'"),
        ("/list some", "/list takes nothing"),
        ("/decide perhaps", "/decide takes approve"),
        ("/decide approve it all", "/decide takes approve"),
    ],
)
def test_what_can_not_be_done_is_said(line: str, words: str) -> None:
    command = command_from_line(line)

    assert isinstance(command, Wrong)
    assert words in command.sentence


@pytest.mark.parametrize(
    ("wanted", "place"), [("1", 0), ("3", 2), ("0", None), ("4", None), ("-1", None), ("²", None), ("x", None)]
)
def test_a_number_names_what_the_list_shows_and_nothing_beyond(wanted: str, place: int | None) -> None:
    assert numbered(wanted, 3) == place


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ("a", "approve"),
        (" Approve ", "approve"),
        ("d", "deny"),
        ("n", "not now"),
        ("", None),
        ("y", None),
        ("yes", None),
    ],
)
def test_only_an_explicit_answer_decides(answer: str, verdict: str | None) -> None:
    """Ours: an agent's wish is granted by nobody's habit of pressing Enter."""
    assert verdict_from_answer(answer) == verdict


def test_every_command_is_in_the_help_and_can_be_typed() -> None:
    text = "".join(piece for _, piece in help_lines())

    for command in COMMANDS:
        for name in (command.name, *command.short):
            assert f"/{name}" in text
            # Some want more than their name.
            assert "There is no command" not in str(command_from_line(f"/{name}"))


def test_the_beginning_of_a_command_is_completed_and_nothing_else() -> None:
    assert completions("/h") == ["/history", "/help"]
    assert completions("/A") == ["/agents", "/agent"]
    assert completions("/history ") == completions("hi") == completions("") == []
