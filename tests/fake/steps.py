"""What an agent comes up with in one step, and the messages that are stored of it. Pure.

Calls that wait for an answer are stored as one request, and calls beside them, which wait too, as a message before it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

from tests.fake.frames import pieces_of
from tests.fake.state import Json, StoredMessage, entry, id_before, otid_of
from tests.stack.acts import Act, Call, Finish, Say, Think


@dataclass
class Step:
    message_id: str
    waits: Callable[[str], bool]
    """Whether a call of the tool of this name waits for an answer."""
    by_tokens: bool = False
    is_parallel: bool = False
    reasoning: str = ""
    words: str = ""
    all_calls: list[Json] = field(default_factory=list[Json])
    finish: str = "stop"

    def take(self, act: Act) -> None:
        match act:
            case Think(word):
                self.reasoning += word
            case Say(word):
                self.words += word
            case Call(name, arguments):
                call_id = f"call_{uuid4().hex[:16]}"
                self.all_calls.append({"name": name, "arguments": arguments, "tool_call_id": call_id})
            case Finish(reason):
                self.finish = reason
            case _:
                pass

    @property
    def calls(self) -> list[Json]:
        """Those that count: unless calls may be parallel, Letta forgets all but the first."""
        return self.all_calls if self.is_parallel else self.all_calls[:1]

    @property
    def requested(self) -> list[Json]:
        return [call for call in self.calls if self.waits(call["name"])]

    def messages(self, at: datetime, **fields: Any) -> list[StoredMessage]:
        """What is stored of the whole step: nothing, one message, or two."""
        requested = self.requested
        others = [call for call in self.calls if call not in requested]
        said = (self.reasoning, self.words)
        if not requested:
            message = step_message(self.message_id, at, *said, others, **fields)
            return [message] if message.entries else []
        before = [step_message(self.message_id, at, *said, others, **fields)] if others else []
        # In a stream of tokens the words had the id of the step; with the request they are stored under its own.
        request_id = id_before(self.message_id) if others or self.by_tokens else self.message_id
        request = step_message(request_id, at, *(("", "") if others else said), requested, is_request=True, **fields)
        return [*before, request]

    def pieces(self, act: Act, at: datetime, **fields: Any) -> Iterator[Json]:
        """What a stream of tokens shows of an act that has just been taken, a call that will be forgotten included."""
        whole = (self.message_id, at, self.reasoning, self.words)
        match act:
            case Think(word):
                yield {**step_message(*whole[:3], **fields).entries[-1], "reasoning": word}
            case Say(word):
                yield {**step_message(*whole, **fields).entries[-1], "content": word}
            case Call(name) if self.waits(name):
                request_id = id_before(self.message_id)
                request = step_message(request_id, at, calls=self.all_calls[-1:], is_request=True, **fields)
                yield from pieces_of(request.entries[-1])
            case Call():
                yield from pieces_of(step_message(*whole, self.all_calls[-1:], **fields).entries[-1])
            case _:
                pass


def step_message(
    message_id: str,
    at: datetime,
    reasoning: str = "",
    words: str = "",
    calls: Sequence[Json] = (),
    *,
    is_request: bool = False,
    **fields: Any,
) -> StoredMessage:
    """What was thought, said and called in one step: up to three entries with one id."""
    entries: list[Json] = []

    def add(message_type: str, otid: str | None = None, **own: Any) -> None:
        otid = otid or otid_of(message_id, len(entries))
        entries.append(entry(message_type, message_id, at, otid=otid, **fields, **own))

    if reasoning:
        add("reasoning_message", source="reasoner_model", reasoning=reasoning, signature=None)
    if words:
        add("assistant_message", content=words)
    if calls:
        called: Json = {"tool_call": dict(calls[0]), "tool_calls": [dict(call) for call in calls]}
        if is_request:
            add("approval_request_message", message_id, **called)
        else:
            add("tool_call_message", **called)
    return StoredMessage(message_id, "approval_request" if is_request else "assistant", entries, words)
