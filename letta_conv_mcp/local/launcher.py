"""Becomes the App Server, once its store is such that it starts: a script of its own, run by the supervisor.

By then the lock is held, so that nobody else writes there.
"""

import os
import sys
from pathlib import Path


def main() -> None:
    set_aside_empty(Path(os.environ["LETTA_LOCAL_BACKEND_DIR"]))
    # The package's own start: it puts itself in the place of this process.
    from letta_code import main as become_server  # pyright: ignore[reportMissingTypeStubs]

    sys.exit(become_server())


def set_aside_empty(store: Path) -> None:
    """Rename the records that a full disk left begun and empty: a single one keeps the server from starting."""
    for pattern in ("agents/*.json", "conversations/*/*.json"):
        for path in store.glob(pattern):
            if path.stat().st_size == 0:
                path.rename(f"{path}.empty")


if __name__ == "__main__":
    main()
