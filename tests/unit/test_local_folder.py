"""What a Letta of one's own is told never to do."""

import pytest

from letta_conv_mcp.local.folder import server_settings


@pytest.mark.parametrize(
    ("tools", "denied"),
    [
        ((), ["Bash", "exec_command", "Agent", "Task", "Workflow"]),
        (("Read", "Edit"), ["Bash", "exec_command", "Agent", "Task", "Workflow"]),
        (("Read", "Bash"), ["Agent", "Task", "Workflow"]),
        (("exec_command",), ["Agent", "Task", "Workflow"]),
    ],
)
def test_a_shell_is_denied_unless_it_is_named_by_either_name_and_other_agents_always(
    tools: tuple[str, ...], denied: list[str]
) -> None:
    """APP SERVER: a rule for one of a shell's two names holds for the other as well."""
    settings = server_settings(tools)

    assert settings["permissions"] == {"deny": denied, "allow": ["memory_replace"]}
    assert settings["reflectionTrigger"] == "off"
