"""What the process of our own server is told."""

from dataclasses import fields

from pydantic import SecretStr

from letta_conv_mcp.cli.own_server import _environment
from letta_conv_mcp.settings import Settings, settings_from_env

NOT_PASSED_ON = {"toolsets", "tools", "exclude_tools", "read_only", "local_environment"}
"""The first are chosen for a model and don't bind a person; the last is read from the same environment anew."""


def test_every_setting_reaches_the_server_process() -> None:
    """Ours: flags of the demo and of the chat count for the server that they start."""
    given = Settings(
        api_key=SecretStr("sk-0123"),
        base_url="http://127.0.0.1:1",
        agent_id="Ada",
        wait_seconds=7,
        on_cancel="leave",
        refresh_memory="never",
        elicitation=False,
        agents=("Ada", "Bo"),
        log_level="INFO",
        log_content=True,
        local_tools=("Read", "Edit"),
        local_dir="/nowhere",
        local_model="ollama/x",
        state_dir="/nowhere/else",
    )

    told = settings_from_env(_environment(given))

    names = {field.name for field in fields(Settings)} - NOT_PASSED_ON
    assert {name: getattr(told, name) for name in names} == {name: getattr(given, name) for name in names}
    # What isn't the default was passed on: a setting that is added has to be added above.
    assert all(getattr(given, name) != getattr(Settings(), name) for name in names)
