"""Settings from an environment and flags."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from letta_conv_mcp.errors import SettingsError
from letta_conv_mcp.settings import ALL_TOOLSETS, CLOUD_ADDRESS, MAX_WAIT_SECONDS, Settings, settings_from_env

KEY = "sk-let-0123456789"
VARIABLES = {
    "base_url": "LETTA_BASE_URL",
    "agent_id": "LETTA_AGENT_ID",
    "wait_seconds": "LETTA_CONV_WAIT_SECONDS",
    "on_cancel": "LETTA_CONV_ON_CANCEL",
    "refresh_memory": "LETTA_CONV_REFRESH_MEMORY",
    "elicitation": "LETTA_CONV_ELICITATION",
    "log_level": "LETTA_CONV_LOG_LEVEL",
    "log_content": "LETTA_CONV_LOG_CONTENT",
    "toolsets": "LETTA_CONV_TOOLSETS",
    "tools": "LETTA_CONV_TOOLS",
    "exclude_tools": "LETTA_CONV_EXCLUDE_TOOLS",
    "agents": "LETTA_CONV_AGENTS",
    "read_only": "LETTA_CONV_READ_ONLY",
    "local_tools": "LETTA_CONV_LOCAL_TOOLS",
}
BAD_VALUES = [
    ("base_url", "localhost:8283"),
    ("base_url", "letta"),
    ("base_url", "ftp://letta.example"),
    ("base_url", "http://"),
    ("base_url", "http://letta.example?x=1"),
    ("base_url", "http://letta.example#x"),
    ("base_url", "http://me:hunter2@letta.example"),
    ("base_url", "http://me@letta.example"),
    ("base_url", "http://:hunter2@letta.example"),
    ("base_url", "http://me:hunter2@letta.example:eighty"),
    ("base_url", "http://me:hunter2@[::1"),
    ("base_url", "http://me:hunter2/@letta.example"),
    ("base_url", "me:hunter2@letta.example:8283"),
    ("base_url", "ws://me:hunter2@letta.example"),
    ("base_url", "http://[::1"),
    ("base_url", "http://letta.example]"),
    ("base_url", "http://letta.example:eighty"),
    ("base_url", "http://letta.example:0"),
    ("base_url", "http://letta.example:65536"),
    ("base_url", "http://:8283"),
    ("base_url", "ws://"),
    ("base_url", "ws://127.0.0.1:4500?x=1"),
    ("toolsets", "core,everything"),
    ("toolsets", "core memory"),
    ("toolsets", " , "),
    ("tools", ","),
    ("exclude_tools", ","),
    ("agents", " , "),
    ("read_only", "yes"),
    ("local_tools", "Read Write"),
    ("local_tools", "Read,../Write"),
    ("local_tools", "Read,Agent"),
    ("local_tools", "Workflow"),
    ("wait_seconds", "soon"),
    ("wait_seconds", "-1"),
    ("wait_seconds", str(MAX_WAIT_SECONDS + 1)),
    ("wait_seconds", "nan"),
    ("wait_seconds", "inf"),
    ("log_level", "LOUD"),
    ("log_level", "CRITICAL"),
    ("on_cancel", "maybe"),
    ("elicitation", "true"),
    ("log_content", "1"),
]


def sentence_of(environment: dict[str, str], **flags: str) -> str:
    with pytest.raises(SettingsError) as caught:
        settings_from_env(environment, **flags)
    return str(caught.value)


def test_every_variable_has_its_field() -> None:
    environment = {
        "LETTA_API_KEY": KEY,
        "LETTA_BASE_URL": "http://127.0.0.1:8283",
        "LETTA_AGENT_ID": "Ada",
        "LETTA_CONV_WAIT_SECONDS": "7.5",
        "LETTA_CONV_ON_CANCEL": "Stop",
        "LETTA_CONV_ELICITATION": "OFF",
        "LETTA_CONV_TOOLSETS": "core, memory",
        "LETTA_CONV_TOOLS": "fork_conversation, update_conversation",
        "LETTA_CONV_EXCLUDE_TOOLS": "cancel_reply",
        "LETTA_CONV_READ_ONLY": "On",
        "LETTA_CONV_AGENTS": "Ada, agent-1",
        "LETTA_CONV_LOG_LEVEL": "debug",
        "LETTA_CONV_LOG_CONTENT": "on",
        "LETTA_CONV_UNHEARD_OF": "x",
        "PATH": "/bin",
    }

    assert settings_from_env(environment) == Settings(
        api_key=SecretStr(KEY),
        base_url="http://127.0.0.1:8283",
        agent_id="Ada",
        wait_seconds=7.5,
        on_cancel="stop",
        elicitation=False,
        toolsets=("core", "memory"),
        tools=("fork_conversation", "update_conversation"),
        exclude_tools=("cancel_reply",),
        read_only=True,
        agents=("Ada", "agent-1"),
        log_level="DEBUG",
        log_content=True,
        local_environment={"PATH": "/bin"},
    )


def test_every_flag_has_its_field_and_wins_over_its_variable() -> None:
    environment = {
        "LETTA_BASE_URL": "http://other.example",
        "LETTA_AGENT_ID": "other",
        "LETTA_CONV_WAIT_SECONDS": "99",
        "LETTA_CONV_ON_CANCEL": "auto",
        "LETTA_CONV_ELICITATION": "on",
        "LETTA_CONV_LOG_LEVEL": "ERROR",
        "LETTA_CONV_LOG_CONTENT": "off",
    }
    flags = {
        "base_url": "http://127.0.0.1:8283",
        "agent_id": "Ada",
        "wait_seconds": "7.5",
        "on_cancel": "leave",
        "elicitation": "off",
        "log_level": "info",
        "log_content": "on",
    }

    assert settings_from_env(environment, **flags) == Settings(
        base_url="http://127.0.0.1:8283",
        agent_id="Ada",
        wait_seconds=7.5,
        on_cancel="leave",
        elicitation=False,
        log_level="INFO",
        log_content=True,
    )


def test_a_good_flag_wins_over_a_bad_variable() -> None:
    """Ours: what isn't used isn't looked at."""
    environment = {"LETTA_BASE_URL": "nonsense", "LETTA_CONV_WAIT_SECONDS": "soon", "LETTA_CONV_LOG_LEVEL": "LOUD"}
    flags = {"base_url": "http://letta.example", "wait_seconds": "1", "log_level": "ERROR"}

    assert settings_from_env(environment, **flags) == Settings(
        base_url="http://letta.example", wait_seconds=1, log_level="ERROR"
    )


def test_all_toolsets_have_a_word() -> None:
    assert settings_from_env({}, toolsets="all").toolsets == ALL_TOOLSETS


def test_where_one_agent_can_be_reached_it_is_the_default_one() -> None:
    assert settings_from_env({}, agents="Ada").agent_id == "Ada"
    assert settings_from_env({}, agents="Ada,Bob").agent_id is None
    assert settings_from_env({"LETTA_AGENT_ID": "Bob"}, agents="Ada").agent_id == "Bob"


def test_a_flag_that_is_none_leaves_its_variable_alone() -> None:
    assert settings_from_env({"LETTA_AGENT_ID": "Ada"}, agent_id=None) == Settings(agent_id="Ada")


@pytest.mark.parametrize("environment", [{}, dict.fromkeys(("LETTA_API_KEY", *VARIABLES.values()), " ")])
def test_nothing_set_and_everything_empty_give_the_defaults(environment: dict[str, str]) -> None:
    """Ours: hosts pass on empty values for what their users left out."""
    assert settings_from_env(environment) == Settings()


@pytest.mark.parametrize("empty", ["", " ", None])
def test_an_empty_flag_leaves_its_variable_alone_too(empty: str | None) -> None:
    """Ours: a host's configuration may pass on a flag whose value its user left out."""
    environment = {
        "LETTA_BASE_URL": "http://letta.example",
        "LETTA_AGENT_ID": "Ada",
        "LETTA_CONV_WAIT_SECONDS": "7.5",
        "LETTA_CONV_LOG_LEVEL": "DEBUG",
    }
    flags = dict.fromkeys(VARIABLES, empty)

    assert settings_from_env(environment, **flags) == settings_from_env(environment)
    assert settings_from_env({}, **flags) == Settings()


def test_a_key_alone_means_letta_cloud() -> None:
    assert settings_from_env({"LETTA_API_KEY": KEY}) == Settings(api_key=SecretStr(KEY), base_url=CLOUD_ADDRESS)


def test_a_key_with_an_address_is_for_that_address() -> None:
    settings = settings_from_env({"LETTA_API_KEY": f" {KEY}\n", "LETTA_BASE_URL": "http://letta.example"})

    assert settings == Settings(api_key=SecretStr(KEY), base_url="http://letta.example")


@pytest.mark.parametrize(
    "address",
    [
        "http://letta.example/base",
        "http://letta.example/base/",
        "http://letta.example/base//",
        "http://letta.example/base/v1",
        "http://letta.example/base/v1/",
        "  http://letta.example/base/v1/  ",
    ],
)
def test_an_address_may_end_as_the_api_does(address: str) -> None:
    """letta-client adds /v1 to each path."""
    assert settings_from_env({"LETTA_BASE_URL": address}).base_url == "http://letta.example/base"


@pytest.mark.parametrize("address", ["http://letta.example/v12", "https://letta.example:8283", "http://[::1]:8283"])
def test_an_address_that_only_looks_like_it_stays_as_it_is(address: str) -> None:
    assert settings_from_env({"LETTA_BASE_URL": address}).base_url == address


@pytest.mark.parametrize(("field", "value"), BAD_VALUES)
def test_a_bad_value_names_its_variable_or_its_flag_and_never_shows_the_key(field: str, value: str) -> None:
    """Ours: secrets appear in no error."""
    variable, flag = VARIABLES[field], f"--{field.replace('_', '-')}"

    by_variable = sentence_of({"LETTA_API_KEY": KEY, variable: value})
    by_flag = sentence_of({"LETTA_API_KEY": KEY}, **{field: value})

    assert by_variable.startswith(variable)
    assert by_flag.startswith(flag)
    assert KEY not in by_variable + by_flag
    assert "hunter2" not in by_variable + by_flag


@pytest.mark.parametrize("key", [f"{KEY}é", f"{KEY} x", f"{KEY}\nx", f"{KEY}\x00", f"“{KEY}”"])
def test_a_key_that_was_pasted_badly_is_refused_without_being_shown(key: str) -> None:
    """Ours: an HTTP header can't hold it, and an error of the HTTP library would show it."""
    assert sentence_of({"LETTA_API_KEY": key}) == "LETTA_API_KEY holds a character that no key has; paste it again."


def test_a_password_in_an_address_without_a_scheme_is_not_shown_either() -> None:
    """Ours: secrets appear in no error."""
    assert "hunter2" not in sentence_of({"LETTA_BASE_URL": "me:hunter2@letta.example:8283"})


@pytest.mark.parametrize("scheme", ["ws", "wss"])
@pytest.mark.parametrize("path", ["", "/", "/ws", "/ws/"])
def test_the_address_of_an_app_server_is_recognised_by_its_scheme(scheme: str, path: str) -> None:
    """Letta: an App Server speaks a WebSocket protocol, and prints its address with the path."""
    settings = settings_from_env({"LETTA_BASE_URL": f"{scheme}://127.0.0.1:4500{path}"})

    assert settings.is_app_server
    assert settings.base_url == f"{scheme}://127.0.0.1:4500"
    assert not settings_from_env({"LETTA_BASE_URL": "http://127.0.0.1:8283"}).is_app_server


def test_the_tools_of_an_app_server_are_named_one_by_one() -> None:
    assert settings_from_env({"LETTA_CONV_LOCAL_TOOLS": " Read, Edit ,"}).local_tools == ("Read", "Edit")


def test_a_tool_that_starts_other_agents_is_refused_with_the_reason() -> None:
    assert sentence_of({}, local_tools="Read,Task") == (
        "--local-tools can't have Task: it starts other agents, whose tools nobody is asked about."
    )


@given(st.text(max_size=30))
def test_no_address_ends_the_program_with_a_traceback(value: str) -> None:
    """Ours: it is taken, or refused in our words."""
    with suppress(SettingsError):
        assert settings_from_env({}, base_url=f"http://{value}").base_url is not None


@pytest.mark.parametrize(("value", "seconds"), [("0", 0), ("0.5", 0.5), (str(MAX_WAIT_SECONDS), MAX_WAIT_SECONDS)])
def test_a_wait_may_be_anything_from_nothing_to_an_hour(value: str, seconds: float) -> None:
    assert settings_from_env({"LETTA_CONV_WAIT_SECONDS": value}).wait_seconds == seconds


def test_settings_can_be_shown_without_showing_the_key() -> None:
    """Ours: secrets appear in no repr."""
    settings = settings_from_env({"LETTA_API_KEY": KEY})

    assert KEY not in repr(settings) + str(settings)
    assert settings.api_key is not None
    assert settings.api_key.get_secret_value() == KEY
