"""A turn: what an agent does with a message, step by step, and what of it is stored and shown.

In step mode a step is stored and then shown; in token mode it is shown while it is made and stored when it is whole.
That is why a turn cancelled in token mode leaves nothing behind, and one in step mode the whole reply.
"""

import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace

import anyio

from tests.fake import failures
from tests.fake.approvals import Answer, answer_to, answers_of, keep_alive_for
from tests.fake.failures import TurnFailed
from tests.fake.frames import pieces_of
from tests.fake.holds import Holds, without_holds
from tests.fake.state import (
    Agent,
    Json,
    Run,
    Store,
    StoredMessage,
    Thread,
    entry,
    id_before,
    new_id,
    otid_of,
    said_by,
    step_message,
)
from tests.fake.tools import ToolResult, run_tool, text_of
from tests.stack.acts import Act, Break, Call, Cut, Finish, Garble, Refuse, Say, Think, Wait
from tests.stack.script import Prompt, acts_for, prompt_from_messages

# The scripted model reads no more of a thread: reading all of 10,000 messages would take longer than a turn.
READ_MESSAGES = 200
RETRIED = (429, 500, 503)


class Cancelled(Exception):
    """Somebody cancelled the run."""


@dataclass(frozen=True)
class Outcome:
    stop_reason: str
    words: int = 0
    steps: int = 0


@dataclass
class Step:
    """What the model comes up with in one step, while it comes."""

    message_id: str
    reasoning: str = ""
    words: str = ""
    call: Json | None = None
    needs_answer: bool = False
    finish: str = "stop"


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
    unkept: list[StoredMessage] = field(default_factory=list[StoredMessage])
    has_shown: bool = False

    async def play(self) -> Outcome:
        """Plays the turn to its end, or raises what ended it."""
        words = steps = 0
        answer = self._take_inputs()
        for number in range(self.max_steps):
            if number == 0 and answer:
                self._follow_answer(answer)
                continue
            self._stop_if_cancelled()
            step = await self._take_step()
            steps, words = steps + 1, words + len(step.words.split()) + 1
            if step.needs_answer:
                return Outcome("requires_approval", words, steps)
            if step.call is None:
                runs_out = step.finish == "length" and not self.by_tokens
                return Outcome("max_tokens_exceeded" if runs_out else "end_turn", words, steps)
        return Outcome("max_steps" if self.max_steps else "end_turn", words, steps)

    def _take_inputs(self) -> Answer | None:
        """Checks what was sent and turns it into messages. The answer to an approval is handed back instead."""
        first, *others = self.inputs
        if first.get("type") not in {"approval", "tool_return"}:
            if self.thread.pending:
                raise failures.waiting_for_approval()
            self._take_messages(self.inputs)
            return None
        answers = answers_of(first)
        self._take_messages(others)
        if self.thread.pending:
            return answer_to(self.thread.pending, answers)
        keep_alive = keep_alive_for(self.thread, answers, self.store.now(), self.run.id)
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

    def _follow_answer(self, answer: Answer) -> None:
        response, result = answer.followed_by(self.agent, self.store.now(), self.run.id)
        returned = self._returned(result, answer.pending["tool_call"], answer.pending["step_id"])
        for message in (response, returned):
            self.store.keep(self.thread, message, self.run)
        # What a client's own tool returned comes back to it in step mode only.
        if answer.given.get("type") != "tool" or not self.by_tokens:
            self._show(returned.entries[0])

    async def _take_step(self) -> Step:
        step = Step(new_id("message"))
        fields = {"step_id": new_id("step"), "run_id": self.run.id}
        at = self.store.now()

        def whole() -> StoredMessage:
            return step_message(step.message_id, at, step.reasoning, step.words, step.call, step.needs_answer, **fields)

        async for act in self._acts():
            piece_key = self._note(step, act)
            if piece_key and self.by_tokens:
                self._show_piece(whole().entries[-1], piece_key, act)
        message = whole()
        if not message.entries and not self.by_tokens:
            raise failures.model_said_nothing()
        results: list[StoredMessage] = []
        if step.call and not step.needs_answer:
            results = [self._returned(run_tool(self.agent, step.call), step.call, fields["step_id"])]
        if self.by_tokens:
            self._stop_if_cancelled()
        self._keep([message] if message.entries else [], results, fields["step_id"])
        for kept in [*([] if self.by_tokens else [message]), *results]:
            for shown in kept.entries:
                self._show(shown)
        return step

    async def _acts(self) -> AsyncIterator[Act]:
        """What the model does now; `#hold` in the message makes it wait for the test."""
        heard = [*self.thread.messages[-READ_MESSAGES:], *self.unkept]
        asked = [{"role": it.role, "content": it.text} for it in heard if it.role in {"user", "tool"}]
        prompt, holds = without_holds(prompt_from_messages(asked))
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

    def _note(self, step: Step, act: Act) -> str:
        """Adds an act to the step; the field that shows it in token mode, if it shows."""
        match act:
            case Think(word):
                step.reasoning += word
                return "reasoning"
            case Say(word):
                step.words += word
                return "content"
            case Call(name, arguments) if step.call is None:
                step.call = {"name": name, "arguments": arguments, "tool_call_id": f"call_{uuid.uuid4().hex[:16]}"}
                tool = self.agent.tools.get(name)
                step.needs_answer = name in self.client_tools or bool(tool and tool.requires_approval)
                if step.needs_answer and self.by_tokens:
                    # Letta stores the request under another id than the one it has shown its words with.
                    step.message_id = id_before(step.message_id)
                return "tool_call"
            case Finish(reason):
                step.finish = reason
            case _:
                self._fail(act)
        return ""

    def _fail(self, act: Act) -> None:
        match act:
            case Refuse(status):
                failure = failures.model_refused(status)
            case Garble() if not self.by_tokens:
                failure = failures.model_spoke_no_json()
            case Cut():
                failure = failures.model_hung_up() if self.by_tokens else failures.model_unreachable()
            case Break():
                failure = failures.model_broke_off() if self.by_tokens else failures.model_refused(500)
            case _:
                # A second call of one step, which Letta forgets; or no JSON in token mode, which it takes for nothing.
                return
        raise failure.midway() if self.has_shown else failure

    def _returned(self, result: ToolResult, call: Json, step_id: str) -> StoredMessage:
        message_id = new_id("message")
        fields = result.fields(call["tool_call_id"])
        own = {key: value for key, value in fields.items() if key != "type"}
        name = call["name"] if result.is_named else None
        about = {"name": name, "otid": otid_of(message_id, 0), "step_id": step_id, "run_id": self.run.id}
        shown = entry("tool_return_message", message_id, self.store.now(), **about, **own, tool_returns=[fields])
        return StoredMessage(message_id, "tool", [shown], result.for_model(self.store.now()))

    def _keep(self, made: list[StoredMessage], results: list[StoredMessage], step_id: str) -> None:
        for message in self.unkept:
            message.entries[0]["step_id"] = step_id
        for message in (*self.unkept, *made, *results):
            self.store.keep(self.thread, message, self.run)
        self.unkept.clear()

    def _show_piece(self, whole: Json, key: str, act: Act) -> None:
        if isinstance(act, Say | Think):
            self._show({**whole, key: act.word})
            return
        for piece in pieces_of(whole):
            self._show(piece)

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
