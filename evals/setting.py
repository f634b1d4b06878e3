"""A world put into the Letta behind the tasks, and what is there afterwards."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx

from evals import world as w
from evals.letta import WORK, EvalLetta
from evals.trace import Decision, Talk
from tests.fake.state import Conversation, Json, StoredMessage, Thread, Tool, new_id, said_by
from tests.fake.steps import step_message

STARTS_WITHIN = 10
BEGINS_WITHIN = 2


@dataclass
class Setting:
    """A world that has been set up.

    Attributes:
        letta: where.
        ids: by name, as `@name` stands for one in a task.
        marks: how many messages each thread held at the start, by its id.
        others: what another client has said that is not stored yet, by the thread's id.
        waits: how many more waits a slow reply takes.
    """

    letta: EvalLetta
    waits: int | None
    ids: dict[str, str] = field(default_factory=dict[str, str])
    marks: dict[str, int] = field(default_factory=dict[str, int])
    others: dict[str, str] = field(default_factory=dict[str, str])

    def about_to_call(self, tool: str) -> None:
        """A slow reply ends when it has been waited for long enough; one to be stopped has begun."""
        if tool == "cancel_reply":
            with suppress(TimeoutError):
                self.letta.wait_until(lambda: self.letta.holds.waiting[WORK], BEGINS_WITHIN)
        if tool == "wait_for_reply" and self.waits:
            self.waits -= 1
            if self.waits == 0:
                self.letta.release(WORK)

    def finish(self) -> None:
        """Lets whoever is at work come to an end, and nothing goes wrong any more."""
        self.letta.heal()
        self.letta.release(WORK)

    def wait_until_idle(self) -> None:
        """Until no turn is played any more."""
        self.letta.wait_until(lambda: not self.letta.stage.tasks, STARTS_WITHIN)

    def talks(self) -> list[Talk]:
        """All conversations as they stand now, agents' own threads included."""
        store, keys = self.letta.store, {value: key for key, value in self.ids.items()}
        names = {agent.id: keys.get(agent.id, agent.name) for agent in store.agents.values()}
        own = [
            self._talk(f"default:{agent.id}", f"{names[agent.id]}.own", names[agent.id], agent.thread)
            for agent in store.agents.values()
        ]
        others = [
            self._talk(it.id, keys.get(it.id), names[it.agent_id], it.thread, it) for it in store.conversations.values()
        ]
        return [*own, *others]

    def _talk(self, id_: str, key: str | None, agent: str, thread: Thread, it: Conversation | None = None) -> Talk:
        beyond = self.letta.beyond
        mark = self.marks.get(id_, beyond.carried.get(id_, 0))
        new = thread.messages[mark:]
        heard = [message.text for message in new if message.role == "user"]
        if self.others.get(id_) in heard:
            heard.remove(self.others[id_])
        return Talk(
            id=id_,
            key=key,
            agent=agent,
            title=it.summary if it else None,
            is_archived=id_ in beyond.archived,
            is_deleted=bool(it and it.is_deleted),
            heard=tuple(heard),
            decisions=tuple(_decisions(thread, new)),
            carried=tuple(message.text for message in thread.messages[1 : beyond.carried.get(id_, 0)]),
        )

    @property
    def blocks(self) -> dict[str, str]:
        """All memory blocks of the world's agents, by `agent.label`."""
        keys = {value: key for key, value in self.ids.items()}
        of_agents = self.letta.beyond.blocks.items()
        return {f"{keys.get(id_)}.{label}": text for id_, blocks in of_agents for label, text in blocks.items()}

    @property
    def cancelled(self) -> int:
        """How many runs were stopped."""
        return sum(run.status == "cancelled" for run in self.letta.runs)


def set_up(letta: EvalLetta, world: w.World) -> Setting:
    """Puts a world into an empty Letta; agents that are at work already have begun when it returns."""
    letta.forget()
    setting = Setting(letta, world.waits)
    for agent in world.agents:
        quick = [Tool(name) for name in agent.quick]
        slow = [Tool(name, partial(_work, letta)) for name in agent.slow]
        guarded = [Tool(name, requires_approval=True) for name in agent.guarded]
        made = letta.add_agent(
            agent.name or agent.key,
            tools=[*quick, *slow, *guarded],
            description=agent.description,
            parallel_tool_calls=agent.is_parallel,
            character=agent.character,
        )
        letta.beyond.blocks[made.id] = dict(agent.blocks)
        setting.ids |= {agent.key: made.id, f"{agent.key}.own": f"default:{made.id}"}
        _add_lines(setting, made.thread, agent.own, f"{agent.key}.own", days_ago=1)
        setting.marks[f"default:{made.id}"] = len(made.thread.messages)
    for talk in world.talks:
        _add_talk(setting, talk)
    for method, path, fault, times in world.faults:
        letta.fail(method, path, fault, times=times)
    return setting


def _add_talk(setting: Setting, talk: w.Talk) -> None:
    letta = setting.letta
    made = letta.store.add_conversation(setting.ids[talk.agent], summary=talk.title)
    setting.ids[talk.key] = made.id
    if talk.is_archived:
        letta.beyond.archived.add(made.id)
    at = datetime.now(UTC) - timedelta(days=talk.days_ago)
    made.created_at = at
    _add_lines(setting, made.thread, talk.lines, talk.key, days_ago=talk.days_ago)
    made.last_message_at = at if talk.lines else None
    if talk.started is not None:
        _start(setting, made, talk)
    setting.marks[made.id] = len(made.thread.messages)


def _add_lines(setting: Setting, thread: Thread, lines: Sequence[str], key: str, *, days_ago: float) -> None:
    at = datetime.now(UTC) - timedelta(days=days_ago)
    for number, line in enumerate(lines):
        at += timedelta(seconds=20)
        message = _spoken(line, at, by_person=number % 2 == 0)
        setting.letta.store.keep(thread, message)
        setting.ids[f"{key}.{number + 1}"] = message.id


def _spoken(line: str, at: datetime, *, by_person: bool) -> StoredMessage:
    about: Json = {"step_id": new_id("step"), "run_id": new_id("run")}
    if by_person:
        return said_by("user", line, at, **about)
    return step_message(new_id("message"), at, "", line, **about)


def _start(setting: Setting, conversation: Conversation, talk: w.Talk) -> None:
    """Another client's message: its turn has ended, or waits, when this returns."""
    letta = setting.letta
    body = {"messages": [{"role": "user", "content": talk.started}], "streaming": True, "background": True}
    path = f"{letta.base_url}/v1/conversations/{conversation.id}/messages"
    with httpx.stream("POST", path, json=body, timeout=STARTS_WITHIN, trust_env=False) as answer:
        answer.raise_for_status()
        run = letta.runs[-1]
        letta.wait_until(lambda: run.is_over or letta.holds.waiting[WORK], STARTS_WITHIN)
        if run.is_over:
            answer.read()
    setting.ids[f"{talk.key}.run"] = run.id
    if not run.is_over:
        setting.others[conversation.id] = talk.started or ""
    pending: Json = conversation.thread.pending or {}
    for number, call in enumerate(pending.get("tool_calls", []), 1):
        setting.ids[f"{talk.key}.call{number if number > 1 else ''}"] = call["tool_call_id"]


async def _work(letta: EvalLetta, _: Json) -> str:
    await letta.holds.wait(WORK)
    return "done"


def _decisions(thread: Thread, new: list[StoredMessage]) -> Iterator[Decision]:
    requests = [message.entries[-1] for message in thread.messages if message.role == "approval_request"]
    tools = {call["tool_call_id"]: call["name"] for request in requests for call in request["tool_calls"]}
    for message in new:
        if message.role == "approval_response":
            given: list[dict[str, Any]] = message.entries[0]["approvals"]
            for answer in given:
                call_id = answer["tool_call_id"]
                yield Decision(tools.get(call_id, call_id), bool(answer.get("approve")), answer.get("reason"))
