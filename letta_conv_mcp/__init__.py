"""Letta conversations as MCP tools.

`build_server(Settings(...))` makes a server to run in a program of one's own; the command `letta-conv-mcp` does so
from the environment. Both names are imported late, so that `--version` answers at once.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Settings", "__version__", "build_server"]

if TYPE_CHECKING:
    from letta_conv_mcp.server import build_server
    from letta_conv_mcp.settings import Settings


def __getattr__(name: str) -> Any:
    match name:
        case "build_server":
            from letta_conv_mcp.server import build_server

            return build_server
        case "Settings":
            from letta_conv_mcp.settings import Settings

            return Settings
        case _:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
