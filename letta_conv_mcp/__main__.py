"""The command line: the only reader of argv and the environment, and the only exit.

`--help` and `--version` answer without importing mcp or letta-client, which take a second.
"""

import argparse
import gc
import os
import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec

from letta_conv_mcp import __version__

DESCRIPTION = "Letta conversations as tools for any MCP host. Without a command it serves MCP on stdin and stdout."
EPILOG = """\
environment:
  LETTA_API_KEY            the key for Letta Cloud, a server's password, or an App Server's token
  LETTA_BASE_URL           a Letta server's address, an App Server's with ws://, or local for one on this machine that
                           is started when needed; default: Letta Cloud where a key is set, else local where installed
  LETTA_AGENT_ID           the agent to use where none is named, by id or exact name
  LETTA_CONV_WAIT_SECONDS  how long a tool waits for a reply unless told otherwise; default 45
  LETTA_CONV_ON_CANCEL     what a cancelled call does to its run: auto, stop or leave; default auto
  LETTA_CONV_REFRESH_MEMORY
                           never: leave conversations at the memory that they began with; default auto
  LETTA_CONV_ELICITATION   off: never ask the host's person for approvals; default on
  LETTA_CONV_TOOLSETS      groups of tools to offer: core, manage, memory, agents, patterns or all; default
                           core,manage
  LETTA_CONV_TOOLS         further tools to offer; without toolsets, these alone
  LETTA_CONV_EXCLUDE_TOOLS tools not to offer
  LETTA_CONV_READ_ONLY     on: offer only tools that change nothing; default off
  LETTA_CONV_AGENTS        the only agents that can be reached, by id or exact name; default all
  LETTA_CONV_LOG_LEVEL     DEBUG, INFO, WARNING or ERROR; default WARNING
  LETTA_CONV_LOG_CONTENT   on: log messages and replies too; default off
  LETTA_CONV_LOCAL_TOOLS   tools of an App Server that its agents may ask a person to use; default none
  LETTA_CONV_LOCAL_DIR     where a Letta on this machine keeps everything; default: among this user's data
  LETTA_CONV_STATE_DIR     where this program keeps its map of keys, and exports; default: among this user's state
  LETTA_LOCAL_MODEL        the model of agents made there; default: the one that setup-local has set up

The key has no flag: a command line can be read by everybody on the machine.
"""

SETUP = "setup_"
"""What the flags of setup-local begin with, to be told from the settings."""


def main() -> None:
    """Run the command that argv names, and exit with its status."""
    # What imports make stays for good; to look through it again and again takes a tenth of the start.
    gc.disable()
    run = _command(sys.argv[1:])
    gc.freeze()
    # A full look takes a tenth of a second, in which no turn gets on, and by default two hundred turns cause several.
    gc.set_threshold(10_000, 20, 20)
    gc.enable()
    try:
        sys.exit(run())
    except KeyboardInterrupt:
        # Of who runs the demo or the doctor; the server itself ends in order.
        sys.exit(130)


def _command(arguments: list[str]) -> Callable[[], int]:
    """Everything up to the point where the command does its work; what is returned does it."""
    options = vars(_parser().parse_args(arguments))
    command = options.pop("command")
    for_setup = {name.removeprefix(SETUP): options.pop(name) for name in list(options) if name.startswith(SETUP)}
    # Imported only now, because they bring mcp.
    from letta_conv_mcp.errors import SettingsError
    from letta_conv_mcp.logs import open_logs
    from letta_conv_mcp.settings import settings_from_env

    try:
        settings = settings_from_env(os.environ, find_spec("letta_code") is not None, **options)
    except SettingsError as error:
        return partial(_refused, error)
    open_logs()
    match command:
        case "chat":
            from letta_conv_mcp.cli.chat import run_chat

            return partial(run_chat, settings)
        case "demo":
            from letta_conv_mcp.cli.demo import run_demo

            return partial(run_demo, settings)
        case "doctor":
            from letta_conv_mcp.cli.doctor import run_doctor

            return partial(run_doctor, settings)
        case "setup-local":
            from letta_conv_mcp.cli.setup_local import Wanted, run_setup_local

            return partial(run_setup_local, settings, Wanted(**for_setup))
        case _:
            from letta_conv_mcp.cancels import Cancels
            from letta_conv_mcp.server import build_server
            from letta_conv_mcp.transports.stdio import run_stdio

            cancels = Cancels()
            try:
                server = build_server(settings, cancels=cancels)
            except SettingsError as error:
                return partial(_refused, error)
            return partial(run_stdio, server, cancels)


def _refused(error: Exception) -> int:
    print(f"letta-conv-mcp: {error}", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    shared.add_argument("--base-url", metavar="URL", help="a Letta server's address (LETTA_BASE_URL)")
    shared.add_argument("--agent-id", metavar="ID", help="the agent to use where none is named (LETTA_AGENT_ID)")
    shared.add_argument("--wait-seconds", metavar="N", help="how long to wait for a reply (LETTA_CONV_WAIT_SECONDS)")
    shared.add_argument("--on-cancel", metavar="MODE", help="auto, stop or leave (LETTA_CONV_ON_CANCEL)")
    shared.add_argument(
        "--refresh-memory",
        metavar="MODE",
        help="auto, or never to leave conversations at the memory that they began with (LETTA_CONV_REFRESH_MEMORY)",
    )
    shared.add_argument(
        "--no-elicitation",
        dest="elicitation",
        action="store_const",
        const="off",
        help="never ask the host's person for approvals (LETTA_CONV_ELICITATION)",
    )
    shared.add_argument("--agents", metavar="NAMES", help="the only agents that can be reached (LETTA_CONV_AGENTS)")
    shared.add_argument(
        "--log-content",
        action="store_const",
        const="on",
        help="log messages and replies too (LETTA_CONV_LOG_CONTENT)",
    )
    shared.add_argument(
        "--local-tools",
        metavar="NAMES",
        help="tools of an App Server that its agents may ask a person to use (LETTA_CONV_LOCAL_TOOLS)",
    )
    shared.add_argument(
        "--local-dir", metavar="PATH", help="where a Letta on this machine keeps everything (LETTA_CONV_LOCAL_DIR)"
    )
    shared.add_argument(
        "--state-dir", metavar="PATH", help="where the map of keys and exports are kept (LETTA_CONV_STATE_DIR)"
    )
    shared.add_argument("--local-model", metavar="HANDLE", help="the model of agents made there (LETTA_LOCAL_MODEL)")
    shared.add_argument("--log-level", metavar="LEVEL", help="what goes to stderr (LETTA_CONV_LOG_LEVEL)")
    # For what a model is offered; what a person runs reaches every tool.
    offering = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    offering.add_argument("--toolsets", metavar="NAMES", help="groups of tools to offer (LETTA_CONV_TOOLSETS)")
    offering.add_argument("--tools", metavar="NAMES", help="further tools to offer (LETTA_CONV_TOOLS)")
    offering.add_argument("--exclude-tools", metavar="NAMES", help="tools not to offer (LETTA_CONV_EXCLUDE_TOOLS)")
    offering.add_argument(
        "--read-only",
        action="store_const",
        const="on",
        help="offer only tools that change nothing (LETTA_CONV_READ_ONLY)",
    )
    parser = argparse.ArgumentParser(
        prog="letta-conv-mcp",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[shared, offering],
        # It would take a command's --agent for one of its own that begin so.
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"letta-conv-mcp {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    chat = commands.add_parser("chat", parents=[shared], help="talk to an agent in this terminal")
    # Without a default of their own, which would win over the flags of the same name.
    chat.add_argument(
        "-a", "--agent", metavar="AGENT", dest="agent_id", default=argparse.SUPPRESS, help="as --agent-id"
    )
    chat.add_argument("-u", metavar="URL", dest="base_url", default=argparse.SUPPRESS, help="as --base-url")
    commands.add_parser("demo", parents=[shared], help="play a tour through a real server process")
    commands.add_parser("doctor", parents=[shared], help="check configuration, connection and key")
    setup = commands.add_parser("setup-local", parents=[shared], help="set up a model for a Letta on this machine")
    for flag, metavar, about in (
        ("--provider", "ID", "ollama, lmstudio, llama-cpp, openai-compatible, anthropic or openai"),
        ("--address", "URL", "where the provider is"),
        ("--model", "NAME", "the model's name there"),
        ("--agent", "NAME", "make an agent of this name"),
        ("--persona", "TEXT", "what that agent is like, in its own words"),
        ("--human", "TEXT", "what it should know about you"),
    ):
        setup.add_argument(flag, metavar=metavar, help=about, dest=f"{SETUP}{flag.removeprefix('--')}")
    setup.add_argument(
        "--key-stdin", action="store_true", help="read the provider's key from stdin", dest=f"{SETUP}key_from_stdin"
    )
    return parser


if __name__ == "__main__":
    main()
