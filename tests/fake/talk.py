"""A talk with a Letta server, noted down so that two servers' talks can be compared word for word.

What differs from one talk to the next is masked: ids become numbers in the order in which they come up, dates and
counts lose their values, the pieces of a token stream are joined, and pings after the first are left out.
"""

import difflib
import json
import re
import time
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

import httpx

Json: TypeAlias = dict[str, Any]

ID = re.compile(
    r"\b(?:(agent|conv|run|message|step|ping|user|org|tool|block)-|(call)_|())"
    r"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|(?<=call_)[0-9a-f]{16})\b"
)
MASKS = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"), "<date, µs, Z>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "<date, Z>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$"), "<date, µs>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00"), "<date>"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [AP]M UTC\+0000"), "<time>"),
    (re.compile(r"datetime\.datetime\([^)]*\)"), "<time>"),
    (re.compile(r"#(slow|drip) [\d.]+"), r"#\1 <seconds>"),
    (re.compile(r"chatcmpl-[0-9a-f]+"), "<completion>"),
    (re.compile(r"Traceback.*", re.DOTALL), "<traceback>"),
    # Letta lists them in no order.
    (re.compile(r"valid tools include: \[[^]]*]"), "valid tools include: <tools>"),
)
COUNTS = re.compile(r"_tokens$|_ns$")
NUMBERED = ("seq_id",)


@dataclass
class Exchange:
    status: int
    body: Any
    frames: list[Json] = field(default_factory=list[Json])
    """Of a stream: its frames as they came, parsed."""


@dataclass
class Talk:
    """One server, one agent of ours on it, and everything that was said so far."""

    client: httpx.Client
    agent_id: str
    pause: str = "0.2"
    """Seconds that are long enough here for something else to happen meanwhile."""
    notes: list[Any] = field(default_factory=list[Any])
    numbers: dict[str, int] = field(default_factory=dict[str, int])

    def call(self, method: str, path: str, *, quietly: bool = False, shape: bool = False, **more: Any) -> Exchange:
        """A request and its whole answer. `quietly`: it isn't noted; `shape`: only which keys and types it has."""
        response = self.client.request(method, path, **more)
        exchange = _exchange(response.status_code, response.headers.get("content-type", ""), response.text)
        if not quietly:
            noted = self._joined(exchange.frames) if exchange.frames else self.masked(exchange.body)
            self.note(f"{method} {_path(path)}", exchange.status, shape_of(noted) if shape else noted)
        return exchange

    def get(self, path: str, **params: Any) -> Any:
        return self.call("GET", path, params=params).body

    def post(self, path: str, **body: Any) -> Exchange:
        return self.call("POST", path, json=body)

    def conversation(self, **body: Any) -> str:
        """A new conversation of the agent's; not noted."""
        made = self.call("POST", "/v1/conversations/", params={"agent_id": self.agent_id}, json=body, quietly=True)
        return made.body["id"]

    def send(self, conversation_id: str, text: str | None = None, **body: Any) -> Exchange:
        given = {} if text is None else {"input": text}
        return self.call("POST", f"/v1/conversations/{conversation_id}/messages", json={**given, **body})

    def say(self, conversation_id: str, *texts: str) -> None:
        """The same, without a note: to have something there."""
        for text in texts:
            path = f"/v1/conversations/{conversation_id}/messages"
            self.call("POST", path, json={"input": text}, quietly=True)

    @contextmanager
    def sending(self, conversation_id: str, text: str, **body: Any) -> Generator["Opened"]:
        """A send whose stream stays open inside the block; what came is noted at its end."""
        path = f"/v1/conversations/{conversation_id}/messages"
        with self.client.stream("POST", path, json={"input": text, **body} if text else body) as response:
            opened = Opened(response)
            yield opened
            opened.read_rest()
        frames = _frames("".join(opened.chunks))
        self.note("stream", response.status_code, self._joined(frames))

    @contextmanager
    def listening(self, path: str, **body: Any) -> Generator["Opened"]:
        """A stream that may never end: only its beginning is read, and nothing is noted."""
        with self.client.stream("POST", path, json=body) as response:
            yield Opened(response)

    def another_agent(self, name: str = "another") -> str:
        """An agent without tools; not noted."""
        handle = self.call("GET", f"/v1/agents/{self.agent_id}", quietly=True).body["model"]
        body = {"name": name, "model": handle, "include_base_tools": False}
        return self.call("POST", "/v1/agents/", json=body, quietly=True).body["id"]

    def agent_alike(self) -> str:
        """An agent with the same tools, and a default conversation of its own; not noted."""
        agent = self.call("GET", f"/v1/agents/{self.agent_id}", quietly=True).body
        body = {"name": "alike", "model": agent["model"], "include_base_tools": False}
        body |= {"tool_ids": [tool["id"] for tool in agent["tools"]], "tool_rules": agent["tool_rules"]}
        return self.call("POST", "/v1/agents/", json=body, quietly=True).body["id"]

    def new_otid(self) -> str:
        return str(uuid.uuid4())

    def wait_for_run(self, run_id: str) -> None:
        while self.call("GET", f"/v1/runs/{run_id}", quietly=True).body["status"] in {"created", "running"}:
            time.sleep(0.05)

    def history(self, conversation_id: str, **params: Any) -> Any:
        return self.get(f"/v1/conversations/{conversation_id}/messages", **params)

    def note(self, *what: Any) -> None:
        self.notes.append(list(what))

    def masked(self, value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            fields = cast("Json", value)
            if fields.get("message_type") == "system_message":
                fields = {**fields, "content": "<system prompt>"}
            return {self._masked_text(name): self.masked(fields[name], name) for name in fields}
        if isinstance(value, list):
            return [self.masked(item, key) for item in cast("list[Any]", value)]
        if isinstance(value, str):
            return self._masked_text(value)
        if isinstance(value, int) and not isinstance(value, bool) and (COUNTS.search(key) or key in NUMBERED):
            return "<number>"
        return value

    def _masked_text(self, text: str) -> str:
        for pattern, mask in MASKS:
            text = pattern.sub(mask, text)
        return ID.sub(self._numbered, text)

    def _numbered(self, found: re.Match[str]) -> str:
        kind, raw = found[1] or found[2] or "uuid", found[4]
        if raw.startswith("00000000-0000"):
            return f"<{kind} 0>"
        # An otid is its message's id but for the last seven bits, which count the entries.
        if kind == "uuid":
            twins = [known for known in self.numbers if known.startswith(f"message {raw[:-2]}")]
            if twins:
                return f"<message {self.numbers[twins[0]]} part {int(raw[-2:], 16) & 0x7F}>"
        known = f"{kind} {raw}"
        if known not in self.numbers:
            self.numbers[known] = 1 + sum(name.startswith(f"{kind} ") for name in self.numbers)
        return f"<{kind} {self.numbers[known]}>"

    def _joined(self, frames: list[Json]) -> list[Any]:
        """The frames of a stream with the pieces of each entry put together."""
        joined: list[Json] = []
        pings = 0
        for frame in frames:
            data: Json = frame["data"]
            last: Json = joined[-1]["data"] if joined else {}
            pings += data["message_type"] == "ping"
            if data["message_type"] == "ping" and pings > 1:
                continue
            if "id" in data and _piece_of(data) == _piece_of(last):
                _join(last, data)
            else:
                joined.append(json.loads(json.dumps(frame)))
        return [self.masked(frame) for frame in joined]


@dataclass
class Opened:
    """A stream that is being read."""

    response: httpx.Response
    chunks: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self._text = self.response.iter_text()

    @property
    def frames(self) -> list[Json]:
        """Those that have come so far."""
        return _frames("".join(self.chunks))

    def read_until(self, text: str) -> None:
        """Reads on until these letters have come."""
        while text not in "".join(self.chunks):
            self.chunks.append(next(self._text))

    def read_rest(self) -> None:
        self.chunks.extend(self._text)

    @property
    def run_id(self) -> str:
        self.read_until('"run_id":"run-')
        return re.findall(r'"run_id":"(run-[0-9a-f-]+)"', "".join(self.chunks))[0]


def difference(one: Talk, other: Talk) -> str:
    """Where two talks part, line by line; empty when they don't."""
    texts = [json.dumps(talk.notes, indent=1, ensure_ascii=False).splitlines() for talk in (one, other)]
    ours, theirs = texts
    return "\n".join(difflib.unified_diff(ours, theirs, "the fake", "Letta", n=6, lineterm=""))


def shape_of(value: Any) -> Any:
    """Only the keys and the types of it."""
    if isinstance(value, dict):
        fields = cast("Json", value)
        return {name: shape_of(fields[name]) for name in fields}
    if isinstance(value, list):
        shapes = [shape_of(item) for item in cast("list[Any]", value)]
        return [shape for at, shape in enumerate(shapes) if shape not in shapes[:at]]
    return type(value).__name__


def _exchange(status: int, content_type: str, text: str) -> Exchange:
    if content_type.startswith("text/event-stream"):
        return Exchange(status, None, _frames(text))
    try:
        return Exchange(status, json.loads(text))
    except ValueError:
        return Exchange(status, text)


def _frames(text: str) -> list[Json]:
    """Each event with its name, if it has one, and its data; the end of the stream as if it were a message too."""
    frames: list[Json] = []
    for block in text.split("\n\n"):
        lines = block.split("\n")
        event = next((line.removeprefix("event: ") for line in lines if line.startswith("event: ")), None)
        data = "\n".join(line.removeprefix("data: ") for line in lines if line.startswith("data: "))
        if data:
            frames.append({"event": event, "data": {"message_type": data} if data == "[DONE]" else json.loads(data)})
    return frames


def _piece_of(data: Json) -> list[Any]:
    """What two pieces of one entry have in common."""
    call: Json = data.get("tool_call") or {}
    return [data.get("id"), data.get("message_type"), call.get("tool_call_id")]


def _join(whole: Json, piece: Json) -> None:
    for key in ("content", "reasoning"):
        if isinstance(piece.get(key), str):
            whole[key] += piece[key]
    for key in ("tool_call", "tool_calls"):
        if isinstance(piece.get(key), dict):
            whole[key]["arguments"] = (whole[key].get("arguments") or "") + (piece[key].get("arguments") or "")


def _path(path: str) -> str:
    return ID.sub(lambda found: f"<{found[1] or found[2] or 'uuid'}>", path)
