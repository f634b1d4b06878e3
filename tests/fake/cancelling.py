"""The routes that stop turns.

A cancel says `cancelled` of runs that had ended, leaves them as they were, and doesn't ask whose they are.
"""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.fake import checks
from tests.fake.approvals import Answer, calls_beside
from tests.fake.checks import Refused
from tests.fake.live import Stage
from tests.fake.sending import Sending, agent_id_of
from tests.fake.state import Agent, Json, Run, Store
from tests.fake.tools import denied, tool_message

DENIED = "The user cancelled the request, so the tool call was denied."


@dataclass(frozen=True)
class Cancelling:
    store: Store
    stage: Stage
    sending: Sending

    def routes(self) -> list[Route]:
        return [
            Route("/v1/conversations/{conversation_id}/cancel", self.cancel_conversation, methods=["POST"]),
            Route("/v1/agents/{agent_id}/messages/cancel", self.cancel_runs, methods=["POST"]),
        ]

    async def cancel_conversation(self, request: Request) -> Response:
        conversation_id, agent_id = request.path_params["conversation_id"], request.query_params.get("agent_id")
        checks.check_thread_id(conversation_id)
        if not agent_id_of(conversation_id, agent_id):
            self.sending.conversation(conversation_id)
        active = self.sending.active_runs(conversation_id, agent_id)
        if not active:
            raise Refused.detail(409, f"CONFLICT: No active runs to cancel for conversation {conversation_id}")
        return self._cancelled([run.id for run in active])

    async def cancel_runs(self, request: Request) -> Response:
        agent_id = request.path_params["agent_id"]
        checks.check_primitive_id("agent", agent_id)
        body = checks.json_body(await request.body(), required=False)
        run_ids: list[str] = body.get("run_ids") or []
        if not run_ids:
            run_ids = [run.id for run in self.store.runs.values() if run.agent_id == agent_id][-1:]
        if not run_ids:
            raise Refused.detail(409, f"CONFLICT: No active runs to cancel for agent {agent_id}")
        return self._cancelled(run_ids)

    def _cancelled(self, run_ids: list[str]) -> Response:
        said: dict[str, str] = {}
        for run_id in run_ids:
            run = self.store.runs.get(run_id)
            said[run_id] = "cancelled" if run else "failed"
            if run and run.stop_reason in {None, "requires_approval"}:
                self._cancel(run)
        self.stage.watch.notify()
        return JSONResponse(said)

    def _cancel(self, run: Run) -> None:
        # An ordinary conversation is free at once, though the turn may still be stored; the default one is not.
        self.store.finish(run, "cancelled", "cancelled")
        if run.conversation_id:
            self.store.free(run.conversation_id)
        agent = self.store.agents[run.agent_id]
        if request := agent.thread.pending:
            self._deny(agent, request, run)

    def _deny(self, agent: Agent, request: Json, run: Run) -> None:
        """Whatever run was cancelled, a request in the default conversation of its agent is denied."""
        calls: list[Json] = [*request["tool_calls"], *calls_beside(agent.thread, request)]
        given = [
            {"tool_call_id": call["tool_call_id"], "approve": False, "reason": DENIED} for call in request["tool_calls"]
        ]
        response = Answer(request["tool_calls"], (), given, request["step_id"]).response(self.store.now(), run.id)
        results = [denied(call["tool_call_id"], DENIED) for call in calls]
        returned = tool_message(results, self.store.now(), step_id=request["step_id"], run_id=run.id)
        for message in (response, returned):
            self.store.keep(agent.thread, message, run)
