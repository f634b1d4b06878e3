"""Places where a turn or a request waits until a test lets it go on.

A message says where: `#hold NAME` before the model answers, `#hold NAME@3` after its third word.
"""

import asyncio
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from tests.stack.script import Prompt

HOLD = re.compile(r"#hold\s+(?P<name>[\w-]+)(?:@(?P<words>\d+))?\s*")


@dataclass
class Watch:
    """Lets a test's thread wait for something that the server's thread does."""

    changed: threading.Condition = field(default_factory=threading.Condition)

    def notify(self) -> None:
        with self.changed:
            self.changed.notify_all()

    def wait_until(self, is_true: Callable[[], object], within: float) -> None:
        deadline = time.monotonic() + within
        with self.changed:
            # Not everything that can be asked about is announced, so look again now and then.
            while not is_true():
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"It did not happen within {within} s.")
                self.changed.wait(min(left, 0.05))


@dataclass
class Holds:
    """Released once is released for good: a name lets through whoever comes later."""

    watch: Watch
    released: set[str] = field(default_factory=set[str])
    waiting: dict[str, int] = field(default_factory=lambda: defaultdict[str, int](int))
    bells: dict[str, asyncio.Event] = field(default_factory=dict[str, asyncio.Event])

    async def wait(self, name: str) -> None:
        bell = self.bells.setdefault(name, asyncio.Event())
        if name in self.released:
            return
        self.waiting[name] += 1
        self.watch.notify()
        try:
            await bell.wait()
        finally:
            self.waiting[name] -= 1

    def release(self, name: str) -> None:
        """To be called in the server's loop."""
        self.released.add(name)
        if bell := self.bells.get(name):
            bell.set()


def without_holds(prompt: Prompt) -> tuple[Prompt, dict[int, list[str]]]:
    """The prompt as the model reads it, and the names to wait for, by the number of words before them."""
    names: dict[int, list[str]] = {}
    for found in HOLD.finditer(prompt.text):
        names.setdefault(int(found["words"] or 0), []).append(found["name"])
    if not names:
        return prompt, names
    return replace(prompt, text=HOLD.sub("", prompt.text).strip()), names
