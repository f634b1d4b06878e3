"""How a server is set up: `Settings`, and the pure functions that make one from an environment.

Nothing here reads the process's environment; `__main__` does, and passes it on as a mapping.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias, cast, get_args
from urllib.parse import urlsplit

from pydantic import SecretStr

from letta_conv_mcp.errors import SettingsError

CLOUD_ADDRESS = "https://api.letta.com"
LOCAL = "local"
"""In the place of an address: a Letta on this machine, started by us."""
Toolset: TypeAlias = Literal["core", "manage", "memory", "agents", "patterns"]
DEFAULT_TOOLSETS: tuple[Toolset, ...] = ("core", "manage")
ALL_TOOLSETS: tuple[Toolset, ...] = get_args(Toolset)
OnCancel: TypeAlias = Literal["auto", "stop", "leave"]
RefreshMemory: TypeAlias = Literal["auto", "never"]
LogLevel: TypeAlias = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
MAX_WAIT_SECONDS = 3600
APP_SERVER_SCHEMES = ("ws", "wss")
UNASKED_TOOLS = ("Agent", "Task", "Workflow", "SendAgentMessage", "Skill")
"""What an App Server's agent would do through these, it would do unasked."""

PASSED_ON = (
    *("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"),
    *("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "OPENROUTER_API_KEY"),
    *("LMSTUDIO_API_KEY", "LMSTUDIO_BASE_URL", "LLAMA_CPP_API_KEY", "LLAMA_CPP_BASE_URL", "OLLAMA_BASE_URL"),
)
"""What a Letta that we start is told of our environment."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What one server needs to know.

    Attributes:
        api_key: the Letta key; None where the server wants none.
        base_url: the Letta's address without a trailing slash or `/v1`; None means nothing is configured.
        agent_id: the agent to use where a tool is given none, by id or exact name.
        wait_seconds: how long a tool waits for a reply unless told otherwise, in seconds.
        on_cancel: what a call that the host cancels does to its run: "stop" stops it, "leave" leaves it alone, "auto"
            stops it unless the host says that it was a time-out.
        refresh_memory: what is done before a message where the prompt is older than the agent's memory: "auto" makes it
            anew, "never" leaves it.
        elicitation: whether the host's person is asked for approvals where the host can ask.
        toolsets: the groups of tools that are offered; None for the default ones, or none where `tools` names some.
        tools: further tools that are offered, by name.
        exclude_tools: tools that are not offered.
        read_only: whether only tools that change nothing are offered, whatever else is chosen.
        agents: the only agents that can be reached, by id or exact name; none for all.
        log_level: what goes to stderr.
        log_content: whether messages and replies are logged too.
        local_tools: the tools of an App Server that its agents may ask a person to use.
        local_dir: where a Letta that we start keeps everything; None for the usual place.
        local_model: the model of agents that are made there, by its handle; None for the one that was set up.
        state_dir: where this program keeps what Letta has no place for; None for the usual place.
        local_environment: what that Letta is told of our environment, keys of model providers among it.
    """

    api_key: SecretStr | None = None
    base_url: str | None = None
    agent_id: str | None = None
    wait_seconds: float = 45
    on_cancel: OnCancel = "auto"
    refresh_memory: RefreshMemory = "auto"
    elicitation: bool = True
    toolsets: tuple[Toolset, ...] | None = None
    tools: tuple[str, ...] = ()
    exclude_tools: tuple[str, ...] = ()
    read_only: bool = False
    agents: tuple[str, ...] = ()
    log_level: LogLevel = "WARNING"
    log_content: bool = False
    local_tools: tuple[str, ...] = ()
    local_dir: str | None = None
    local_model: str | None = None
    state_dir: str | None = None
    local_environment: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    @property
    def is_local(self) -> bool:
        """Whether it is one that we start."""
        return self.base_url == LOCAL

    @property
    def is_app_server(self) -> bool:
        """Whether the address is that of a Letta App Server."""
        return urlsplit(self.base_url or "").scheme in APP_SERVER_SCHEMES


def settings_from_env(environment: Mapping[str, str], has_local: bool = False, /, **flags: str | None) -> Settings:
    """The settings that an environment and command-line flags name together.

    Args:
        environment: names to values; `LETTA_…` names are read, and an empty value counts as unset. What a Letta that
            we start may be told is kept.
        has_local: whether a Letta that we could start is installed; it is taken where nothing else is named.
        flags: values by `Settings` field; a flag that isn't empty wins over its variable.

    Raises:
        SettingsError: a value can't be used; the message names the variable or flag, and never holds the key.
    """

    def chosen(field: str, variable: str) -> tuple[str | None, str]:
        if flag := (flags.get(field) or "").strip():
            return flag, f"--{field.replace('_', '-')}"
        return environment.get(variable, "").strip() or None, variable

    api_key = environment.get("LETTA_API_KEY", "").strip() or None
    base_url = _address(*chosen("base_url", "LETTA_BASE_URL"))
    if base_url is None and api_key:
        base_url = CLOUD_ADDRESS
    elif base_url is None and has_local:
        base_url = LOCAL
    agents = _names(*chosen("agents", "LETTA_CONV_AGENTS"))
    return Settings(
        api_key=_key(api_key),
        base_url=base_url,
        # Where there is one agent, nobody needs to name it.
        agent_id=chosen("agent_id", "LETTA_AGENT_ID")[0] or (agents[0] if len(agents) == 1 else None),
        wait_seconds=_wait_seconds(*chosen("wait_seconds", "LETTA_CONV_WAIT_SECONDS")),
        on_cancel=_on_cancel(*chosen("on_cancel", "LETTA_CONV_ON_CANCEL")),
        refresh_memory=_refresh_memory(*chosen("refresh_memory", "LETTA_CONV_REFRESH_MEMORY")),
        elicitation=_switch(*chosen("elicitation", "LETTA_CONV_ELICITATION"), default=Settings.elicitation),
        toolsets=_toolsets(*chosen("toolsets", "LETTA_CONV_TOOLSETS")),
        tools=_names(*chosen("tools", "LETTA_CONV_TOOLS")),
        exclude_tools=_names(*chosen("exclude_tools", "LETTA_CONV_EXCLUDE_TOOLS")),
        read_only=_switch(*chosen("read_only", "LETTA_CONV_READ_ONLY"), default=Settings.read_only),
        agents=agents,
        log_level=_log_level(*chosen("log_level", "LETTA_CONV_LOG_LEVEL")),
        log_content=_switch(*chosen("log_content", "LETTA_CONV_LOG_CONTENT"), default=Settings.log_content),
        local_tools=_local_tools(*chosen("local_tools", "LETTA_CONV_LOCAL_TOOLS")),
        local_dir=_absolute(*chosen("local_dir", "LETTA_CONV_LOCAL_DIR")),
        local_model=chosen("local_model", "LETTA_LOCAL_MODEL")[0],
        state_dir=_absolute(*chosen("state_dir", "LETTA_CONV_STATE_DIR")),
        local_environment={name: environment[name] for name in PASSED_ON if environment.get(name)},
    )


def _key(value: str | None) -> SecretStr | None:
    if value is None:
        return None
    if not value.isascii() or not value.isprintable() or " " in value:
        raise SettingsError("LETTA_API_KEY holds a character that no key has; paste it again.")
    return SecretStr(value)


def _address(value: str | None, name: str) -> str | None:
    if value is None or value == LOCAL:
        return value
    try:
        parts = urlsplit(value)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise SettingsError(f"{name} is not an address: a bracket or the port in it is wrong.") from None
    if "@" in value:
        raise SettingsError(f"{name} must not hold a user name or password; the key goes into LETTA_API_KEY.")
    if parts.scheme not in ("http", "https", *APP_SERVER_SCHEMES) or not has_host:
        # What has a port is an address without http://. Anything else may be a key in the wrong place.
        shown = f", got {value!r}" if value.rpartition(":")[2].isdecimal() else ""
        raise SettingsError(f"{name} must be an http, https, ws or wss address, or local{shown}.")
    if parts.query or parts.fragment:
        raise SettingsError(f"{name} must be a plain address without ? or #.")
    # People paste the address of the API itself; letta-client adds /v1 to each path, and we /ws to an App Server's.
    ending = "/ws" if parts.scheme in APP_SERVER_SCHEMES else "/v1"
    return value.rstrip("/").removesuffix(ending).rstrip("/")


def _absolute(value: str | None, name: str) -> str | None:
    if value is None:
        return None
    try:
        path = Path(value).expanduser()
    except RuntimeError:
        raise SettingsError(f"{name} names the home of a user who isn't known here, got {value!r}.") from None
    if not path.is_absolute():
        # Hosts start servers wherever they like.
        raise SettingsError(f"{name} must be a whole path, from the root or from ~, got {value!r}.")
    return str(path)


def _wait_seconds(value: str | None, name: str) -> float:
    if value is None:
        return Settings.wait_seconds
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= MAX_WAIT_SECONDS:
        raise SettingsError(f"{name} must be a number of seconds from 0 to {MAX_WAIT_SECONDS}, got {value!r}.")
    return seconds


def _names(value: str | None, name: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in (value or "").split(",") if part.strip())
    if value and not names:
        # As if nothing had been said, everything would be open.
        raise SettingsError(f"{name} names nothing, got {value!r}.")
    return names


def _toolsets(value: str | None, name: str) -> tuple[Toolset, ...] | None:
    toolsets = _names(value, name)
    if "all" in toolsets:
        return ALL_TOOLSETS
    return tuple(cast("Toolset", _one_of((*ALL_TOOLSETS, "all"), toolset, name)) for toolset in toolsets) or None


def _local_tools(value: str | None, name: str) -> tuple[str, ...]:
    tools = _names(value, name)
    for tool in tools:
        if not tool.isidentifier():
            raise SettingsError(f"{name} must be names of tools with commas between them, got {tool!r}.")
        if tool in UNASKED_TOOLS:
            raise SettingsError(f"{name} can't have {tool}: it starts other agents, whose tools nobody is asked about.")
    return tools


def _on_cancel(value: str | None, name: str) -> OnCancel:
    return cast("OnCancel", _one_of(get_args(OnCancel), value.lower(), name)) if value else Settings.on_cancel


def _refresh_memory(value: str | None, name: str) -> RefreshMemory:
    allowed = get_args(RefreshMemory)
    return cast("RefreshMemory", _one_of(allowed, value.lower(), name)) if value else Settings.refresh_memory


def _log_level(value: str | None, name: str) -> LogLevel:
    return cast("LogLevel", _one_of(get_args(LogLevel), value.upper(), name)) if value else Settings.log_level


def _switch(value: str | None, name: str, *, default: bool) -> bool:
    return _one_of(("on", "off"), value.lower(), name) == "on" if value else default


def _one_of(allowed: tuple[str, ...], value: str, name: str) -> str:
    if value not in allowed:
        raise SettingsError(f"{name} must be one of {', '.join(allowed)}, got {value!r}.")
    return value
