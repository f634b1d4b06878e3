"""Whether a conversation's prompt tells of its agent's memory as it is now. Pure, over text.

A Letta server compiles the memory into the prompt when a conversation is made, and leaves it there: 0.16.8 says neither
when that was nor when a block changed, so the one is held against the other. On 0.16.8 each block stands between
`<value>` lines, with numbered lines for some models.
"""

import re
from collections.abc import Mapping

_MEMORY = re.compile(r"<memory_blocks>.*</memory_blocks>", re.DOTALL)
_METADATA = re.compile(r"<memory_metadata>.*?</memory_metadata>", re.DOTALL)
"""Tells when the prompt was made, among other things that are no memory."""


def tells_all(prompt: str, values: Mapping[str, str]) -> bool:
    """Whether these blocks and no others stand in a prompt. False where it is written in a way that isn't known."""
    section = _MEMORY.search(prompt)
    memory = section.group() if section else ""
    is_counted = memory.count("<value>\n") == len(values)
    return is_counted and all(_stands_in(memory, label, value) for label, value in values.items())


def is_other(before: str, after: str) -> bool:
    """Whether a prompt says something else than it did, apart from when it was made."""
    return _METADATA.sub("", before) != _METADATA.sub("", after)


def _stands_in(memory: str, label: str, value: str) -> bool:
    numbered = "\n".join(f"{number}→ {line}" for number, line in enumerate(value.split("\n"), start=1))
    return any(f"<value>\n{text}\n</value>\n</{label}>" in memory for text in (value, numbered))
