"""A real App Server with an agent, the scripted model and tools of the tests' own, as one thing.

Its tools are those of `seed.TOOLS` in another dress: an App Server runs tools of a client's, and here the client is a
connection of the rig's, which offers them in each conversation that it is told of.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from socket import socket
from typing import Any, cast
from uuid import uuid4

import httpx
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.stack.app_server import AppServer, open_app_server

Json = dict[str, Any]

MODEL = "openai-compatible/scripted"
TOOLS = ("lookup", "delete_everything", "fail")
ANSWER_SECONDS = 30


class AppRig:
    """The rig, over a connection of its own.

    Args:
        connection: to the App Server.
        server: the App Server.
        model_url: the scripted model's address.

    Attributes:
        server: the App Server.
        agent_id: an agent with the tools.
    """

    def __init__(self, connection: ClientConnection, server: AppServer, model_url: str) -> None:
        self.server = server
        self._model_url = model_url
        self._connection = connection
        self._answers: dict[str, SimpleQueue[Json]] = {}
        threading.Thread(target=self._listen, daemon=True).start()
        fields = {"baseUrl": f"{model_url}/v1", "apiKey": "sk-scripted"}
        self.ask("connect_provider", target="local", provider_id="openai-compatible", fields=fields)
        self.agent_id = self.make_agent("Ada")

    def ask(self, kind: str, **fields: object) -> Json:
        """What the App Server answers a request with."""
        request_id = uuid4().hex
        answers = self._answers[request_id] = SimpleQueue[Json]()
        self._tell({"type": kind, "request_id": request_id, **fields})
        answer = answers.get(timeout=ANSWER_SECONDS)
        del self._answers[request_id]
        assert answer.get("success", True), answer
        return answer

    def make_agent(self, name: str, blocks: Mapping[str, str] | None = None) -> str:
        """An agent of the scripted model with the tools in its own thread; its id."""
        memory = [{"label": label, "value": value} for label, value in (blocks or {}).items()]
        body = {"name": name, "model": MODEL, "system": "You are scripted.", "memory_blocks": memory}
        agent_id = self.ask("agent_create", body=body)["agent"]["id"]
        self.offer_tools(agent_id, "default")
        return agent_id

    def make_conversation(self, agent_id: str, **body: object) -> str:
        """An empty conversation with the tools; its id."""
        answer = self.ask("conversation_create", body={"agent_id": agent_id, **body})
        self.offer_tools(agent_id, answer["conversation"]["id"])
        return answer["conversation"]["id"]

    def offer_tools(self, agent_id: str, conversation_id: str) -> None:
        """Let a conversation's agent use the tools."""
        runtime = {"agent_id": agent_id, "conversation_id": conversation_id}
        update = {"runtimes": [runtime], "external_tools": [{"tools": [_definition(name) for name in TOOLS]}]}
        self.ask("runtime_external_tools_update", updates=[update])

    def join(self, conversation_id: str, *, mode: str = "strict") -> None:
        """Start a conversation over the rig's own connection, as another client does."""
        self.ask("runtime_start", agent_id=self.agent_id, conversation_id=conversation_id, mode=mode)

    def prompts(self) -> list[Json]:
        """What the model was asked lately, oldest first: `text`, `tool_names` and the whole `request`."""
        return httpx.get(f"{self._model_url}/log", timeout=ANSWER_SECONDS, trust_env=False).raise_for_status().json()

    def said_by_user(self, conversation_id: str) -> list[str]:
        """The person's messages in a conversation, as the App Server has them."""
        query: Json = {"limit": 1000, "order": "asc"}
        if conversation_id.startswith("default:"):
            query["agent_id"], conversation_id = conversation_id.removeprefix("default:"), "default"
        listed = self.ask("conversation_messages_list", conversation_id=conversation_id, query=query)["messages"]
        said = [message["content"] for message in listed if message["message_type"] == "user_message"]
        texts = [[part["text"] for part in parts if not part["text"].startswith("<system-reminder>")] for parts in said]
        return ["".join(parts) for parts in texts if parts]

    def _tell(self, frame: Json) -> None:
        self._connection.send(json.dumps(frame))

    def _listen(self) -> None:
        try:
            for text in self._connection:
                self._take(cast("Json", json.loads(text)))
        except ConnectionClosed:
            # Killed by a test, or closed at the end.
            return

    def _take(self, frame: Json) -> None:
        if frame["type"] == "external_tool_call_request":
            result = _result(frame["tool_name"], frame["input"])
            self._tell({"type": "external_tool_call_response", "request_id": frame["request_id"], **result})
        elif answers := self._answers.get(str(frame.get("request_id"))):
            answers.put(frame)


@contextmanager
def open_app_rig(folder: Path) -> Generator[AppRig]:
    """An App Server that keeps everything in a folder, with all that belongs to it."""
    with (
        open_model() as model_url,
        open_app_server(folder) as server,
        # Its pings would draw random numbers in a thread, while Hypothesis watches that nobody does.
        connect(f"{server.address}/ws", max_size=None, proxy=None, ping_interval=None) as connection,
    ):
        yield AppRig(connection, server, model_url)


@contextmanager
def open_model() -> Generator[str]:
    """The scripted model, as a process of its own; its address."""
    port = _free_port()
    with subprocess.Popen([sys.executable, "-m", "tests.stack.model", str(port)]) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            with httpx.Client(transport=httpx.HTTPTransport(retries=8), trust_env=False) as http:
                http.get(f"{url}/health").raise_for_status()
            yield url
        finally:
            process.terminate()


def _free_port() -> int:
    with socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


def _definition(name: str) -> Json:
    properties = {"query": {"type": "string"}, "where": {"type": "string"}}
    return {"name": name, "description": name, "parameters": {"type": "object", "properties": properties}}


def _result(tool: str, arguments: Json) -> Json:
    if tool == "fail":
        return {"error": "no such luck"}
    said = f"found {arguments.get('query', '')}" if tool == "lookup" else _deleted(arguments)
    return {"result": {"content": [{"type": "text", "text": said}]}}


def _deleted(arguments: Json) -> str:
    return f"deleted everything {arguments.get('where', 'here')}"
