"""A turn: what an agent does with a message, step by step, and what of it is stored and shown.

In step mode a step is stored and then shown; in token mode it is shown while it is made and stored when it is whole.
That is why a turn cancelled in token mode leaves nothing behind, and one in step mode the whole reply.
"""

import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace

import anyio

from tests.fake.approvals import Answer, answer_to, answers_of, keep_alive_for
from tests.fake.failures import TurnFailed, failure_of, model_said_nothing, waiting_for_approval
from tests.fake.holds import Holds, without_holds
from tests.fake.state import Agent, Json, Run, Store, StoredMessage, Thread, new_id, said_by
from tests.fake.steps import Step
from tests.fake.tools import run_tool, text_of, tool_message
from tests.stack.acts import Act, Refuse, Say, Think, Wait
from tests.stack.script import Prompt, acts_for, prompt_from_messages

# The scripted model reads no more of a thread: reading all of 10,000 messages would take longer than a turn.
READ_MESSAGES = 200
RETRIED = (429, 500, 503)


class Cancelled(Exception):
    """Somebody cancelled the run."""


@dataclass
class NotStored(Exception):
    """The database was away when a step should have been stored; `about_to_say` is how the turn would have ended."""

    about_to_say: str


@dataclass(frozen=True)
class Outcome:
    stop_reason: str
    words: int = 0
    steps: int = 0


@dataclass
class Turn:
    store: Store
    agent: Agent
    thread: Thread
    run: Run
    inputs: list[Json]
    holds: Holds
    show: Callable[[Json], None]
    by_tokens: bool = False
    max_steps: int = 50
    types: list[str] | None = None
    client_tools: frozenset[str] = frozenset()
    is_parallel: bool = False
    unkept: list[StoredMessage] = field(default_factory=list[StoredMessage])
    has_shown: bool = False

    async def play(self) -> Outcome:
        """Plays the turn to its end, or raises what ended it."""
        words = steps = 0
        answer = self._take_inputs()
        for number in range(self.max_steps):
            if number == 0 and answer:
                await self._follow_answer(answer)
                continue
            self._stop_if_cancelled()
            step = await self._take_step()
            steps, words = steps + 1, words + len(step.words.split()) + 1
            if stop_reason := self._stop_reason_of(step):
                return Outcome(stop_reason, words, steps)
        return Outcome("max_steps" if self.max_steps else "end_turn", words, steps)

    def _stop_reason_of(self, step: Step) -> str | None:
        if step.requested:
            return "requires_approval"
        if step.calls:
            return None
        return "max_tokens_exceeded" if step.finish == "length" and not self.by_tokens else "end_turn"

    def _take_inputs(self) -> Answer | None:
        """Checks what was sent and turns it into messages. The answer to a request is handed back instead."""
        first, *others = self.inputs
        if first.get("type") not in {"approval", "tool_return"}:
            if self.thread.pending:
                raise waiting_for_approval()
            self._take_messages(self.inputs)
            return None
        given = answers_of(first)
        self._take_messages(others)
        if self.thread.pending:
            return answer_to(self.thread, self.thread.pending, given)
        keep_alive = keep_alive_for(self.thread, given, self.store.now(), self.run.id)
        self.unkept = self.unkept or [keep_alive]
        return None

    def _take_messages(self, messages: list[Json]) -> None:
        for message in messages:
            text = text_of(message.get("content"))
            if not text:
                raise TurnFailed.unknown("Message content is empty or invalid")
            role = "system" if message.get("role") == "system" else "user"
            otid: str = message.get("otid") or str(uuid.uuid4())
            self.unkept.append(said_by(role, text, self.store.now(), otid=otid, run_id=self.run.id))

    async def _follow_answer(self, answer: Answer) -> None:
        response = answer.response(self.store.now(), self.run.id)
        results = await answer.results(self.agent)
        returned = tool_message(results, self.store.now(), step_id=answer.step_id, run_id=self.run.id)
        self._store_all([response, returned], "error")
        # In a stream of tokens only what Letta ran itself is news.
        if answer.approved or not self.by_tokens:
            self._show(returned.entries[0])

    async def _take_step(self) -> Step:
        step = Step(new_id("message"), self._waits, self.by_tokens, self.is_parallel)
        fields = {"step_id": new_id("step"), "run_id": self.run.id}
        at = self.store.now()
        async for act in self._acts():
            if failure := failure_of(act, by_tokens=self.by_tokens):
                raise failure.midway() if self.has_shown else failure
            step.take(act)
            for piece in step.pieces(act, at, **fields) if self.by_tokens else ():
                self._show(piece)
        made, results = step.messages(at, **fields), list[StoredMessage]()
        if not made and not self.by_tokens:
            raise model_said_nothing()
        if step.calls and not step.requested:
            returned = [await run_tool(self.agent, call) for call in step.calls]
            results = [tool_message(returned, self.store.now(), **fields)]
        elif self.by_tokens:
            self._stop_if_cancelled()
        self._keep([*made, *results], fields["step_id"], self._stop_reason_of(step) or "error")
        for message in [*([] if self.by_tokens else made), *results]:
            for shown in message.entries:
                self._show(shown)
        return step

    def _waits(self, name: str) -> bool:
        tool = self.agent.tools.get(name)
        return name in self.client_tools or bool(tool and tool.requires_approval)

    async def _acts(self) -> AsyncIterator[Act]:
        """What the model does now; `#hold` in the message makes it wait for the test."""
        heard = [*self.thread.messages[-READ_MESSAGES:], *self.unkept]
        asked = [
            {"role": message.role, "content": text}
            for message in heard
            if message.role in {"user", "tool"}
            for text in message.results or [message.text]
        ]
        prompt = prompt_from_messages(asked)
        if self.agent.character:
            prompt = replace(prompt, text=self.agent.character(prompt))
        prompt, holds = without_holds(prompt)
        if prompt.results:
            holds.clear()
        for name in holds.get(0, []):
            await self.holds.wait(name)
        words = 0
        for act in _acts_after_retries(prompt):
            if isinstance(act, Wait):
                await anyio.sleep(act.seconds)
                continue
            yield act
            words += isinstance(act, Say | Think)
            for name in holds.get(words, []) if isinstance(act, Say | Think) else []:
                await self.holds.wait(name)

    def _keep(self, made: list[StoredMessage], step_id: str, about_to_say: str) -> None:
        for message in self.unkept:
            message.entries[0]["step_id"] = step_id
        self._store_all([*self.unkept, *made], about_to_say)
        self.unkept.clear()

    def _store_all(self, messages: list[StoredMessage], about_to_say: str) -> None:
        if self.store.refusals:
            self.store.refusals -= 1
            raise NotStored(about_to_say)
        for message in messages:
            self.store.keep(self.thread, message, self.run)

    def _show(self, shown: Json) -> None:
        self._stop_if_cancelled()
        if not self.types or shown["message_type"] in self.types:
            self.has_shown = True
            self.show(shown)

    def _stop_if_cancelled(self) -> None:
        if self.run.status == "cancelled":
            raise Cancelled


def _acts_after_retries(prompt: Prompt) -> tuple[Act, ...]:
    """Letta asks its model again by itself after some errors; `#once` is over by then."""
    acts = acts_for(prompt)
    if any(isinstance(act, Refuse) and act.status in RETRIED for act in acts):
        return acts_for(replace(prompt, is_repeat=True))
    return acts
