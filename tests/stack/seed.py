"""Agents and conversations for tests, made over plain HTTP: the client library is one of the things under test.

`TOOLS` run inside Letta, which takes one to five seconds a call.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from tests.stack.running import Running

REQUEST_SECONDS = 60


@dataclass(frozen=True)
class Tool:
    """A Python function that Letta runs, and whether a person must agree first."""

    name: str
    source: str
    requires_approval: bool = False


LOOKUP = Tool(
    "lookup",
    '''def lookup(query: str = "") -> str:
    """Looks something up.

    Args:
        query (str): What to look up.

    Returns:
        str: What was found.
    """
    return f"found {query}"
''',
)
DELETE_EVERYTHING = Tool(
    "delete_everything",
    '''def delete_everything(where: str = "here") -> str:
    """Deletes everything.

    Args:
        where (str): Where to delete everything.

    Returns:
        str: What was deleted.
    """
    return f"deleted everything {where}"
''',
    requires_approval=True,
)
FAIL = Tool(
    "fail",
    '''def fail() -> str:
    """Raises an error.

    Returns:
        str: Never.
    """
    raise ValueError("no such luck")
''',
)
TOOLS = (LOOKUP, DELETE_EVERYTHING, FAIL)
PONDER = Tool(
    "ponder",
    '''def ponder(query: str = "") -> str:
    """Thinks something over, for longer than Letta keeps silent.

    Args:
        query (str): What to think over.

    Returns:
        str: What came of it.
    """
    import time
    time.sleep(3)
    return f"pondered {query}"
''',
)


def make_agent(
    stack: Running, name: str, *, tools: Sequence[Tool] = (), blocks: Mapping[str, str] | None = None
) -> str:
    """An agent of the scripted model with these tools and memory blocks only; its id."""
    with _client(stack) as client:
        tool_ids = [_tool_id(client, tool) for tool in tools]
        memory = [{"label": label, "value": value} for label, value in (blocks or {}).items()]
        agent = _answer(
            client.post(
                "/v1/agents/",
                json={
                    "name": name,
                    "model": stack.model_handle,
                    "include_base_tools": False,
                    "tool_ids": tool_ids,
                    "memory_blocks": memory,
                },
            )
        )
        for tool in tools:
            wanted = {"requires_approval": tool.requires_approval}
            _answer(client.patch(f"/v1/agents/{agent['id']}/tools/approval/{tool.name}", json=wanted))
    return agent["id"]


def agent_named(stack: Running, name: str) -> str:
    """The id of the agent of this name, made when it is missing."""
    with _client(stack) as client:
        found = client.get("/v1/agents/", params={"name": name}).raise_for_status().json()
    return found[0]["id"] if found else make_agent(stack, name)


def make_conversation(stack: Running, agent_id: str, *, summary: str | None = None) -> str:
    """An empty conversation of the agent; its id."""
    with _client(stack) as client:
        body = {} if summary is None else {"summary": summary}
        return _answer(client.post("/v1/conversations/", params={"agent_id": agent_id}, json=body))["id"]


def prompts_seen(stack: Running) -> list[dict[str, Any]]:
    """What the model was sent since the last reset, oldest first: `text`, `tool_names` and the whole `request`."""
    return httpx.get(f"{stack.model_url}/log", timeout=REQUEST_SECONDS, trust_env=False).raise_for_status().json()


def _client(stack: Running) -> httpx.Client:
    headers = {} if stack.api_key is None else {"Authorization": f"Bearer {stack.api_key}"}
    return httpx.Client(base_url=stack.base_url, headers=headers, timeout=REQUEST_SECONDS, trust_env=False)


def _tool_id(client: httpx.Client, tool: Tool) -> str:
    """Put, not posted: the tool may be there from an earlier run."""
    return _answer(client.put("/v1/tools/", json={"source_code": tool.source}))["id"]


def _answer(response: httpx.Response) -> dict[str, Any]:
    return response.raise_for_status().json()
