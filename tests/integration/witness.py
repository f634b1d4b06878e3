"""What the fake Letta knows of a test, asked from the test's thread while the fake goes on in its own."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

from tests.fake import FakeLetta, Run, StoredMessage
from tests.fake.state import Json, Thread
from tests.fake.turns import Turn


@dataclass(frozen=True)
class Played:
    """A turn that the fake has begun: its run, and the text it was sent; None of an answer to an approval request."""

    run: Run
    text: str | None


@dataclass
class Witness:
    """Looks at a fake Letta, and notes what it plays from its first look on.

    Attributes:
        played: the turns, in the order in which they began.
    """

    fake: FakeLetta
    played: list[Played] = field(default_factory=list[Played])

    def __post_init__(self) -> None:
        start: Callable[..., None] = self.fake.stage.start

        def noted(turn: Turn, *, with_ping: bool) -> None:
            self.played.append(Played(turn.run, turn.inputs[0].get("content")))
            start(turn, with_ping=with_ping)

        setattr(self.fake.stage, "start", noted)  # noqa: B010  a method of the fake's

    @property
    def is_healthy(self) -> bool:
        """Whether nothing is about to go wrong."""
        return all(rule.times == 0 for rule in self.fake.gate.rules) and not self.fake.store.refusals

    # A conversation, by our id

    def thread(self, conversation_id: str) -> Thread:
        """Its messages."""
        if conversation_id.startswith("default:"):
            return self.fake.store.agents[conversation_id.removeprefix("default:")].thread
        return self.fake.store.conversations[conversation_id].thread

    def user_texts(self, conversation_id: str) -> list[str]:
        """What users have said there."""
        return [message.text for message in list(self.thread(conversation_id).messages) if message.role == "user"]

    def runs(self, conversation_id: str) -> list[Run]:
        """Its runs, the newest last."""
        if conversation_id.startswith("default:"):
            agent_id = conversation_id.removeprefix("default:")
            return [run for run in self.fake.runs if run.conversation_id is None and run.agent_id == agent_id]
        return [run for run in self.fake.runs if run.conversation_id == conversation_id]

    def pending(self, conversation_id: str) -> list[Json]:
        """The calls that wait for a decision."""
        request = self.thread(conversation_id).pending
        return request["tool_calls"] if request else []

    def pends_clearly(self, conversation_id: str) -> bool:
        """Whether no run is active that may be at work on a decision already: one that began after the request."""
        request = self.thread(conversation_id).pending
        asked_at = datetime.fromisoformat(request["date"]) if request else None
        active = [run for run in self.runs(conversation_id) if run.is_active]
        return all(asked_at is not None and run.created_at < asked_at for run in active)

    # A run

    def plays_of(self, text: str) -> list[Played]:
        """The turns that a message has led to."""
        return [played for played in list(self.played) if played.text == text]

    def text_sent_to(self, run: Run | None) -> str | None:
        """The message that a run answers; None where it answers no message, or was never begun."""
        return next((played.text for played in list(self.played) if played.run is run), None)

    def asks_still(self, run: Run, conversation_id: str) -> bool:
        """Whether what a run asked for is to be decided."""
        request = self.thread(conversation_id).pending
        return request is not None and request["run_id"] == run.id

    def ran_beside_question(self, run: Run, conversation_id: str) -> bool:
        """Whether a run went on beside another one that asked what is pending now, as runs do without Redis' locks.

        What is sent after a question Letta refuses with an error, unless it is the answer.
        """
        is_later = run.stop_reason == "error" or self.text_sent_to(run) is None
        return not self.asks_still(run, conversation_id) and not is_later

    def is_ghost(self, run: Run) -> bool:
        """Whether a run is active and nobody works on it any more."""
        return run.is_active and run not in list(self.fake.stage.tasks.values())

    # Approvals

    def answers(self) -> list[tuple[str, bool]]:
        """The deeds that were decided on, and how."""
        stored = list(self.fake.store.messages.values())
        requests = [message.entries[-1] for message in stored if message.role == "approval_request"]
        calls: list[Json] = [call for request in requests for call in request["tool_calls"]]
        deeds = {call["tool_call_id"]: deed_of(call) for call in calls}
        given = [message.entries[0]["approvals"] for message in stored if message.role == "approval_response"]
        return [(deeds[answer["tool_call_id"]], answer["approve"]) for answers in given for answer in answers]

    def has_kept_alive(self) -> bool:
        """Whether an answer was given that had been given before: Letta then makes the agent think anew."""
        return any("keep-alive" in message.text for message in list(self.fake.store.messages.values()))


def deed_of(call: Json) -> str:
    """What a tool call asks to do, which is unlike every other."""
    return json.loads(call["arguments"])["where"]


def words_stored(run: Run) -> str:
    """What the agent said, as Letta keeps it."""
    return _joined(entry for message in list(run.messages) for entry in _spoken(message))


def words_shown(run: Run) -> str:
    """What the agent said, as Letta streamed it."""
    frames = [cast("Json", json.loads(text[6:])) for text in list(run.frames) if text.startswith("data: {")]
    return _joined(frame for frame in frames if frame.get("message_type") == "assistant_message")


def has_told_failure(run: Run) -> bool:
    """Whether its stream told of an error. Of a lost database nothing else does: the run stays active."""
    return any('"error_message"' in frame for frame in list(run.frames))


def _spoken(message: StoredMessage) -> list[Json]:
    return [entry for entry in message.entries if entry["message_type"] == "assistant_message"]


def _joined(entries: Iterable[Json]) -> str:
    parts: dict[str, str] = {}
    for entry in entries:
        parts[entry["id"]] = parts.get(entry["id"], "") + entry["content"]
    return "\n\n".join(parts.values())
