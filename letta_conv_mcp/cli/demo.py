"""`letta-conv-mcp demo`: the whole tour, through a real MCP client and our own server process on stdio."""

import sys
from typing import Any

import anyio
from mcp import Client
from mcp.shared.exceptions import MCPError

from letta_conv_mcp.cli.own_server import CallFailed, call, first_model, own_server
from letta_conv_mcp.cli.typewriter import Typewriter
from letta_conv_mcp.errors import NotConfigured
from letta_conv_mcp.settings import Settings


class DemoFailed(Exception):
    """The tour can't go on; the text says why."""


def run_demo(settings: Settings) -> int:
    """Play the tour on the Letta that is configured. Returns the exit status."""
    if settings.base_url is None:
        print(NotConfigured(), file=sys.stderr)
        return 2
    failure = anyio.run(_play, settings)
    if failure is not None:
        print(f"\n{failure}", file=sys.stderr)
        return 1
    return 0


async def _play(settings: Settings) -> str | None:
    async with own_server(settings) as client:
        # Caught inside: the client's task groups would wrap it.
        try:
            await _tour(_Tour(client, first_model(settings)), settings.agent_id)
        except (CallFailed, DemoFailed, MCPError) as failure:
            return str(failure)
    return None


async def _tour(tour: "_Tour", agent_id: str | None) -> None:
    agent = await tour.choose_agent(agent_id)
    first = await tour.open_conversation(agent, "Demo: Bo's colours")
    await tour.say(first, "Hello! My name is Bo and my favourite colour is green.")
    await tour.say(first, "What did I tell you?")
    second = await tour.open_conversation(agent, "Demo: somebody else")
    await tour.say(second, "What did I tell you?")
    await tour.look_back(agent, first)


class _Tour:
    """The steps of the demo, each a tool call or two."""

    def __init__(self, client: Client, model: str | None) -> None:
        self._client = client
        self._model = model

    async def choose_agent(self, wanted: str | None) -> str:
        _heading("list_agents", "who is there?")
        agents = (await self._call("list_agents", _tell, limit=5))["agents"]
        for agent in agents:
            print(f"  {agent['name']}  {agent['id']}  {agent['model'] or ''}")
        if wanted is None and not agents:
            _heading("create_agent", "nobody, so Ada is made")
            about = {"name": "Ada", "persona": "I am Ada. I am brief and friendly.", "model": self._model}
            agents = [await self._call("create_agent", **about)]
            print(f"  {agents[0]['name']}  {agents[0]['model']}")
        return wanted or agents[0]["id"]

    async def open_conversation(self, agent_id: str, summary: str) -> str:
        _heading("create_conversation", summary)
        conversation = await self._call("create_conversation", agent_id=agent_id, summary=summary)
        print(f"  {conversation['id']}")
        return conversation["id"]

    async def say(self, conversation_id: str, message: str) -> None:
        _heading("send_message", message)
        typewriter = Typewriter()

        async def show(_: float, __: float | None, line: str | None) -> None:
            print(typewriter.shows(line or ""), end="", flush=True)

        print("  ", end="")
        reply = await self._call("send_message", show, conversation_id=conversation_id, message=message)
        while reply["status"] == "running":
            reply = await self._call("wait_for_reply", show, conversation_id=conversation_id)
        print(typewriter.ends(reply["text"]))
        print(f"  [{reply['status']}]" + (f" {reply['next_step']}" if reply["next_step"] else ""))
        if reply["status"] != "completed":
            raise DemoFailed("The tour ends here, because the agent did not complete its reply.")

    async def look_back(self, agent_id: str, conversation_id: str) -> None:
        _heading("list_conversations", "most recently active first")
        for conversation in (await self._call("list_conversations", agent_id=agent_id, limit=5))["conversations"]:
            print(f"  {conversation['id']}  {conversation['summary'] or '(no summary)'}")
        _heading("retrieve_conversation", conversation_id)
        seen = await self._call("retrieve_conversation", conversation_id=conversation_id)
        print(f"  agent {seen['agent_name']}, {seen['in_context_count']} messages in context, {seen['summary']}")
        _heading("get_history", "two messages a page, from the newest back")
        cursor, number = None, 0
        while number == 0 or cursor is not None:
            number += 1
            page = await self._call("get_history", conversation_id=conversation_id, limit=2, before=cursor)
            print(f"  page {number}")
            for message in page["messages"]:
                print(f"    {message['role']:9} {' '.join(message['text'].split())[:80]}")
            cursor = page["older_cursor"]

    async def _call(self, tool: str, show: Any = None, **arguments: Any) -> dict[str, Any]:
        return await call(self._client, tool, arguments, progress=show)


async def _tell(_: float, __: float | None, line: str | None) -> None:
    print(f"  {line} …", flush=True)


def _heading(tool: str, text: str) -> None:
    print(f"\n> {tool}: {text}")
