"""Imports run one way, and the heavy ones happen late."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import letta_conv_mcp

PACKAGE = Path(letta_conv_mcp.__file__).parent
ORDER: list[set[str]] = [
    {"errors.failure"},
    {"errors.changing", "errors.keeping", "errors.arguments", "errors.reach", "errors.talking"},
    {"errors"},
    {"views", "settings", "walk", "cancels", "uris", "instructions"},
    {"logs", "state.folder", "state.keys"},
    {"state.sqlite_keys"},
    {"letta.content", "letta.outgoing"},
    {"letta.events", "letta.records", "letta.rest_messages", "transcript", "state.exports", "branches"},
    {
        "formats",
        "letta.paging",
        "letta.port",
        "letta.rest_failures",
        "letta.appserver_echoes",
        "letta.appserver_server",
    },
    {"letta.rest_connection", "letta.appserver_json", "letta.appserver_legs", "letta.appserver_socket"},
    {"letta.rest_runs", "letta.rest_probe", "letta.appserver_questions", "letta.appserver_memory", "history", "keyed"},
    {"letta.appserver_connections", "search", "exporting"},
    {"letta.appserver_talks"},
    {"letta.appserver_link"},
    {"letta.appserver_runs", "letta.rest_changes"},
    {"letta.appserver_changes"},
    {"letta.rest", "letta.appserver"},
    {"local.folder", "local.providers", "local.standin", "local.supervisor", "local.launcher"},
    {"local.child"},
    {"local.server"},
    {"local.opening"},
    {"letta.naming"},
    {"letta.limited"},
    {"letta.opening"},
    {"turns.draft", "turns.decisions", "turns.journal", "turns.freshness"},
    {"turns.reply"},
    {"turns.turn", "turns.recover"},
    {"turns.reader", "turns.queues", "turns.memories"},
    {"turns.sender"},
    {"turns.hub", "recent", "watches"},
    {"subscribers"},
    {"app"},
    {"tools.arguments", "tools.render", "tools.links", "tools.progress", "tools.images"},
    {"tools.offered", "tools.consent", "tools.selection"},
    {"tools.waiting"},
    {"tools.agents"},
    {
        *("tools.conversations", "tools.messages", "tools.approvals", "tools.manage", "tools.memory"),
        *("tools.deletion", "tools.keyed", "tools.exports", "tools.comparison"),
    },
    {"tools", "resources", "conversation_names", "subscriptions"},
    {"prompts"},
    {"completions", "prompt_serving"},
    {"server"},
    {"cli.typewriter", "cli.doctor", "cli.asking", "cli.own_server", "cli.chat_text", "transports.stdio"},
    {"cli.demo", "cli.setup_local", "cli.chat_commands", "cli.chat_views", "cli.chat_screen", "cli.chat_signals"},
    {"cli.chat_feed", "cli.chat_terminal", "cli.chat_pipe"},
    {"cli.chat_talk", "cli.chat_lists", "cli.chat_first", "cli.chat_consent"},
    {"cli.chat_room"},
    {"cli.chat"},
    {"__main__"},
]
"""From the ground up; a module imports only what stands above it in this list, never its neighbours."""
NO_CODE = {"", "letta", "local", "state", "turns", "cli", "transports"}
PURE = {
    "letta.appserver_echoes",
    "letta.appserver_json",
    "letta.appserver_questions",
    "letta.content",
    "letta.events",
    "letta.outgoing",
    "letta.paging",
    "letta.records",
    "letta.rest_messages",
    "local.providers",
    "cancels",
    "cli.chat_commands",
    "cli.chat_feed",
    "cli.chat_text",
    "cli.chat_views",
    "branches",
    "uris",
    "instructions",
    "tools.images",
    "turns.decisions",
    "turns.draft",
    "turns.freshness",
    "turns.reply",
    "views",
    "transcript",
    "formats",
}
CLIENT_MODULES = {"letta.rest_failures", "letta.rest_connection"}


@cache
def modules() -> tuple[tuple[str, ast.Module], ...]:
    """Every module's name within the package, and its code."""
    return tuple(_modules())


def _modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").rstrip(".")
        yield name, ast.parse(path.read_text(encoding="utf-8"))


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def ours(tree: ast.AST) -> set[str]:
    """The modules of the package that a module imports."""
    known = {name for name, _ in modules()}
    found = {
        name.removeprefix("letta_conv_mcp").lstrip(".") for name in imports(tree) if name.startswith("letta_conv_mcp")
    }
    return found & (known - NO_CODE)


def test_every_module_has_its_place() -> None:
    placed = set[str]().union(*ORDER)

    assert {name for name, _ in modules()} - NO_CODE == placed


def test_a_module_imports_only_what_lies_below_it() -> None:
    height = {name: level for level, names in enumerate(ORDER) for name in names}
    upward = {
        (name, imported)
        for name, tree in modules()
        if name not in NO_CODE
        for imported in ours(tree)
        if height[imported] >= height[name]
    }

    assert upward == set()


def test_only_the_rest_modules_name_letta_client() -> None:
    namers = {name for name, tree in modules() if any(found.split(".")[0] == "letta_client" for found in imports(tree))}

    assert namers == CLIENT_MODULES


def test_only_one_module_names_websockets() -> None:
    namers = {name for name, tree in modules() if any(found.split(".")[0] == "websockets" for found in imports(tree))}

    assert namers == {"letta.appserver_socket"}


def test_only_one_module_names_the_terminal_library() -> None:
    namers = {name for name, tree in modules() if any(f.split(".")[0] == "prompt_toolkit" for f in imports(tree))}

    assert namers == {"cli.chat_terminal"}


def test_nothing_of_letta_and_of_turns_names_mcp() -> None:
    for name, tree in modules():
        if name.startswith(("letta.", "local.", "turns.")) or name in ("recent", "watches", "subscribers"):
            assert not [found for found in imports(tree) if found.split(".")[0] in ("mcp", "mcp_types")], name


def test_pure_modules_do_no_io() -> None:
    for name, tree in modules():
        if name in PURE:
            outside = {found.split(".")[0] for found in imports(tree)} & {"anyio", "asyncio", "httpx", "os", "mcp"}
            assert not outside, name
            assert not [node for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef | ast.Await)], name


def test_only_the_command_line_reads_the_environment() -> None:
    readers = {
        name
        for name, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "argv")
    }

    # The demo's and the chat's server process is passed the environment; the last two are programs of their own.
    assert readers == {"__main__", "cli.own_server", "local.supervisor", "local.launcher"}


def test_building_a_server_imports_no_letta_client() -> None:
    """Ours: it takes half a second, and hosts wait for the start."""
    program = "import sys, letta_conv_mcp as l; l.build_server(l.Settings(base_url='http://x')); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    late = {"letta_client", "httpx", "websockets", "prompt_toolkit"}
    assert not {name.partition(".")[0] for name in done.stdout.split()} & late
