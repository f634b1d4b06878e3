"""An event loop whose clock jumps to the next thing to do, so that a minute of waiting takes no time."""

import asyncio
import selectors


def virtual_loop() -> asyncio.AbstractEventLoop:
    """A loop for tests without input or output: where it would wait, it moves its clock instead."""
    selector = selectors.DefaultSelector()
    look = selector.select
    now = 0.0

    def jump(timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        nonlocal now
        if timeout is None:
            raise AssertionError("Everything waits, and nothing will happen any more.")
        now += timeout
        return look(0)

    loop = asyncio.SelectorEventLoop(selector)
    selector.select = jump
    loop.time = lambda: now
    return loop
