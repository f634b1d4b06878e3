"""Models that can be asked over HTTP, in two ways of speaking, and without an SDK.

What a model answered is given back to it as it came: some providers refuse a dialogue in which a part they sent (a
thought, a signature) is missing.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import anyio
import httpx

from evals.models import Answered, Entry, ModelFailure, Result, Said, Tool, Wish
from evals.trace import Json

REQUEST_SECONDS = 300.0
TRIES = 4
TRIED_AGAIN = (408, 409, 429, 500, 502, 503, 504, 529)
PAUSE_SECONDS = 2.0
"""Before the second try; twice as long before each further one, unless the provider says when."""
MAX_PAUSE_SECONDS = 60.0
MAX_TOKENS = 4_096


@dataclass(frozen=True)
class OpenAIModel:
    """A model behind chat completions with tools: https://platform.openai.com/docs/api-reference/chat/create.

    Attributes:
        name: the model's.
        base_url: up to and with the version, as `https://api.openai.com/v1`.
        key: None where the server wants none.
    """

    name: str
    base_url: str
    key: str | None = field(default=None, repr=False)

    async def answer(self, system: str, tools: Sequence[Tool], dialogue: Sequence[Entry]) -> Answered:
        """See the protocol."""
        body = {
            "model": self.name,
            "messages": [{"role": "system", "content": system}, *(_openai_message(entry) for entry in dialogue)],
            "tools": [
                {
                    "type": "function",
                    "function": {"name": tool.name, "description": tool.description, "parameters": tool.schema},
                }
                for tool in tools
            ],
        }
        headers = {"authorization": f"Bearer {self.key}"} if self.key else {}
        answer = await _posted(f"{self.base_url}/chat/completions", headers, body)
        try:
            message: Json = answer["choices"][0]["message"]
            wishes = tuple(
                Wish(call["id"], call["function"]["name"], _arguments(call["function"].get("arguments")))
                for call in message.get("tool_calls") or ()
            )
            return Answered(str(message.get("content") or message.get("refusal") or ""), wishes, message)
        except (KeyError, IndexError, TypeError) as error:
            raise ModelFailure("The answer is no chat completion.") from error


@dataclass(frozen=True)
class AnthropicModel:
    """A model behind messages with tools: https://docs.anthropic.com/en/api/messages.

    Attributes:
        name: the model's.
        base_url: without a version, as `https://api.anthropic.com`.
        key: None where the server wants none.
    """

    name: str
    base_url: str
    key: str | None = field(default=None, repr=False)

    async def answer(self, system: str, tools: Sequence[Tool], dialogue: Sequence[Entry]) -> Answered:
        """See the protocol."""
        body = {
            "model": self.name,
            "max_tokens": MAX_TOKENS,
            "system": system,
            "messages": _anthropic_messages(dialogue),
            "tools": [
                {"name": tool.name, "description": tool.description, "input_schema": tool.schema} for tool in tools
            ],
        }
        headers = {"anthropic-version": "2023-06-01", **({"x-api-key": self.key} if self.key else {})}
        answer = await _posted(f"{self.base_url}/v1/messages", headers, body)
        try:
            blocks: list[Json] = answer["content"]
            text = "\n".join(block["text"] for block in blocks if block["type"] == "text")
            wishes = tuple(
                Wish(block["id"], block["name"], _object(block["input"]))
                for block in blocks
                if block["type"] == "tool_use"
            )
            return Answered(text, wishes, blocks)
        except (KeyError, TypeError) as error:
            raise ModelFailure("The answer is no message.") from error


@dataclass(frozen=True)
class Kind:
    """A way of speaking, and where its settings are when no flag gives them."""

    model: type[OpenAIModel] | type[AnthropicModel]
    base_url: str
    base_url_variable: str
    key_variable: str


KINDS = {
    "openai": Kind(OpenAIModel, "https://api.openai.com/v1", "OPENAI_BASE_URL", "OPENAI_API_KEY"),
    "anthropic": Kind(AnthropicModel, "https://api.anthropic.com", "ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY"),
}


def model_from_name(
    name: str, environment: Mapping[str, str], *, base_url: str | None = None, key_variable: str | None = None
) -> OpenAIModel | AnthropicModel:
    """The model that a command line names.

    Args:
        name: `openai:NAME` or `anthropic:NAME`, after the way it is spoken to.
        environment: where the key is, and the address unless it is given.
        base_url: the address.
        key_variable: which variable has the key, where it is not the usual one.

    Raises:
        ValueError: no such kind, or no name.
    """
    kind_name, _, model_name = name.partition(":")
    if kind_name not in KINDS or not model_name:
        raise ValueError(f"a model is named as {' or '.join(f'{kind}:NAME' for kind in KINDS)}, got {name!r}")
    kind = KINDS[kind_name]
    address = base_url or environment.get(kind.base_url_variable) or kind.base_url
    return kind.model(model_name, address.rstrip("/"), environment.get(key_variable or kind.key_variable) or None)


def _openai_message(entry: Entry) -> Json:
    match entry:
        case Said(text):
            return {"role": "user", "content": text}
        case Answered(raw=raw):
            return raw
        case Result(wish_id, text):
            return {"role": "tool", "tool_call_id": wish_id, "content": text}


def _anthropic_messages(dialogue: Sequence[Entry]) -> list[Json]:
    """The results of one answer's tool calls belong into one message."""
    messages: list[Json] = []
    for entry in dialogue:
        match entry:
            case Said(text):
                messages.append({"role": "user", "content": [{"type": "text", "text": text}]})
            case Answered(raw=raw):
                # An answer of nothing is given, and not taken back.
                if raw:
                    messages.append({"role": "assistant", "content": raw})
            case Result(wish_id, text, is_error):
                result = {"type": "tool_result", "tool_use_id": wish_id, "content": text, "is_error": is_error}
                if messages[-1]["role"] == "assistant":
                    messages.append({"role": "user", "content": []})
                messages[-1]["content"].append(result)
    return messages


async def _posted(address: str, headers: dict[str, str], body: Json) -> Json:
    """The answer as JSON. Asking a model twice is harmless, so what may pass is tried again."""
    async with httpx.AsyncClient(timeout=REQUEST_SECONDS, headers=headers) as client:
        for number in range(1, TRIES + 1):
            try:
                response = await client.post(address, json=body)
            except httpx.TransportError as error:
                if number == TRIES:
                    raise ModelFailure(f"{address} can't be reached: {type(error).__name__}.") from error
                response = None
            if response is not None and (response.status_code not in TRIED_AGAIN or number == TRIES):
                return _json_of(address, response)
            await anyio.sleep(_pause(response, number))
    raise AssertionError("The last try returns or raises.")


def _pause(response: httpx.Response | None, number: int) -> float:
    asked = response.headers.get("retry-after", "") if response is not None else ""
    seconds = float(asked) if asked.replace(".", "", 1).isdecimal() else PAUSE_SECONDS * 2 ** (number - 1)
    return min(seconds, MAX_PAUSE_SECONDS)


def _json_of(address: str, response: httpx.Response) -> Json:
    if response.is_error:
        raise ModelFailure(f"{address} answered {response.status_code}: {response.text[:500]}")
    try:
        answer: object = response.json()
    except ValueError as error:
        raise ModelFailure(f"{address} answered no JSON.") from error
    if not isinstance(answer, dict):
        raise ModelFailure(f"{address} answered no JSON object.")
    return cast("Json", answer)


def _arguments(text: object) -> Json | None:
    if not text:
        return {}
    try:
        return _object(json.loads(str(text)))
    except ValueError:
        return None


def _object(value: object) -> Json | None:
    return cast("Json", value) if isinstance(value, dict) else None
