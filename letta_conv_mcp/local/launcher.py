"""Becomes the App Server: `launcher.py SETTINGS PACKAGES ARGUMENTS …`, a script of its own that the supervisor runs.

By then the lock is held: nobody else writes to the store, or obeys the settings.
"""

import os
import sys
from pathlib import Path


def main() -> None:
    settings, packages = sys.argv.pop(1), sys.argv.pop(1)
    # Where the package is installed for one user only, an isolated Python doesn't look.
    sys.path.append(packages)
    write_settings(Path(os.environ["HOME"]), settings)
    set_aside_empty(Path(os.environ["LETTA_LOCAL_BACKEND_DIR"]))
    # The package's own start: it puts itself in the place of this process.
    from letta_code import main as become_server  # pyright: ignore[reportMissingTypeStubs]

    sys.exit(become_server())


def write_settings(home: Path, settings: str) -> None:
    """Write the server's settings, whatever it has made of them before."""
    folder = home / ".letta"
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / "settings.json").unlink(missing_ok=True)
    with os.fdopen(os.open(folder / "settings.json", os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
        file.write(settings)


def set_aside_empty(store: Path) -> None:
    """Rename the records that a full disk left begun and empty: a single one keeps the server from starting."""
    for pattern in ("agents/*.json", "conversations/*/*.json"):
        for path in store.glob(pattern):
            if path.stat().st_size == 0:
                path.rename(f"{path}.empty")


if __name__ == "__main__":
    main()
