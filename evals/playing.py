"""A task played: a model and a person on one side, our server through a real MCP session on the other."""

import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import anyio.to_thread
from mcp import Client, StdioServerParameters
from mcp_types import CallToolResult, TextContent

from evals.letta import EvalLetta
from evals.models import Answered, Entry, Model, Result, Said, Tool, Wish
from evals.scripted import Scripted
from evals.setting import Setting, set_up
from evals.task import MAX_CALLS, Play, Task
from evals.trace import Call, Trace

WAIT_SECONDS = 3
"""How long a tool of the server waits for a reply unless the model says otherwise: slow agents are, not the tasks."""

SETTLES_WITHIN = 10

SYSTEM = """\
You are the assistant of a person who talks to Letta agents through you. Use the tools; when you are done, or need the \
person, answer in a few plain sentences. Today is {today}.

{instructions}"""


@dataclass(frozen=True)
class Host:
    """A host with our server as a process of its own, before the Letta of the tasks."""

    letta: EvalLetta
    client: Client
    tools: tuple[Tool, ...]
    writers: frozenset[str]

    @property
    def system(self) -> str:
        """The system prompt: a host's own words, and the server's instructions."""
        return SYSTEM.format(today=f"{datetime.now(UTC):%A, %d %B %Y}", instructions=self.client.instructions or "")


@dataclass(frozen=True)
class Outcome:
    """How a task was played.

    Attributes:
        task: which.
        trace: what was done.
        failed: the criteria that were not met.
    """

    task: Task
    trace: Trace
    failed: list[str]


@asynccontextmanager
async def open_host() -> AsyncGenerator[Host]:
    """The Letta, our server and a session, for any number of tasks one after the other."""
    with EvalLetta() as letta, TemporaryDirectory() as state:
        server = StdioServerParameters(
            command=sys.executable,
            args=["-m", "letta_conv_mcp", "--toolsets", "all", "--wait-seconds", str(WAIT_SECONDS)],
            env={"LETTA_BASE_URL": letta.base_url, "LETTA_CONV_STATE_DIR": state},
        )
        async with Client(server) as client:
            listed = (await client.list_tools()).tools
            yield Host(
                letta,
                client,
                tuple(Tool(tool.name, tool.description or "", tool.input_schema) for tool in listed),
                frozenset(tool.name for tool in listed if not (tool.annotations and tool.annotations.read_only_hint)),
            )


async def played(host: Host, task: Task, model: Model) -> Outcome:
    """A task played by a model.

    Raises:
        ModelFailure: the model can't be had.
    """
    return await _played(host, task, lambda _: model)


async def played_by_script(host: Host, task: Task, play: Play) -> Outcome:
    """A task played as a play has it."""
    return await _played(host, task, lambda setting: Scripted(play, setting.ids))


async def _played(host: Host, task: Task, cast_model: Callable[[Setting], Model]) -> Outcome:
    setting = set_up(host.letta, task.world)
    talk = _Dialogue(host, setting, cast_model(setting))
    for turn, words in enumerate(task.says):
        answer = await talk.answer_to(turn, words)
        if answer is None:
            break
        talk.answers.append(answer)
    await _settle(host, setting, talk.calls)
    trace = Trace(
        calls=talk.calls,
        answers=talk.answers,
        talks=setting.talks(),
        agents=[agent.name for agent in host.letta.store.agents.values()],
        ids=setting.ids,
        writers=host.writers,
        blocks=setting.blocks,
        cancelled=setting.cancelled,
    )
    return Outcome(task, trace, task.failed(trace))


async def _settle(host: Host, setting: Setting, calls: list[Call]) -> None:
    """Letta stores a message with the step that answers it, and our server queues what is sent meanwhile."""
    setting.finish()
    for conversation_id in _spoken_in(calls):
        await host.client.call_tool(
            "wait_for_reply", {"conversation_id": conversation_id, "wait_seconds": SETTLES_WITHIN}
        )
    await anyio.to_thread.run_sync(setting.wait_until_idle)


def _spoken_in(calls: list[Call]) -> set[str]:
    """The conversations in which something was sent, also those of a comparison's branches."""
    results = [
        result
        for call in calls
        if call.tool in ("send_message", "compare_replies")
        for result in (call.structure, *call.structure.get("branches", ()))
    ]
    return {result["conversation_id"] for result in results if result.get("conversation_id")}


@dataclass
class _Dialogue:
    host: Host
    setting: Setting
    model: Model
    entries: list[Entry] = field(default_factory=list[Entry])
    calls: list[Call] = field(default_factory=list[Call])
    answers: list[str] = field(default_factory=list[str])

    async def answer_to(self, turn: int, words: str) -> str | None:
        """What the person is told at last; None where the model doesn't come to an end."""
        self.entries.append(Said(words))
        made = 0
        while made < MAX_CALLS:
            answered: Answered = await self.model.answer(self.host.system, self.host.tools, self.entries)
            self.entries.append(answered)
            if not answered.wishes:
                return answered.text
            for wish in answered.wishes:
                self.entries.append(await self._result(turn, wish))
            made += len(answered.wishes)
        return None

    async def _result(self, turn: int, wish: Wish) -> Result:
        if wish.arguments is None:
            text = "The arguments were not a JSON object, so nothing was called. Correct them and call again."
            self.calls.append(Call(turn, wish.tool, {}, text, is_error=True))
            return Result(wish.id, text, is_error=True)
        await anyio.to_thread.run_sync(self.setting.about_to_call, wish.tool)
        result = await self.host.client.call_tool(wish.tool, wish.arguments)
        structure: dict[str, Any] = result.structured_content or {}
        text = _text_of(result)
        self.calls.append(Call(turn, wish.tool, wish.arguments, text, structure, is_error=result.is_error))
        return Result(wish.id, text, is_error=result.is_error, structure=structure)


def _text_of(result: CallToolResult) -> str:
    return "\n".join(part.text for part in result.content if isinstance(part, TextContent))
