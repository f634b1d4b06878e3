"""Several turns at once, each at another stage of its way, for something to happen to all of them.

Whatever a reply says of a turn is then held against what Letta holds.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup
from mcp import Client

from letta_conv_mcp.server import build_server
from letta_conv_mcp.settings import Settings
from tests.integration.calls import Progress, text_of_result
from tests.integration.ledger import Ledger
from tests.stack import Running
from tests.stack.seed import make_agent, make_conversation

WAIT_SECONDS = 90
T = TypeVar("T")


class Listener(Progress):
    """A host that watches, and knows when the agent has begun to speak."""

    def __init__(self) -> None:
        super().__init__()
        self.has_spoken = anyio.Event()

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        await super().__call__(progress, total, message)
        if (message or "").startswith("w0"):
            self.has_spoken.set()


@dataclass
class Saying:
    """One message to Letta, and in the end its reply."""

    conversation_id: str
    message: str
    whole: str
    listener: Listener | None = None
    reply: dict[str, Any] = field(default_factory=dict[str, Any])
    is_over: anyio.Event = field(default_factory=anyio.Event)

    async def say(self, client: Client, wait_seconds: float = WAIT_SECONDS) -> dict[str, Any]:
        """Send it, and wait for the reply."""
        arguments = {"conversation_id": self.conversation_id, "message": self.message, "wait_seconds": wait_seconds}
        result = await client.call_tool("send_message", arguments, progress_callback=self.listener)
        # What could not even be sent is told by a sentence.
        unsent = {"status": "unsent", "in_reply_to": self.message, "next_step": text_of_result(result)}
        self.reply = unsent if result.is_error else result.structured_content or {}
        self.is_over.set()
        return self.reply


@dataclass
class Traffic:
    """The turns of one agent while something happens."""

    client: Client
    letta: Running
    ledger: Ledger
    agent_id: str
    group: TaskGroup
    sayings: list[Saying] = field(default_factory=list[Saying])

    def saying(self, words: str, *, conversation_id: str | None = None, is_watched: bool = False) -> Saying:
        """A message that is echoed, in a conversation of its own unless told otherwise."""
        where = conversation_id or make_conversation(self.letta, self.agent_id)
        saying = Saying(where, words, f"echo: {words}", Listener() if is_watched else None)
        self.sayings.append(saying)
        return saying

    def start(self, saying: Saying) -> Saying:
        """Say it in the background."""
        self.group.start_soon(saying.say, self.client)
        return saying

    async def in_tokens(self) -> Saying:
        """A turn whose words are streamed, and some have come."""
        saying = self.saying("#drip 0.2 #long 40", is_watched=True)
        saying.whole = " ".join(f"w{number}" for number in range(40))
        self.start(saying)
        assert saying.listener is not None
        await saying.listener.has_spoken.wait()
        return saying

    async def in_steps(self) -> Saying:
        """A turn that nobody watches, whose run has begun; the model thinks about it."""
        saying = self.saying("#slow 3 step by step")
        saying.whole = "echo: step by step"
        self.start(saying)
        await in_a_thread(self.ledger.wait_until_begun, saying.conversation_id)
        return saying

    async def at_all_stages(self) -> tuple[Saying, Saying, Saying]:
        """One that speaks, one that thinks, one that waits for the first; and one is only just being sent."""
        in_tokens = await self.in_tokens()
        in_steps = await self.in_steps()
        queued = self.start(self.saying("in the queue", conversation_id=in_tokens.conversation_id))
        just_sent = self.saying("just sent", is_watched=True)
        self.start(just_sent)
        return in_tokens, in_steps, queued

    def check(self) -> None:
        """Nothing was said twice, and every reply is true of what Letta holds."""
        said = {saying.conversation_id: self.ledger.said(saying.conversation_id) for saying in self.sayings}
        for saying in self.sayings:
            times = said[saying.conversation_id].count(saying.message)
            reply, where = saying.reply, f"{saying.message!r}: {saying.reply}"
            assert times <= 1, where
            assert reply["in_reply_to"] == saying.message, where
            match reply["status"]:
                case "completed":
                    assert (times, reply["text"]) == (1, saying.whole), where
                case "interrupted":
                    assert saying.whole.startswith(reply["text"].strip()), where
                    assert "do not send it again before you know" in reply["next_step"], where
                case "failed":
                    assert times == 0 or "safe to send it again" not in reply["next_step"], where
                case "unsent":
                    sentence = "Nothing was changed; it is safe to try again."
                    assert (times, sentence in reply["next_step"]) == (0, True), where
                case "running":
                    assert (times, "NOT sent" in reply["next_step"]) == (0, True), where
                case status:
                    raise AssertionError(f"{status}, {where}")


@asynccontextmanager
async def open_traffic(letta: Running) -> AsyncGenerator[Traffic]:
    """Turns of a new agent, through a server of ours. At the end of the block all are waited for and checked."""
    server = build_server(Settings(base_url=letta.base_url))
    with Ledger(letta.base_url) as ledger, anyio.fail_after(3 * WAIT_SECONDS):
        async with Client(server, mode="legacy") as client:
            group = anyio.create_task_group()
            traffic = Traffic(client, letta, ledger, make_agent(letta, "Ada"), group)
            async with group:
                yield traffic
            traffic.check()


async def in_a_thread(act: Callable[[T], object], argument: T) -> None:
    """What takes a while and knows nothing of event loops."""
    await anyio.to_thread.run_sync(act, argument)
