"""What stands in one of Letta's messages, as text: pure, over Letta's JSON.

Content is a string on one server and a list of parts on another, for the same message. A part that isn't text
is named, never dropped: a reader must be able to see that an image was there.
"""

import json
from collections.abc import Mapping
from typing import Any, TypeAlias, cast

Json: TypeAlias = Mapping[str, Any]
"""A JSON object as Letta sent it. Fields come and go between versions: read them with `get`."""


def objects(value: object) -> list[Json]:
    """The JSON objects in a value that is a list of them, one of them, or nothing."""
    items = cast("list[object]", value) if isinstance(value, list) else [value]
    return [cast("Json", item) for item in items if isinstance(item, Mapping)]


def first_object(value: object) -> Json:
    """The first JSON object in a value; an empty one where there is none."""
    found = objects(value)
    return found[0] if found else {}


def text_or_none(value: object) -> str | None:
    """A field's value where it is a text with something in it."""
    return value if isinstance(value, str) and value else None


def content_text(content: object) -> str:
    """The text of a `content` field: a string, or parts of which those that aren't text are named."""
    if isinstance(content, str):
        return content
    # Parts stream as fragments too, so nothing may be put between two texts.
    return "".join(_part_text(part) for part in objects(content))


def system_alert_text(text: str) -> str | None:
    """What a notice of Letta's own says, such as a compaction's summary: it files them as if the person had spoken."""
    if not text.startswith("{"):
        return None
    try:
        notice = first_object(json.loads(text))
    except (ValueError, RecursionError):
        return None
    return str(notice.get("message") or "") if notice.get("type") == "system_alert" else None


def shortened(text: str, chars: int) -> str:
    """A text cut to its first characters, saying so; the text itself where it is short enough."""
    return text if len(text) <= chars else f"{text[:chars]}… [cut: {chars} of {len(text)} characters]"


def arguments_text(arguments: object) -> str:
    """A tool call's arguments as the JSON text that the agent wrote."""
    if isinstance(arguments, str):
        return arguments
    return "" if arguments is None else json.dumps(arguments, ensure_ascii=False)


def tool_calls(message: Json) -> list[Json]:
    """The tool calls of a message. `tool_calls` is a list in step mode and one object in token mode."""
    return objects(message.get("tool_calls")) or objects(message.get("tool_call"))


def tool_returns(message: Json) -> list[Json]:
    """The tool returns of a message, new style or old."""
    returns = objects(message.get("tool_returns"))
    return returns or ([message] if message.get("tool_call_id") else [])


def _part_text(part: Json) -> str:
    kind = part.get("type")
    match kind:
        case "text":
            return str(part.get("text") or "")
        case "refusal":
            return str(part.get("refusal") or "")
        case "image" | "image_url":
            return f"[image: {_image_source(part)}]"
        case _:
            return f"[{kind or 'unnamed part'}]"


def _image_source(part: Json) -> str:
    source = first_object(part.get("source") or part.get("image_url"))
    if url := text_or_none(source.get("url")):
        return url if len(url) <= 200 and not url.startswith("data:") else "embedded"
    return text_or_none(source.get("media_type")) or text_or_none(source.get("file_id")) or "of unknown type"
