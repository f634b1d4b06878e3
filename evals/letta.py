"""The Letta behind the tasks: the fake, with what Letta Cloud has and 0.16.8 lacks, as far as letta-client declares it.

It archives, forks up to a message, compacts, recompiles and keeps memory blocks. No real one was at hand to hold these
to: the tasks judge models, and whether our server speaks to Letta rightly is judged elsewhere.
"""

import json
from dataclasses import dataclass, field
from typing import Any, cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from tests.fake import FakeLetta
from tests.fake.cancelling import Cancelling
from tests.fake.checks import Refused, json_body
from tests.fake.reading import Reading
from tests.fake.sending import Sending
from tests.fake.shapes import conversation_json
from tests.fake.state import SYSTEM_PROMPT, Conversation, Json, Store, Thread

WORK = "work"
"""Where slow agents wait."""
KEPT_OF_COMPACTED = 2


@dataclass
class Beyond:
    """What it knows that the fake doesn't.

    Attributes:
        archived: ids of the conversations that are put away.
        carried: how many messages a fork began with, by its id.
        blocks: the texts of memory blocks, by the agent's id and the block's label.
    """

    archived: set[str] = field(default_factory=set[str])
    carried: dict[str, int] = field(default_factory=dict[str, int])
    blocks: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])


class EvalLetta(FakeLetta):
    """`with EvalLetta() as letta: … letta.forget()` before each task."""

    def __init__(self) -> None:
        # A ping costs a task nothing, and nobody waits for one.
        super().__init__(ping_seconds=5)
        self.beyond = Beyond()
        sending = Sending(self.store, self.stage)
        extra = _Extra(self, Reading(self.store, sending), Cancelling(self.store, self.stage, sending))
        self.gate.app = Starlette(
            routes=[*extra.routes(), Mount("/", app=self.gate.app)], exception_handlers={Refused: _refused}
        )

    def forget(self) -> None:
        """As empty as at the start: turns end, faults are healed, and slow agents wait again."""
        self.do(self._forget)
        self.heal()

    def _forget(self) -> None:
        self.gate.break_all()
        self.stage.die(self.runs)
        for kept in vars(Store()):
            value = getattr(self.store, kept)
            if isinstance(value, dict):
                cast("dict[str, Any]", value).clear()
        self.holds.released.clear()
        self.holds.bells.clear()
        self.beyond.archived.clear()
        self.beyond.carried.clear()
        self.beyond.blocks.clear()


@dataclass(frozen=True)
class _Extra:
    letta: EvalLetta
    reading: Reading
    cancelling: Cancelling

    def routes(self) -> list[Route]:
        one = "/v1/conversations/{conversation_id}"
        return [
            Route("/v1/conversations/", self.list_conversations),
            Route(one, self.retrieve),
            Route(one, self.update, methods=["PATCH"]),
            Route(f"{one}/fork", self.fork, methods=["POST"]),
            Route(f"{one}/compact", self.compact, methods=["POST"]),
            Route(f"{one}/recompile", self.recompile, methods=["POST"]),
            Route(f"{one}/cancel", self.cancel_conversation, methods=["POST"]),
            Route("/v1/agents/{agent_id}/core-memory/blocks", self.list_blocks),
            Route("/v1/agents/{agent_id}/core-memory/blocks/{label}", self.update_block, methods=["PATCH"]),
            Route("/v1/agents/{agent_id}/messages/cancel", self.cancel_runs, methods=["POST"]),
        ]

    async def list_conversations(self, request: Request) -> Response:
        answer = await self.reading.list_conversations(request)
        listed: list[Json] = json.loads(bytes(answer.body))
        return JSONResponse([self._with_archived(conversation) for conversation in listed])

    async def retrieve(self, request: Request) -> Response:
        answer = await self.reading.retrieve_conversation(request)
        return JSONResponse(self._with_archived(json.loads(bytes(answer.body))))

    async def update(self, request: Request) -> Response:
        archived = json_body(await request.body()).get("archived")
        answer = await self.reading.update_conversation(request)
        if archived is not None:
            change = self.letta.beyond.archived.add if archived else self.letta.beyond.archived.discard
            change(request.path_params["conversation_id"])
        return JSONResponse(self._with_archived(json.loads(bytes(answer.body))))

    async def fork(self, request: Request) -> Response:
        source, agent_id = self._thread(request)
        last = request.query_params.get("message_id")
        if last is not None and last not in source.positions:
            raise Refused.detail(404, "Message not found")
        end = source.positions[last] + 1 if last else len(source.messages)
        fork = self.letta.store.add_conversation(agent_id)
        for message in source.messages[1:end]:
            self.letta.store.keep(fork.thread, message)
        self.letta.beyond.carried[fork.id] = len(fork.thread.messages)
        return JSONResponse(conversation_json(fork))

    async def compact(self, request: Request) -> Response:
        thread, _ = self._thread(request)
        count = len(thread.messages)
        said: Json = {"summary": "The two talked about what the title says."}
        return JSONResponse(
            {**said, "num_messages_before": count, "num_messages_after": min(count, KEPT_OF_COMPACTED + 1)}
        )

    async def recompile(self, request: Request) -> Response:
        self._thread(request)
        return JSONResponse(SYSTEM_PROMPT)

    async def list_blocks(self, request: Request) -> Response:
        blocks = self.letta.beyond.blocks.get(request.path_params["agent_id"], {})
        return JSONResponse([_block_json(label, text) for label, text in blocks.items()])

    async def update_block(self, request: Request) -> Response:
        blocks, label = self.letta.beyond.blocks[request.path_params["agent_id"]], request.path_params["label"]
        blocks[label] = json_body(await request.body())["value"]
        return JSONResponse(_block_json(label, blocks[label]))

    async def cancel_conversation(self, request: Request) -> Response:
        return self._freed(await self.cancelling.cancel_conversation(request))

    async def cancel_runs(self, request: Request) -> Response:
        return self._freed(await self.cancelling.cancel_runs(request))

    def _freed(self, answer: Response) -> Response:
        """A cancelled run ends at its next frame, which a waiting agent would never come to."""
        self.letta.holds.release(WORK)
        return answer

    def _with_archived(self, conversation: Json) -> Json:
        return {**conversation, "archived": conversation["id"] in self.letta.beyond.archived}

    def _thread(self, request: Request) -> tuple[Thread, str]:
        conversation_id = request.path_params["conversation_id"]
        if conversation_id == "default":
            agent = self.letta.store.agents[request.query_params["agent_id"]]
            return agent.thread, agent.id
        found: Conversation = self.reading.sending.conversation(conversation_id)
        return found.thread, found.agent_id


def _block_json(label: str, text: str) -> Json:
    return {"id": f"block-{label}", "label": label, "value": text, "limit": 20_000, "read_only": False}


async def _refused(_: Request, error: Exception) -> Response:
    if not isinstance(error, Refused):
        raise error
    return JSONResponse(error.body, status_code=error.status)
