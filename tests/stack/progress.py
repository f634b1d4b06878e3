"""What the stack is doing, on stderr: the first start takes minutes, and silence looks like a hang."""

import sys


def tell(line: str) -> None:
    """One line of progress."""
    _ = sys.stderr.write(f"stack: {line}\n")
    sys.stderr.flush()
