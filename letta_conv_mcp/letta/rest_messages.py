"""What we send to a REST server as JSON, and how it is known again among what the server has stored. Pure."""

from dataclasses import asdict
from typing import Any

from letta_conv_mcp.letta.content import Json, objects, tool_calls
from letta_conv_mcp.letta.outgoing import Image, Outgoing, Said


def message_json(outgoing: Outgoing) -> dict[str, Any]:
    """The message that a request sends, without its otid."""
    if isinstance(outgoing, Said):
        parts = [{"type": "text", "text": outgoing.text}, *map(_image_json, outgoing.images)]
        return {"role": "user", "content": parts if outgoing.images else outgoing.text}
    return {"type": "approval", "approvals": [{"type": "approval", **asdict(decision)} for decision in outgoing]}


def _image_json(image: Image) -> dict[str, Any]:
    if image.url is not None:
        return {"type": "image", "source": {"type": "url", "url": image.url}}
    return {"type": "image", "source": {"type": "base64", "media_type": image.media_type, "data": image.data}}


def options(outgoing: Outgoing) -> dict[str, Any]:
    """What stands beside the message in the request; None where nothing was said of it."""
    if isinstance(outgoing, Said):
        return {"max_steps": outgoing.max_steps, "override_model": outgoing.override_model}
    return {}


def asks_for(message: Json, outgoing: Outgoing) -> bool:
    """Whether a stored message is the question that decisions answer."""
    if isinstance(outgoing, Said) or message.get("message_type") != "approval_request_message":
        return False
    asked = {call.get("tool_call_id") for call in tool_calls(message)}
    return not asked.isdisjoint(decision.tool_call_id for decision in outgoing)


def is_stored(message: Json, outgoing: Outgoing, otid: str) -> bool:
    """Whether a stored message is what we sent. Of decisions Letta keeps the calls' ids, and no otid."""
    if isinstance(outgoing, Said):
        return message.get("otid") == otid
    answered = {answer.get("tool_call_id") for answer in objects(message.get("approvals"))}
    is_answer = message.get("message_type") == "approval_response_message"
    return is_answer and answered == {decision.tool_call_id for decision in outgoing}
