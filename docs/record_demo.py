"""Makes `docs/demo.svg`, the picture in the README, from a real run of the demo. Run by `make picture`."""

import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

PICTURE = Path(__file__).with_name("demo.svg")
COLUMNS = 100


def main() -> None:
    """Play the demo on the Letta that is configured, and keep what a terminal would show."""
    played = subprocess.run(
        [sys.executable, "-m", "letta_conv_mcp", "demo"], capture_output=True, text=True, check=True
    ).stdout
    with Path("/dev/null").open("w") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True)
        console.print(Text("$ letta-conv-mcp demo", style="bold"))
        for line in played.splitlines():
            console.print(Text(line, style="bold cyan" if line.startswith("> ") else ""), overflow="fold")
        picture = console.export_svg(title="letta-conv-mcp demo")
    # Without the fonts that rich would have the reader's browser fetch.
    PICTURE.write_text(re.sub(r"@font-face \{.*?\}", "", picture, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    main()
