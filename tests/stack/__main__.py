"""`python -m tests.stack up|down|status|run COMMAND …`"""

import argparse
import os
import signal
import subprocess
import sys

from tests.stack.errors import StackError
from tests.stack.progress import tell
from tests.stack.running import Running, down, open_stack, status, up
from tests.stack.seed import agent_named
from tests.stack.variants import OPEN, Variant


def main() -> int:
    """The exit status."""
    arguments = _parser().parse_args()
    # So that what `run` started is taken down when it is told to end.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        match arguments.action:
            case "up":
                return _up(_variant(arguments))
            case "down":
                return _down(_variant(arguments), open_only=arguments.open)
            case "status":
                return _status()
            case _:
                return _run(_variant(arguments), arguments.command, arguments.agent)
    except StackError as error:
        tell(str(error))
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    variant = argparse.ArgumentParser(add_help=False)
    variant.add_argument("--no-redis", action="store_true", help="a Letta without Redis")
    variant.add_argument("--password", metavar="PW", help="a Letta that asks for this password")
    parser = argparse.ArgumentParser(prog="python -m tests.stack", description="A real Letta for tests and the demo.")
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("up", parents=[variant], help="start it, and leave it running")
    ending = actions.add_parser("down", parents=[variant], help="stop it: every variant, or the one that is named")
    ending.add_argument("--open", action="store_true", help="the one with Redis and without a password")
    actions.add_parser("status", help="what runs; the exit status is 1 when no Letta does")
    running = actions.add_parser("run", parents=[variant], help="run a command with LETTA_BASE_URL of a running stack")
    running.add_argument("--agent", metavar="NAME", help="see that an agent of this name is there, as LETTA_AGENT_ID")
    running.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND …")
    return parser


def _variant(arguments: argparse.Namespace) -> Variant:
    return Variant(redis=not arguments.no_redis, password=arguments.password)


def _down(variant: Variant, *, open_only: bool) -> int:
    down(*((variant.name,) if open_only or variant != OPEN else ()))
    return 0


def _up(variant: Variant) -> int:
    running = up(variant)
    _say(f"Letta {running.base_url}, model {running.model_url}, handle {running.model_handle}")
    return 0


def _status() -> int:
    records = status()
    for name, record in records.items():
        _say(f"{name:24} {f'port {record.port}, pid {record.pid}' if record else '-'}")
    return 0 if any(record for name, record in records.items() if name.startswith("letta")) else 1


def _say(line: str) -> None:
    _ = sys.stdout.write(f"{line}\n")


def _run(variant: Variant, command: list[str], agent: str | None) -> int:
    if not command:
        raise StackError("run needs a command.")
    with open_stack(variant) as running:
        environment = _environment(running)
        if agent is not None:
            environment["LETTA_AGENT_ID"] = agent_named(running, agent)
        try:
            status = subprocess.run(command, env=environment, check=False).returncode
        except OSError as error:
            raise StackError(f"{command[0]!r} can't be run: {error.strerror}.") from error
    return status if status >= 0 else 128 - status


def _environment(running: Running) -> dict[str, str]:
    """Ours, with the address of the stack in it, and without a key for another Letta."""
    environment = {name: value for name, value in os.environ.items() if name != "LETTA_API_KEY"}
    environment["LETTA_BASE_URL"] = running.base_url
    if running.api_key is not None:
        environment["LETTA_API_KEY"] = running.api_key
    return environment


if __name__ == "__main__":
    sys.exit(main())
