"""What somebody who runs the server sees of its turns: log lines on stderr, and spans."""

import json

import pytest
from mcp import Client
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from tests.fake import Answer, Close, Cut, FakeLetta
from tests.fake.state import Conversation
from tests.integration.calls import KEY, Progress, call, failure
from tests.integration.stdio import started

pytestmark = pytest.mark.anyio

SECRET = "my cat is called Ink"
SLOWLY = f"#drip 0.2 {SECRET}"
"""So slowly that a stream that was cut is picked up before its end."""


@pytest.fixture(scope="module")
def exporter() -> InMemorySpanExporter:
    """OpenTelemetry takes one provider a process."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


@pytest.fixture
def spans(exporter: InMemorySpanExporter) -> InMemorySpanExporter:
    exporter.clear()
    return exporter


def lines_of(fake: FakeLetta, conversation_id: str, *flags: str) -> list[str]:
    """What our process writes to stderr about one send, repeated once, whose stream is cut."""
    fake.fail("POST", "*/messages", Close())
    fake.fail("POST", "*/messages", Cut(2))
    with started(fake.base_url, *flags) as host:
        host.initialize()
        arguments = {"conversation_id": conversation_id, "message": SLOWLY}
        host.ask("tools/call", {"name": "send_message", "arguments": arguments, "_meta": {"progressToken": 1}})
        assert host.process.stdin is not None
        host.process.stdin.close()
        host.process.stdin = None
        _, errors = host.ended(within=10)
    return errors.splitlines()


def test_a_turn_leaves_a_line_with_ids_status_and_counts_and_none_of_the_words(
    fake: FakeLetta, talk: Conversation
) -> None:
    lines = lines_of(fake, talk.id, "--log-level", "INFO")

    events = [line.split(" letta_conv_mcp.turns.journal ")[1] for line in lines if "turns.journal" in line]
    assert [event.split(" conversation_id=")[0] for event in events] == ["unclear", "resumed", "turn ended"]
    assert all(f"conversation_id={talk.id}" in event for event in events)
    assert f"run_id={fake.runs[0].id} status=completed stage=posted stop_reason=end_turn" in events[-1]
    assert events[-1].endswith("unclear_count=1 resumed_count=1")
    assert "Ink" not in "".join(lines)


def test_what_is_said_is_logged_only_when_asked_for(fake: FakeLetta, talk: Conversation) -> None:
    lines = lines_of(fake, talk.id, "--log-content")

    told = [line.split(" letta_conv_mcp.content ")[1] for line in lines]
    assert told == [
        f'message conversation_id={talk.id} text="{SLOWLY}"',
        f'reply conversation_id={talk.id} text="echo: {SECRET}"',
    ]


def test_nothing_is_logged_of_an_ordinary_turn_unless_asked_for(fake: FakeLetta, talk: Conversation) -> None:
    assert lines_of(fake, talk.id) == []


async def test_a_turn_is_a_span_below_the_call_that_started_it(
    spans: InMemorySpanExporter, fake: FakeLetta, fake_client: Client, talk: Conversation
) -> None:
    fake.fail("POST", "*/messages", Cut(2))

    reply = await call(fake_client, "send_message", Progress(), conversation_id=talk.id, message=SLOWLY)

    finished = {span.name: span for span in spans.get_finished_spans()}
    turn = finished["letta.turn"]
    attributes = dict(turn.attributes or {})
    server_spans = [span for name, span in finished.items() if name == "tools/call send_message"]
    assert turn.parent is not None
    assert turn.parent.span_id in [span.context.span_id for span in server_spans if span.context]
    assert attributes["letta.conversation_id"] == talk.id
    assert (attributes["letta.run_id"], attributes["letta.status"]) == (reply["run_id"], "completed")
    assert attributes["letta.resumed_count"] == 1
    assert [event.name for event in turn.events] == ["resumed"]
    assert turn.status.status_code is StatusCode.UNSET
    assert SECRET not in turn.to_json()


async def test_a_turn_that_failed_is_a_failed_span_without_lettas_words(
    spans: InMemorySpanExporter, fake: FakeLetta, fake_client: Client, talk: Conversation
) -> None:
    fake.fail("POST", "*/messages", Answer(401, {"detail": f"the key {KEY} is wrong"}))

    await failure(fake_client, "send_message", conversation_id=talk.id, message=SECRET)

    [turn] = [span for span in spans.get_finished_spans() if span.name == "letta.turn"]
    assert turn.status.status_code is StatusCode.ERROR
    assert json.loads(turn.to_json())["attributes"]["letta.status"] == "NotAllowed"
    assert KEY not in turn.to_json()
    assert SECRET not in turn.to_json()
