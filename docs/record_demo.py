"""Makes `docs/demo.svg`, the picture in the README, from a real run of the demo. Run by `make picture`."""

import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

from pygments.formatters import SvgFormatter
from pygments.token import Name, Text, _TokenType

PICTURE = Path(__file__).with_name("demo.svg")
LINE = 19
WIDTH = 860


def main() -> None:
    """Play the demo on the Letta that is configured, and keep what a terminal would show."""
    played = subprocess.run(
        [sys.executable, "-m", "letta_conv_mcp", "demo"], capture_output=True, text=True, check=True
    ).stdout
    lines = ["$ letta-conv-mcp demo", *played.splitlines()]
    drawn = StringIO()
    formatter = SvgFormatter[str](style="monokai", nowrap=True, fontsize="14px", xoffset=16, yoffset=28, ystep=LINE)
    formatter.format(_tokens(lines), drawn)  # pyright: ignore[reportUnknownMemberType]
    PICTURE.write_text(_framed(drawn.getvalue(), height=LINE * len(lines) + 32), encoding="utf-8")


def _tokens(lines: list[str]) -> Iterator[tuple[_TokenType, str]]:
    for line in lines:
        yield Name.Function if line.startswith((">", "$")) else Text, f"{line}\n"


def _framed(text: str, *, height: int) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="monospace">\n'
        f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#272822"/>\n'
        f'<g fill="#f8f8f2" font-size="14px">\n{text}</g>\n</svg>\n'
    )


if __name__ == "__main__":
    main()
