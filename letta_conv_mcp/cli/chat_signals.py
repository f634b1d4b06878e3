"""Ctrl-C and requests to end, as calls in the event loop.

Not by the loop's own handlers, which Windows lacks.
"""

import asyncio
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager


@contextmanager
def signals(*, interrupt: Callable[[], None], end: Callable[[int], None]) -> Generator[None]:
    """Within it signals are calls.

    Args:
        interrupt: called at Ctrl-C, where a terminal isn't held raw.
        end: called with the number of a signal that asks the program to end.
    """
    loop = asyncio.get_running_loop()
    actions: dict[int, Callable[[], None]] = {signal.SIGINT: interrupt}
    for name in ("SIGTERM", "SIGHUP"):
        if (number := getattr(signal, name, None)) is not None:
            actions[number] = _with(end, number)
    before = {number: signal.signal(number, _soon(loop, action)) for number, action in actions.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _with(action: Callable[[int], None], number: int) -> Callable[[], None]:
    return lambda: action(number)


def _soon(loop: asyncio.AbstractEventLoop, action: Callable[[], None]) -> Callable[[int, object], None]:
    return lambda _, __: loop.call_soon_threadsafe(action) and None
