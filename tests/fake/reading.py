"""The routes of conversations, messages and runs."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.fake import checks, pages
from tests.fake.checks import Refused
from tests.fake.pages import Cursor
from tests.fake.sending import Sending, agent_id_of
from tests.fake.shapes import conversation_json, run_json
from tests.fake.state import ACTIVE, Agent, Conversation, Json, Run, Store, Thread

CONVERSATION_ORDERS = ("created_at", "last_run_completion", "last_message_at")
RUN_STATUSES = ("created", "running", "completed", "failed", "cancelled")
STOP_REASONS = (
    "end_turn",
    "error",
    "llm_api_error",
    "invalid_llm_response",
    "invalid_tool_call",
    "max_steps",
    "max_tokens_exceeded",
    "no_tool_call",
    "tool_rule",
    "cancelled",
    "insufficient_credits",
    "requires_approval",
    "context_window_overflow_in_system_prompt",
)


@dataclass(frozen=True)
class Reading:
    store: Store
    sending: Sending

    def routes(self) -> list[Route]:
        conversation = "/v1/conversations/{conversation_id}"
        return [
            Route("/v1/health/", self.health),
            Route("/v1/conversations/", self.list_conversations),
            Route("/v1/conversations/", self.create_conversation, methods=["POST"]),
            Route(conversation, self.retrieve_conversation),
            Route(conversation, self.update_conversation, methods=["PATCH"]),
            Route(conversation, self.delete_conversation, methods=["DELETE"]),
            Route(f"{conversation}/messages", self.list_messages),
            Route("/v1/messages/{message_id}", self.retrieve_message),
            Route("/v1/runs/", self.list_runs),
            Route("/v1/runs/{run_id}", self.retrieve_run),
            Route("/v1/runs/{run_id}/messages", self.list_run_messages),
        ]

    async def health(self, _: Request) -> Response:
        return JSONResponse({"version": "0.16.8", "status": "ok"})

    async def list_conversations(self, request: Request) -> Response:
        query = request.query_params
        cursor = checks.cursor(request.query_params, limit=50)
        order_by = checks.choice(query, "order_by", CONVERSATION_ORDERS, "created_at")
        after = self.store.conversations.get(cursor.after) if cursor.after else None
        if cursor.after and after is None and order_by != "last_run_completion":
            raise checks.not_found("Conversation", cursor.after)
        agent_id, wanted = query.get("agent_id"), query.get("summary_search")
        found = [
            conversation
            for conversation in self.store.conversations.values()
            if not conversation.is_deleted
            and (agent_id is None or conversation.agent_id == agent_id)
            and (not wanted or pages.is_like(conversation.summary, wanted))
        ]
        page = pages.page_of_conversations(found, cursor, self._conversation_key(order_by), after=after)
        return JSONResponse([conversation_json(item, with_context=False) for item in page])

    async def create_conversation(self, request: Request) -> Response:
        agent_id = request.query_params.get("agent_id")
        if agent_id is None:
            error = {"type": "missing", "loc": ("query", "agent_id"), "msg": "Field required", "input": None}
            raise Refused.invalid([error])
        body = checks.json_body(await request.body(), required=False)
        if agent_id not in self.store.agents:
            raise Refused.detail(404, "Agent not found")
        model = body.get("model")
        if model and "/" not in model:
            raise Refused.detail(400, "INVALID_ARGUMENT: The model handle should be in the format provider/model-name")
        fields = {"summary": body.get("summary"), "model": model, "model_settings": body.get("model_settings")}
        conversation = self.store.add_conversation(agent_id, **fields)
        return JSONResponse(conversation_json(conversation, with_context=False))

    async def retrieve_conversation(self, request: Request) -> Response:
        return JSONResponse(conversation_json(self._conversation(request)))

    async def update_conversation(self, request: Request) -> Response:
        conversation = self._conversation(request)
        body = checks.json_body(await request.body())
        # A null is no change to Letta.
        conversation.summary = body.get("summary") or conversation.summary
        conversation.model = body.get("model") or conversation.model
        conversation.model_settings = body.get("model_settings") or conversation.model_settings
        if at := body.get("last_message_at"):
            conversation.last_message_at = datetime.fromisoformat(at)
        conversation.updated_at = self.store.now()
        return JSONResponse(conversation_json(conversation, with_context=False))

    async def delete_conversation(self, request: Request) -> Response:
        conversation = self._conversation(request)
        conversation.is_deleted = True
        return JSONResponse(None)

    async def list_messages(self, request: Request) -> Response:
        conversation_id, query = request.path_params["conversation_id"], request.query_params
        checks.check_thread_id(conversation_id)
        cursor = checks.cursor(request.query_params, limit=100)
        types = checks.message_types(query.getlist("include_return_message_types"))
        checks.choice(query, "order_by", ("created_at",), "created_at")
        if agent_id := agent_id_of(conversation_id, query.get("agent_id")):
            if agent_id not in self.store.agents:
                raise Refused.detail(404, "Agent not found")
            return JSONResponse(self._default_history(self.store.agents[agent_id], cursor, types))
        conversation = self.store.conversations.get(conversation_id)
        if conversation is None or conversation.is_deleted:
            return JSONResponse([])
        return JSONResponse(pages.entries_of(pages.page_of_messages(conversation.thread, cursor), types))

    def _default_history(self, agent: Agent, cursor: Cursor, types: list[str] | None) -> list[Json]:
        """An agent's own thread reads differently: always oldest first (of the newest), no stray cursor."""
        for message_id in (cursor.after, cursor.before):
            if message_id and message_id not in self.store.messages:
                raise Refused.detail(404, f"No message found with id '{message_id}' for agent '{agent.id}'.")
        page = pages.page_of_messages(agent.thread, cursor)
        return pages.entries_of(page if cursor.is_ascending else page[::-1], types)

    async def retrieve_message(self, request: Request) -> Response:
        message_id = request.path_params["message_id"]
        checks.check_primitive_id("message", message_id)
        message = self.store.messages.get(message_id)
        if message is None:
            raise Refused.detail(404, f"Message with id {message_id} not found.")
        return JSONResponse([pages.as_thought(entry) for entry in message.entries[::-1]])

    async def list_runs(self, request: Request) -> Response:
        query = request.query_params
        cursor = checks.cursor(request.query_params, limit=100, least=1, most=1000)
        statuses = query.getlist("statuses") or (list(ACTIVE) if query.get("active") == "true" else None)
        for status in statuses or ():
            if status not in RUN_STATUSES:
                raise Refused.detail(400, f"'{status}' is not a valid RunStatus")
        stop_reason = query.get("stop_reason")
        if stop_reason:
            checks.choice(query, "stop_reason", STOP_REASONS, "", kind="enum")
        agent_ids = query.getlist("agent_id") or query.getlist("agent_ids")
        background, conversation_id = query.get("background"), query.get("conversation_id")
        found = [
            run
            for run in self.store.runs.values()
            if (not agent_ids or run.agent_id in agent_ids)
            and (statuses is None or run.status in statuses)
            and (not stop_reason or run.stop_reason == stop_reason)
            and (background is None or run.background == (background == "true"))
            and (conversation_id is None or run.conversation_id == conversation_id)
        ]
        return JSONResponse([run_json(run, in_list=True) for run in pages.page_of_runs(found, cursor, self.store.runs)])

    async def retrieve_run(self, request: Request) -> Response:
        return JSONResponse(run_json(self._run(request)))

    async def list_run_messages(self, request: Request) -> Response:
        run = self._run(request)
        cursor = checks.cursor(request.query_params, limit=100, order="asc")
        thread = Thread()
        for message in run.messages:
            thread.append(message)
        page = pages.page_of_messages(thread, cursor)
        entries = [
            entry for message in page for entry in (message.entries if cursor.is_ascending else message.entries[::-1])
        ]
        return JSONResponse(
            [entry for entry in entries if not run.include_types or entry["message_type"] in run.include_types]
        )

    def _conversation(self, request: Request) -> Conversation:
        conversation_id = request.path_params["conversation_id"]
        checks.check_conversation_id(conversation_id)
        return self.sending.conversation(conversation_id)

    def _run(self, request: Request) -> Run:
        return self.sending.run(request.path_params["run_id"])

    def _conversation_key(self, order_by: str) -> Callable[[Conversation], datetime | None]:
        if order_by != "last_run_completion":
            return lambda conversation: getattr(conversation, order_by)
        ends: dict[str | None, datetime] = {}
        for run in self.store.runs.values():
            if run.completed_at:
                ends[run.conversation_id] = max(run.completed_at, ends.get(run.conversation_id, run.completed_at))
        return lambda conversation: ends.get(conversation.id)
