"""The routes of agents."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.fake import checks, pages
from tests.fake.checks import Refused
from tests.fake.shapes import agent_json
from tests.fake.state import Agent, Json, Store

AGENT_ORDERS = ("created_at", "updated_at", "last_run_completion")


@dataclass(frozen=True)
class Agents:
    store: Store

    def routes(self) -> list[Route]:
        return [
            Route("/v1/agents/", self.list),
            Route("/v1/agents/", self.create, methods=["POST"]),
            Route("/v1/models/", self.list_models),
            Route("/v1/agents/{agent_id}", self.retrieve),
            Route("/v1/agents/{agent_id}", self.update, methods=["PATCH"]),
        ]

    async def list(self, request: Request) -> Response:
        query = request.query_params
        cursor = checks.cursor(request.query_params, limit=50)
        order_by = checks.choice(query, "order_by", AGENT_ORDERS, "created_at")
        name, text, tags = query.get("name"), query.get("query_text", "").lower(), set(query.getlist("tags"))
        needs_all = query.get("match_all_tags") in {"true", "True", "1"}
        found = [
            agent
            for agent in self.store.agents.values()
            if (not name or agent.name == name)
            and text in agent.name.lower()
            and (not tags or (tags <= set(agent.tags) if needs_all else tags & set(agent.tags)))
        ]
        page = pages.page_of_agents(found, cursor, _key(order_by), self.store.agents)
        return JSONResponse([agent_json(agent, query.getlist("include")) for agent in page])

    async def create(self, request: Request) -> Response:
        body = checks.json_body(await request.body())
        model = body.get("model")
        if not model:
            raise Refused.detail(400, "INVALID_ARGUMENT: Must specify either model or llm_config in request")
        if model not in self.store.models:
            raise Refused.detail(404, f"NOT_FOUND: Handle {model} not found, must be one of []")
        wanted: list[str] = body.get("tools") or []
        tools = [self.store.toolbox[name] for name in wanted if name in self.store.toolbox]
        known = {f"tool-{tool.name}": tool for agent in self.store.agents.values() for tool in agent.tools.values()}
        tool_ids: list[str] = body.get("tool_ids") or []
        tools += [known[tool_id] for tool_id in tool_ids if tool_id in known]
        fields: Json = {"model": model, "tags": body.get("tags") or [], "description": body.get("description")}
        agent = self.store.add_agent(body.get("name") or "agent", tools=tools, **fields)
        return JSONResponse(agent_json(agent, ["agent.tools", "agent.tags"]))

    async def list_models(self, _: Request) -> Response:
        """Of all that is told of a model, its handle."""
        return JSONResponse([{"handle": handle} for handle in sorted(self.store.models)])

    async def retrieve(self, request: Request) -> Response:
        return JSONResponse(agent_json(self._agent(request), request.query_params.getlist("include")))

    async def update(self, request: Request) -> Response:
        """Of all that can be changed, what a test has needed so far."""
        agent = self._agent(request)
        settings: Json = checks.json_body(await request.body()).get("model_settings") or {}
        agent.parallel_tool_calls = bool(settings.get("parallel_tool_calls", agent.parallel_tool_calls))
        return JSONResponse(agent_json(agent, []))

    def _agent(self, request: Request) -> Agent:
        agent_id = request.path_params["agent_id"]
        checks.check_primitive_id("agent", agent_id)
        agent = self.store.agents.get(agent_id)
        if agent is None:
            raise Refused.detail(404, f"Agent with ID {agent_id} not found")
        return agent


def _key(order_by: str) -> Callable[[Agent], datetime | None]:
    return lambda agent: getattr(agent, order_by)
