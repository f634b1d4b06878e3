"""The server process on stdio: both eras, and how it ends. Real pipes, real signals."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from letta_conv_mcp.settings import Settings
from letta_conv_mcp.tools import CATALOG
from letta_conv_mcp.tools.selection import selected
from tests.conftest import Place
from tests.fake import FakeLetta
from tests.integration.stdio import ENVELOPE, Host, started

ENDS_WITHIN = 1.0
"""Seconds: our promise."""

BY_DEFAULT = len(selected(CATALOG, Settings(base_url="local")))
HANDSHAKES = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]


@pytest.mark.parametrize("version", HANDSHAKES)
def test_every_handshake_version_is_answered_in_kind(version: str) -> None:
    with started(None) as host:
        result = host.initialize(version)

        assert result["protocolVersion"] == version
        assert result["serverInfo"]["name"] == "letta-conv-mcp"
        assert result["instructions"].startswith("Talk to Letta agents.")
        assert len(host.ask("tools/list")["tools"]) == BY_DEFAULT


def test_the_newest_version_needs_no_handshake() -> None:
    with started(None) as host:
        discovered = host.ask("server/discover", {"_meta": ENVELOPE})
        tools = host.ask("tools/list", {"_meta": ENVELOPE})

        assert "2026-07-28" in discovered["supportedVersions"]
        assert discovered["instructions"].startswith("Talk to Letta agents.")
        assert len(tools["tools"]) == BY_DEFAULT


@pytest.mark.parametrize("is_modern", [False, True], ids=["handshake", "2026-07-28"])
def test_a_message_goes_to_letta_and_its_reply_comes_back(place: Place, is_modern: bool) -> None:
    meta = {"_meta": ENVELOPE} if is_modern else {}
    with started(place.base_url) as host:
        if not is_modern:
            host.initialize()

        def call(tool: str, **arguments: str) -> dict[str, object]:
            return host.ask("tools/call", {"name": tool, "arguments": arguments, **meta})["structuredContent"]

        made = call("create_conversation", agent_id=place.agent_name)
        reply = call("send_message", conversation_id=str(made["id"]), message="over the wire")

        assert (reply["status"], reply["text"]) == ("completed", "echo: over the wire")


def test_progress_rides_on_its_request(place: Place) -> None:
    with started(place.base_url) as host:
        host.initialize()
        made = host.ask("tools/call", {"name": "create_conversation", "arguments": {"agent_id": place.agent_id}})
        conversation_id = made["structuredContent"]["id"]
        arguments = {"conversation_id": conversation_id, "message": "#drip 0.3 one two three"}

        asked = host.send(
            "tools/call", {"name": "send_message", "arguments": arguments, "_meta": {"progressToken": "p1"}}
        )
        frames: list[dict[str, Any]] = []
        for frame in host.frames():
            frames.append(frame)
            if frame.get("id") == asked:
                break

        params = [frame["params"] for frame in frames if frame.get("method") == "notifications/progress"]
        assert len(params) >= 3
        assert {item["progressToken"] for item in params} == {"p1"}


def in_mid_turn(host: Host, letta: FakeLetta) -> None:
    """Have the server wait for a reply that does not come."""
    conversation = letta.add_conversation(letta.add_agent("Ada"))
    host.send(
        "tools/call",
        {"name": "send_message", "arguments": {"conversation_id": conversation.id, "message": "#hold key hello"}},
    )
    letta.wait_until_held("key")


@pytest.mark.parametrize("when", ["idle", "in mid-turn"])
@pytest.mark.parametrize("how", ["EOF", "SIGINT", "SIGTERM"])
def test_it_ends_at_once_and_cleanly(fake: FakeLetta, how: str, when: str) -> None:
    with started(fake.base_url) as host:
        host.initialize()
        if when == "in mid-turn":
            in_mid_turn(host, fake)

        begun = time.monotonic()
        if how == "EOF":
            assert host.process.stdin is not None
            host.process.stdin.close()
            host.process.stdin = None
        else:
            host.process.send_signal(getattr(signal, how))
        status, errors = host.ended(within=10)
        seconds = time.monotonic() - begun

        assert (status, errors) == (0, "")
        assert seconds < ENDS_WITHIN
        assert all(json.loads(line)["jsonrpc"] == "2.0" for line in host.stdout.splitlines())


def test_a_host_that_reads_nothing_does_not_keep_it(fake: FakeLetta) -> None:
    """Answers that nobody fetches fill the pipe; the end of stdin counts all the same."""
    talk = fake.add_conversation(fake.add_agent("Ada"))
    fake.add_messages(talk, 100)
    with started(fake.base_url) as host:
        host.initialize()
        arguments = {"conversation_id": talk.id, "limit": 100, "detail": "full"}
        for _ in range(8):
            host.send("tools/call", {"name": "get_history", "arguments": arguments})
        fake.wait_until(lambda: len(fake.requests_to("GET", "*/messages")) >= 8)
        assert host.process.stdin is not None
        host.process.stdin.close()

        assert host.process.wait(timeout=5) == 0
        host.process.stdin = None


def test_messages_and_keys_stay_out_of_the_log_at_its_loudest(fake: FakeLetta) -> None:
    talk = fake.add_conversation(fake.add_agent("Ada"))
    with started(fake.base_url, "--log-level", "DEBUG") as host:
        host.initialize()
        arguments = {"conversation_id": talk.id, "message": "a secret between us"}
        host.ask("tools/call", {"name": "send_message", "arguments": arguments})
        host.process.terminate()
        _, errors = host.ended(within=10)

    assert "a secret between us" not in errors


def test_ending_leaves_the_agents_run_alone(fake: FakeLetta) -> None:
    with started(fake.base_url) as host:
        host.initialize()
        in_mid_turn(host, fake)
        host.process.terminate()
        host.ended(within=10)

    fake.release("key")
    fake.wait_until(lambda: fake.runs[0].status == "completed")
    assert fake.requests_to("POST", "*/cancel") == []


def test_a_host_that_vanishes_leaves_no_process_behind(fake: FakeLetta) -> None:
    """Only stdout breaks: a host that was killed while another process still holds our stdin."""
    with started(fake.base_url) as host:
        host.initialize()
        assert host.process.stdout is not None
        host.process.stdout.close()
        host.process.stdout = None
        host.send("tools/list")
        host.send("tools/list")

        status, errors = host.ended(within=10)

        assert (status, errors) == (0, "")


def test_stray_prints_never_reach_the_host(fake: FakeLetta) -> None:
    program = (
        "import anyio, letta_conv_mcp.server as s, letta_conv_mcp.settings as t, letta_conv_mcp.cancels as c\n"
        "from letta_conv_mcp.transports.stdio import serve_stdio\n"
        "server = s.build_server(t.Settings())\n"
        "@server.tool()\n"
        "def shout() -> str:\n"
        "    '''Prints.'''\n"
        "    import os\n"
        "    print('stray', flush=True); os.system('echo stray too'); return 'done'\n"
        "anyio.run(serve_stdio, server, c.Cancels())\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with Host(process) as host:
        host.initialize()

        result = host.ask("tools/call", {"name": "shout", "arguments": {}})
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
        _, errors = host.ended(within=10)

        assert result["content"][0]["text"] == "done"
        assert b"stray" not in host.stdout
        assert errors.splitlines() == ["stray", "stray too"]


def test_a_file_as_stdin_is_served_too(tmp_path: Path) -> None:
    """The event loop can't wait for a regular file; the SDK's own transport reads it."""
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    requests = tmp_path / "requests"
    requests.write_text(
        json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}) + "\n", encoding="utf-8"
    )
    with requests.open("rb") as stdin, started(None, stdin=stdin) as host:
        status, errors = host.ended(within=10)

        assert (status, errors) == (0, "")
        assert json.loads(host.stdout)["result"]["serverInfo"]["name"] == "letta-conv-mcp"


def test_a_wrong_setting_ends_it_with_one_line_and_status_2() -> None:
    with started("localhost:8283") as host:
        status, errors = host.ended(within=10)

        assert status == 2
        wanted = "must be an http, https, ws or wss address, or local"
        assert errors == f"letta-conv-mcp: LETTA_BASE_URL {wanted}, got 'localhost:8283'.\n"
        assert host.stdout == b""


def test_a_turn_outlives_its_process_and_is_found_by_the_next_one(place: Place) -> None:
    """Ours: `kill -9` in mid-turn loses nothing. The next process knows only the conversation's id."""
    with started(place.base_url) as host:
        host.initialize()
        made = host.ask("tools/call", {"name": "create_conversation", "arguments": {"agent_id": place.agent_id}})
        conversation_id = made["structuredContent"]["id"]
        first = host.ask(
            "tools/call",
            {
                "name": "send_message",
                "arguments": {"conversation_id": conversation_id, "message": "#slow 2 survived", "wait_seconds": 0.7},
            },
        )
        host.process.kill()
        host.ended(within=10)

    with started(place.base_url) as host:
        host.initialize()
        last = host.ask("tools/call", {"name": "wait_for_reply", "arguments": {"conversation_id": conversation_id}})[
            "structuredContent"
        ]

    assert first["structuredContent"]["status"] == "running"
    assert (last["status"], last["text"], last["in_reply_to"]) == ("completed", "echo: survived", "#slow 2 survived")
    assert last["run_id"] == first["structuredContent"]["run_id"]


@pytest.mark.parametrize("version", HANDSHAKES)
def test_a_result_holds_nothing_that_its_protocol_version_lacks(fake: FakeLetta, version: str) -> None:
    """MCP: an older client refuses the whole result for a kind of content that it doesn't know."""
    conversation = fake.add_conversation(fake.add_agent("Ada"))
    with started(fake.base_url) as host:
        host.initialize(version)
        arguments = {"conversation_id": conversation.id}
        result = host.ask("tools/call", {"name": "retrieve_conversation", "arguments": arguments})

    kinds = [part["type"] for part in result["content"]]
    assert kinds == (["text", "resource_link"] if version >= "2025-06-18" else ["text"])


def test_lists_that_never_change_may_be_kept_and_others_not(fake: FakeLetta) -> None:
    """MCP: on 2026-07-28 every list says for how long it is good, and for whom."""
    fake.add_conversation(fake.add_agent("Ada"))
    with started(fake.base_url) as host:
        kept = {
            method: host.ask(method, {"_meta": ENVELOPE})
            for method in (
                "server/discover",
                "tools/list",
                "prompts/list",
                "resources/templates/list",
                "resources/list",
            )
        }

    hints = {method: (result["ttlMs"], result["cacheScope"]) for method, result in kept.items()}
    assert hints.pop("resources/list") == (0, "private")
    assert set(hints.values()) == {(3_600_000, "public")}
