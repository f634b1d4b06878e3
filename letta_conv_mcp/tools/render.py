"""A view as text and as structure: pure.

Some hosts show the model only the structure, others only the text, so each is complete on its own. The text is
made from the same dump, line by line; a test holds it to naming every value.
"""

from collections.abc import Mapping
from typing import Any, cast

from letta_conv_mcp.views import View


def structure_of(view: View) -> dict[str, Any]:
    """The JSON object that a tool returns."""
    return view.model_dump(mode="json")


def text_of(view: View) -> str:
    """The same as compact text: `name: value` lines, one line for each item of a list, nothing for what is unset."""
    return "\n".join(_lines(structure_of(view)))


def _lines(values: Mapping[str, object]) -> list[str]:
    lines: list[str] = []
    for name, value in values.items():
        if isinstance(value, list):
            items = cast("list[object]", value)
            lines.append(f"{name}:" if items else f"{name}: none")
            lines += [f"- {_inline(item)}" for item in items]
        elif isinstance(value, Mapping):
            lines.append(f"{name}: {_inline(cast('object', value))}")
        elif value is not None:
            lines.append(f"{name}: {_plain(value)}")
    return lines


def _inline(item: object) -> str:
    if not isinstance(item, Mapping):
        return _plain(item)
    values = cast("Mapping[str, object]", item)
    return " | ".join(f"{name}: {_plain(value)}" for name, value in values.items() if value is not None)


def _plain(value: object) -> str:
    # Further lines are set in: what an agent says must not pass for a field of ours.
    return str(value).lower() if isinstance(value, bool) else str(value).replace("\n", "\n  ")
