"""The README is true: its tables come from the code, and what it tells people to run was run."""

import json
import os
import re
import tomllib
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from letta_conv_mcp import errors
from letta_conv_mcp.__main__ import EPILOG
from letta_conv_mcp.cli.chat_commands import COMMANDS, ListConversations, command_from_line
from letta_conv_mcp.cli.chat_consent import QUESTION
from letta_conv_mcp.cli.chat_room import HINT
from letta_conv_mcp.cli.chat_views import STOPPED
from letta_conv_mcp.errors import SettingsError
from letta_conv_mcp.prompts import PROMPTS
from letta_conv_mcp.settings import ALL_TOOLSETS, DEFAULT_TOOLSETS, Settings, settings_from_env
from letta_conv_mcp.tools import CATALOG, offered_tools
from letta_conv_mcp.turns import reply

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
MARKED = {
    name: re.compile(rf"(<!-- {name}: .*? -->\n).*?(<!-- /{name} -->)", re.DOTALL) for name in ("tools", "commands")
}
RUNS = {
    "claude mcp add letta --env LETTA_API_KEY=YOUR_KEY -- uvx letta-conv-mcp": "test_install_the_package_starts",
    "letta --backend local server --listen ws://127.0.0.1:4500": "by stack.app_server, on a free port",
    'uvx "letta-conv-mcp[local]" demo': "by test_cli.test_the_demo_makes_a_letta_of_its_own_where_none_is_configured",
    'uvx "letta-conv-mcp[local]" setup-local': "by test_setup_local",
    "uvx letta-conv-mcp chat --agent Ada": "by test_chat",
    "make demo": "by hand and by test_cli.test_the_demo_plays_the_whole_tour",
    "make test": "by .ci/run",
}
"""Every command of the README, and who runs it."""


def readme() -> str:
    return README.read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The README's code blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", readme(), re.DOTALL)


def tool_table() -> str:
    """The table of tools, made from the catalog."""
    lines = ["| Tool | Does | Changes something | Toolset |", "| --- | --- | --- | --- |"]
    for entry, tool in zip(CATALOG, offered_tools(Settings(toolsets=ALL_TOOLSETS)), strict=True):
        sentence = tool.description.split(".")[0]
        changes = "no" if entry.annotations.read_only_hint else "yes"
        lines.append(f"| `{tool.name}` | {sentence} | {changes} | {entry.toolset} |")
    return "\n".join(lines) + "\n"


def command_table() -> str:
    """The table of the chat's commands, made from its help."""
    lines = ["| Command | Does |", "| --- | --- |"]
    for command in COMMANDS:
        names = ", ".join(f"`/{name}`" for name in (command.name, *command.short))
        arguments = f" `{command.arguments}`".replace("|", "\\|") if command.arguments else ""
        lines.append(f"| {names}{arguments} | {command.about} |")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(("name", "table"), [("tools", tool_table), ("commands", command_table)])
def test_a_table_is_the_codes(name: str, table: Callable[[], str]) -> None:
    written = MARKED[name].sub(lambda found: found[1] + table() + found[2], readme())
    if os.environ.get("UPDATE_SNAPSHOTS"):
        README.write_text(written, encoding="utf-8")

    assert readme() == written


def test_every_setting_is_in_the_table_and_in_the_help() -> None:
    rows = re.findall(r"^\| `(LETTA_\w+)` \| (?:`(--[a-z-]+)`)?.*\| (.*) \|$", readme(), re.MULTILINE)

    flags = {name: flag for name, flag, _ in rows}
    settable = {field.name for field in fields(Settings)}
    named = {flag.removeprefix("--").removeprefix("no-").replace("-", "_") for flag in flags.values() if flag}
    assert named == settable - {"api_key", "local_environment"}
    assert all(name in EPILOG for name in flags)
    defaults = {name: default for name, _, default in rows}
    assert float(defaults["LETTA_CONV_WAIT_SECONDS"]) == Settings.wait_seconds
    assert defaults["LETTA_CONV_LOG_LEVEL"] == Settings.log_level
    assert defaults["LETTA_CONV_ON_CANCEL"] == Settings.on_cancel
    assert defaults["LETTA_CONV_REFRESH_MEMORY"] == Settings.refresh_memory
    assert (defaults["LETTA_CONV_ELICITATION"] == "on") == Settings.elicitation
    assert (defaults["LETTA_CONV_LOG_CONTENT"] == "on") == Settings.log_content
    assert (defaults["LETTA_CONV_LOCAL_TOOLS"] == "none") == (Settings.local_tools == ())
    assert defaults["LETTA_CONV_TOOLSETS"] == ",".join(DEFAULT_TOOLSETS)
    assert (defaults["LETTA_CONV_READ_ONLY"] == "on") == Settings.read_only
    assert (Settings.tools, Settings.exclude_tools, Settings.agents) == ((), (), ())
    assert (Settings.local_dir, Settings.local_model) == (None, None)


def test_the_table_of_prompts_is_the_codes() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*) \|", readme().partition("## Prompts")[2], re.MULTILINE)
    prompts = [
        (
            entry.name,
            ", ".join(argument.name if argument.required else f"[{argument.name}]" for argument in entry.arguments),
        )
        for entry in PROMPTS
    ]

    assert rows[: len(PROMPTS)] == prompts


def configured_servers() -> list[dict[str, Any]]:
    """The server entries of every configuration that the README and the example file show."""
    files = [json.loads(block) for block in blocks("json")]
    files.append(json.loads((ROOT / "claude_desktop_config.example.json").read_text(encoding="utf-8")))
    entries = [(file.get("mcpServers") or file["servers"])["letta"] for file in files]
    return [*entries, *(tomllib.loads(block)["mcp_servers"]["letta"] for block in blocks("toml"))]


def test_every_configuration_starts_the_same_command_with_an_explicit_key() -> None:
    """HOSTS: some hosts pass nothing of the shell's environment on."""
    servers = configured_servers()

    assert len(servers) == 5
    for server in servers:
        assert (server["command"], server["args"]) == ("uvx", ["letta-conv-mcp"])
        assert list(server["env"]) == ["LETTA_API_KEY"]


def test_a_key_that_was_not_filled_in_is_noticed_at_once() -> None:
    with pytest.raises(SettingsError, match="LETTA_API_KEY holds a character that no key has"):
        settings_from_env({"LETTA_API_KEY": "paste your key here"})


def test_every_command_is_one_that_somebody_runs() -> None:
    commands = [line for block in blocks("sh") for line in block.splitlines() if line]

    assert sorted(commands) == sorted(RUNS)


def test_the_troubleshooting_sentences_are_the_ones_that_tools_say() -> None:
    table = readme().partition("## Troubleshooting")[2].partition("## Develop")[0]
    quoted = re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)
    said = [
        str(errors.NotConfigured()),
        str(errors.NotAllowed("http://x", has_key=True)),
        str(errors.LettaUnavailable("http://x", "can't be reached")),
        str(errors.NotLetta("http://x")),
        str(errors.LocalUnusable("x")),
        str(errors.ModelNeeded(None, [])),
        str(errors.Redirected("http://x")),
        *(value for name, value in vars(reply).items() if name.startswith("_") and isinstance(value, str)),
        *(sentence for sentence, _ in reply._REASONS.values()),
    ]

    assert len(quoted) == 14
    for sentence in quoted:
        # A full stop stands for the rest of the sentence, an ellipsis for what differs.
        parts = [part.strip() for part in sentence.rstrip(".").split("…") if part.strip()]
        assert any(all(part in text for part in parts) for text in said), sentence


def test_the_picture_shows_the_demo_as_it_is_now() -> None:
    """It is made by `make picture` from a real run."""
    picture = (ROOT / "docs" / "demo.svg").read_text(encoding="utf-8").replace("&#160;", " ")

    assert (ROOT / "docs/demo.svg").name in readme()
    for words in ("> create_conversation: Demo: Bo", "You said: Hello! My name is Bo", "You have not told me anything"):
        assert words.replace(">", "&gt;") in picture or words in picture, words


def test_the_other_picture_shows_the_chat_as_it_is_now() -> None:
    """It is made by `make picture` from a real chat, and holds its own words."""
    with Image.open(ROOT / "docs" / "chat.png") as picture:
        shown = str(picture.info["Description"])

    assert "docs/chat.png" in readme()
    commands = {command_from_line(line.partition(" > ")[2]) for line in shown.splitlines() if " > " in line}
    assert ListConversations() in commands
    for words in (HINT.strip(), "Ada · Bo's colours > ", QUESTION.strip(), "thinking: ", "tool: lookup(", STOPPED):
        assert words in shown, words
