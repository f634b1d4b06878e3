"""A real Letta server for tests and the demo: `python -m tests.stack up|down|status|run COMMAND …`.

Nothing of it is imported by the product, and nothing of it needs to be installed beforehand: what it runs is fetched
once and kept in LETTA_STACK_DIR. Tests use `open_stack`.
"""

from tests.stack.errors import StackError
from tests.stack.running import Running, down, open_stack, status, up
from tests.stack.variants import NO_REDIS, OPEN, Variant

__all__ = ["NO_REDIS", "OPEN", "Running", "StackError", "Variant", "down", "open_stack", "status", "up"]
