"""What Letta itself holds of a message, asked past our server and past the proxy."""

import json
from dataclasses import dataclass
from typing import Any, TypeAlias

import anyio
import httpx

Json: TypeAlias = dict[str, Any]

COMES_WITHIN = 60
LOOK_SECONDS = 0.1
ENDED = ("completed", "failed", "cancelled", "expired")
CALLS = ("tool_call_message", "approval_request_message")


@dataclass(frozen=True)
class Call:
    """A tool call as it is told: by our server, or by Letta."""

    tool: str
    arguments: str
    result: str | None


@dataclass(frozen=True)
class Truth:
    """What became of one message.

    Attributes:
        times: how often the conversation holds it.
        text: what the agent said to it; its messages are set apart by an empty line.
        reasoning: what it thought, likewise.
        calls: what it called, or wants to call.
        ends: the stop reasons of the conversation's runs, newest first.
    """

    times: int
    text: str = ""
    reasoning: str = ""
    calls: tuple[Call, ...] = ()
    ends: tuple[str, ...] = ()


class Letta:
    """`async with Letta(base_url) as letta`: the real one, for those who want to know what is so."""

    def __init__(self, base_url: str) -> None:
        # A connection for each request: Letta closes one that is kept open after five seconds, perhaps as it is used.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._http = httpx.AsyncClient(base_url=base_url, trust_env=False, timeout=60, limits=limits)

    async def __aenter__(self) -> "Letta":
        await self._http.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._http.__aexit__(*error)

    async def new_conversation(self, agent_id: str) -> str:
        answer = await self._http.post("/v1/conversations/", params={"agent_id": agent_id}, json={})
        return _checked(answer)["id"]

    async def post(self, conversation_id: str, body: Json) -> str:
        """Send something as another client would, and read the stream to its end."""
        answer = await self._http.post(f"/v1/conversations/{conversation_id}/messages", json=body)
        return answer.raise_for_status().text

    async def runs(self, conversation_id: str, **filters: Any) -> list[Json]:
        """The conversation's runs, newest first."""
        params = {"conversation_id": conversation_id, "limit": 100, "order": "desc", **filters}
        return _checked(await self._http.get("/v1/runs/", params=params))

    async def active_run(self, conversation_id: str) -> Json:
        """The run that goes on, as soon as one does."""
        with anyio.fail_after(COMES_WITHIN):
            while True:
                if found := await self.runs(conversation_id, active=True):
                    return found[0]
                await anyio.sleep(LOOK_SECONDS)

    async def runs_at_rest(self, conversation_id: str) -> list[Json]:
        """The conversation's runs, when none goes on any more: Letta announces nothing, so it is asked."""
        with anyio.fail_after(COMES_WITHIN):
            runs = await self.runs(conversation_id)
            while any(run["status"] not in ENDED for run in runs):
                await anyio.sleep(LOOK_SECONDS)
                runs = await self.runs(conversation_id)
            return runs

    async def truth(self, conversation_id: str, mark: str) -> Truth:
        """What became of the message with this mark, once the conversation is at rest."""
        runs = await self.runs_at_rest(conversation_id)
        path = f"/v1/conversations/{conversation_id}/messages"
        entries = _checked(await self._http.get(path, params={"order": "asc", "limit": 1000}))
        return truth_from_entries(entries, mark, tuple(str(run.get("stop_reason")) for run in runs))


def truth_from_entries(entries: list[Json], mark: str, ends: tuple[str, ...] = ()) -> Truth:
    """Reads a conversation's stored entries, oldest first."""
    starts = [at for at, entry in enumerate(entries) if _is_message(entry) and mark in json.dumps(entry["content"])]
    if not starts:
        return Truth(0, ends=ends)
    first = starts[0] + 1
    end = next((at for at in range(first, len(entries)) if _is_message(entries[at])), len(entries))
    answer = entries[first:end]
    results = {entry["tool_call_id"]: entry["tool_return"] for entry in answer if _type(entry) == "tool_return_message"}
    called = [entry["tool_call"] for entry in answer if _type(entry) in CALLS]
    return Truth(
        len(starts),
        text="\n\n".join(entry["content"] for entry in answer if _type(entry) == "assistant_message"),
        reasoning="\n\n".join(entry["reasoning"] for entry in answer if _type(entry) == "reasoning_message"),
        calls=tuple(Call(call["name"], call["arguments"], results.get(call["tool_call_id"])) for call in called),
        ends=ends,
    )


def _is_message(entry: Json) -> bool:
    return _type(entry) == "user_message"


def _type(entry: Json) -> str:
    return entry["message_type"]


def _checked(answer: httpx.Response) -> Any:
    return answer.raise_for_status().json()
