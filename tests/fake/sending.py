"""The routes that start turns and listen to them."""

import hashlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.fake import checks, frames
from tests.fake.checks import Refused
from tests.fake.failures import TurnFailed
from tests.fake.live import Stage, streamed
from tests.fake.state import Agent, Conversation, Json, Run, Store, Thread
from tests.fake.turns import Turn

NO_REDIS = (
    "Background streaming requires Redis to be running. Please ensure Redis is properly configured. "
    "LETTA_REDIS_HOST: None, LETTA_REDIS_PORT: 6379"
)
NO_ACTIVE_RUNS = "INVALID_ARGUMENT: No active runs found for this conversation."
CONFIG = ("use_assistant_message", "assistant_message_tool_name", "assistant_message_tool_kwarg")
NOT_BACKGROUND = "INVALID_ARGUMENT: Run was not created in background mode, so it cannot be retrieved."


@dataclass(frozen=True)
class Place:
    """Where a message goes: a conversation, or an agent's own thread. `key` is what is locked."""

    agent: Agent
    thread: Thread
    conversation: Conversation | None

    @property
    def key(self) -> str:
        return self.conversation.id if self.conversation else self.agent.id

    @property
    def is_parallel(self) -> bool:
        """Whether several tools may be called in one step. A conversation without a model of its own has no say."""
        settings = self.conversation.model_settings if self.conversation and self.conversation.model else None
        return self.agent.parallel_tool_calls if settings is None else bool(settings.get("parallel_tool_calls", True))


@dataclass(frozen=True)
class Sending:
    store: Store
    stage: Stage

    def routes(self) -> list[Route]:
        conversation = "/v1/conversations/{conversation_id}"
        return [
            Route(f"{conversation}/messages", self.send_message, methods=["POST"]),
            Route(f"{conversation}/stream", self.resume_conversation, methods=["POST"]),
            Route("/v1/runs/{run_id}/stream", self.resume_run, methods=["POST"]),
        ]

    async def send_message(self, request: Request) -> Response:
        conversation_id = request.path_params["conversation_id"]
        checks.check_thread_id(conversation_id)
        body = checks.json_body(await request.body())
        messages = checks.check_send(body)
        place = self._place(conversation_id, body.get("agent_id"))
        self._check_model(place, body.get("override_model"))
        if place.conversation:
            place.conversation.last_message_at = place.conversation.updated_at = self.store.now()

        is_streaming, in_background = body.get("streaming", True), bool(body.get("background"))
        otids: list[str] = [message["otid"] for message in messages if message.get("otid")]
        token = hashlib.sha256("|".join(otids).encode()).hexdigest() if otids else str(uuid.uuid4())
        locks = self.store.has_redis and (is_streaming or place.conversation is None)
        if locks:
            if in_background and is_streaming and token in self.store.otids:
                return streamed(self._listen_again(self.store.runs[self.store.otids[token]], body))
            self._check_free(place)
        run = self._new_run(place, body, in_background=in_background and is_streaming, is_streaming=is_streaming)
        if locks:
            self.store.locks[place.key] = run.id
        if self.store.has_redis and (is_streaming or place.conversation is None):
            self.store.otids |= dict.fromkeys((token, *otids), run.id)
        if run.background and not self.store.has_redis:
            why = f"INTERNAL_SERVER_ERROR: {NO_REDIS}"
            self.store.finish(run, "failed", None, {"error": why})
            raise Refused.detail(503, why)

        turn = self._turn(place, run, messages, body)
        if not is_streaming:
            return await self._whole(turn, is_kept_track_of=place.conversation is None)
        with_pings = body.get("include_pings", True) is not False
        self.stage.start(turn, with_ping=with_pings)
        return streamed(self.stage.listen(run, with_pings=with_pings))

    async def resume_conversation(self, request: Request) -> Response:
        conversation_id = request.path_params["conversation_id"]
        checks.check_thread_id(conversation_id)
        body = checks.json_body(await request.body(), required=False)
        self._check_redis()
        if run_id := body.get("run_id"):
            run = self.run(run_id)
        elif otid := body.get("otid"):
            if otid not in self.store.otids:
                why = "The run may have expired or never existed."
                raise Refused.detail(404, f"No run found for otid={otid}. {why}")
            run = self.store.runs[self.store.otids[otid]]
        else:
            active = self.active_runs(conversation_id, body.get("agent_id"))
            if not active:
                raise Refused.detail(400, NO_ACTIVE_RUNS)
            run = active[0]
            if not run.background:
                raise Refused.detail(400, NOT_BACKGROUND)
        return streamed(self._listen_again(run, body))

    async def resume_run(self, request: Request) -> Response:
        body = checks.json_body(await request.body(), required=False)
        run = self.run(request.path_params["run_id"])
        if not run.background:
            raise Refused.detail(400, NOT_BACKGROUND)
        self._check_redis()
        return streamed(self._listen_again(run, body))

    def conversation(self, conversation_id: str) -> Conversation:
        found = self.store.conversations.get(conversation_id)
        if found is None or found.is_deleted:
            raise checks.not_found("Conversation", conversation_id, with_deleted=True)
        return found

    def run(self, run_id: str) -> Run:
        checks.check_id_in_body("run", run_id, "run")
        if run_id not in self.store.runs:
            raise checks.not_found("Run", run_id)
        return self.store.runs[run_id]

    def _place(self, conversation_id: str, agent_id: str | None) -> Place:
        if agent_id := agent_id_of(conversation_id, agent_id):
            checks.check_id_in_body("agent", agent_id, "agent")
            agent = self.store.agents.get(agent_id)
            if agent is None:
                raise Refused.detail(404, f"Agent with ID {agent_id} not found")
            return Place(agent, agent.thread, None)
        conversation = self.conversation(conversation_id)
        return Place(self.store.agents[conversation.agent_id], conversation.thread, conversation)

    def _check_model(self, place: Place, override: str | None) -> None:
        handle = override or (place.conversation.model if place.conversation else None)
        if handle and handle not in self.store.models:
            raise Refused.detail(404, f"NOT_FOUND: Handle {handle} not found, must be one of []")

    def _check_free(self, place: Place) -> None:
        holder = self.store.locks.get(place.key)
        if holder:
            busy = f"Another request (run_id={holder}) is currently being processed for this conversation."
            detail = f"CONFLICT: Cannot send a new message: {busy} Please wait for it to complete."
            raise Refused.detail(409, detail, run_id=holder)

    def _check_redis(self) -> None:
        if not self.store.has_redis:
            raise Refused.detail(503, NO_REDIS)

    def _new_run(self, place: Place, body: Json, *, in_background: bool, is_streaming: bool) -> Run:
        # Without a stream Letta forgets which conversation the run belongs to, and never ends it.
        conversation_id = place.conversation.id if place.conversation and is_streaming else None
        run_type = "send_conversation_message" if place.conversation else "send_message"
        types = body.get("include_return_message_types")
        config = {name: body[name] for name in CONFIG if body.get(name) is not None}
        fields: Json = {"run_type": run_type, "include_types": types, "request_config": config}
        return self.store.add_run(place.agent.id, conversation_id, background=in_background, **fields)

    def _turn(self, place: Place, run: Run, messages: list[Json], body: Json) -> Turn:
        max_steps = body.get("max_steps")
        client_tools: list[Json] = body.get("client_tools") or []
        return Turn(
            store=self.store,
            agent=place.agent,
            thread=place.thread,
            run=run,
            inputs=messages,
            holds=self.stage.holds,
            show=partial(self.stage.show, run),
            by_tokens=bool(body.get("stream_tokens")) and bool(body.get("streaming", True)),
            max_steps=50 if max_steps is None else max_steps,
            types=run.include_types,
            client_tools=frozenset(tool["name"] for tool in client_tools),
            is_parallel=place.is_parallel,
        )

    async def _whole(self, turn: Turn, *, is_kept_track_of: bool) -> Response:
        """A turn without a stream: nothing locks it, nothing can cancel it, and its run never ends."""
        shown: list[Json] = []
        turn.show = shown.append
        try:
            outcome = await turn.play()
        except TurnFailed as failure:
            raise _refusal(failure) from None
        finally:
            if is_kept_track_of:
                self.store.free(turn.run.key)
        usage = frames.usage(outcome.words, outcome.steps, by_tokens=False)
        stop: Json = {"message_type": "stop_reason", "stop_reason": outcome.stop_reason}
        body: Json = {"messages": shown, "stop_reason": stop, "usage": usage, "logprobs": None, "turns": None}
        return JSONResponse(body)

    def _listen_again(self, run: Run, body: Json) -> AsyncIterator[str]:
        with_pings = body.get("include_pings", True) is not False
        if not run.background:
            return self.stage.pings_only(run, with_pings=with_pings)
        return self.stage.listen(run, after=body.get("starting_after") or 0, with_pings=with_pings)

    def active_runs(self, conversation_id: str, agent_id: str | None) -> list[Run]:
        """Newest first. The default conversation means every active run of the agent, those elsewhere too."""
        agent_id = agent_id_of(conversation_id, agent_id)
        runs = [
            run
            for run in self.store.runs.values()
            if run.is_active and (run.agent_id == agent_id if agent_id else run.conversation_id == conversation_id)
        ]
        return runs[::-1]


def agent_id_of(conversation_id: str, agent_id: str | None) -> str | None:
    """The agent whose own thread is meant, if one is."""
    return (
        conversation_id if conversation_id.startswith("agent-") else agent_id if conversation_id == "default" else None
    )


def _refusal(failure: TurnFailed) -> Refused:
    if failure.error_type == "internal_error":
        return Refused.detail(failure.status, failure.detail)
    error_type, message = failure.without_stream or (failure.error_type, failure.message)
    said = {"type": error_type, "message": message, "detail": failure.detail}
    return Refused(failure.status, {"error": said})
