"""Approvals put to the host's person, in both eras. Only an explicit answer counts."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp_types import ElicitRequestParams, ElicitResult, ErrorData

from letta_conv_mcp.server import build_server
from letta_conv_mcp.settings import Settings
from tests.conftest import Place
from tests.fake import FakeLetta, Tool
from tests.integration.calls import call, heard

pytestmark = pytest.mark.anyio

ASK = '#tool delete_everything {"where": "there"}'


@dataclass
class Person:
    """Somebody at the host, who gives these answers one after another."""

    answers: list[ElicitResult | ErrorData]
    asked: list[str] = field(default_factory=list[str])
    schemas: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    async def __call__(self, context: object, params: ElicitRequestParams) -> ElicitResult | ErrorData:
        del context
        self.asked.append(params.message)
        self.schemas.append(getattr(params, "requested_schema", {}))
        return self.answers.pop(0)


def chose(decision: str) -> ElicitResult:
    return ElicitResult(action="accept", content={"decision": decision})


def host(settings: Settings, era: str, person: Callable[..., Any]) -> Client:
    return Client(build_server(settings), mode=era, elicitation_callback=person)


async def test_the_person_is_asked_and_an_approval_lets_the_agent_go_on(place: Place, era: str) -> None:
    person = Person([chose("approve")])
    async with host(place.settings, era, person) as client:
        conversation_id = await place.new_conversation(client)

        reply = await call(client, "send_message", conversation_id=conversation_id, message=ASK)

    assert (reply["status"], reply["approvals"]) == ("completed", [])
    assert "deleted everything there" in reply["text"]
    [question] = person.asked
    # An App Server sets the spaces of the arguments anew.
    assert (
        question.replace(": ", ":") == 'The Letta agent asks to run:\ndelete_everything({"where":"there"})\nAllow it?'
    )
    assert person.schemas[0]["properties"]["decision"]["enum"] == ["approve", "deny", "not_now"]


async def test_a_denial_of_the_persons_reaches_the_agent(place: Place, era: str) -> None:
    person = Person([chose("deny")])
    async with host(place.settings, era, person) as client:
        conversation_id = await place.new_conversation(client)

        reply = await call(client, "send_message", conversation_id=conversation_id, message=ASK)

    assert reply["status"] == "completed"
    assert "The person denied it." in reply["text"]


@pytest.mark.parametrize(
    "answer",
    [
        chose("not_now"),
        chose("perhaps"),
        ElicitResult(action="accept", content={}),
        ElicitResult(action="decline"),
        ElicitResult(action="decline", content={"decision": "approve"}),
        ElicitResult(action="cancel"),
    ],
    ids=["not now", "nonsense", "empty", "declined", "declined with words", "cancelled"],
)
async def test_anything_but_a_decision_leaves_the_call_pending(place: Place, era: str, answer: ElicitResult) -> None:
    """Ours: nothing is ever approved or denied by default."""
    async with host(place.settings, era, Person([answer])) as client:
        conversation_id = await place.new_conversation(client)

        reply = await call(client, "send_message", conversation_id=conversation_id, message=ASK)
        seen = await call(client, "retrieve_conversation", conversation_id=conversation_id)

    assert reply["status"] == "awaiting_approval"
    assert reply["approvals"] == seen["approvals"]
    assert len(seen["approvals"]) == 1


async def test_a_question_that_fails_at_the_host_leaves_the_call_pending(fake: FakeLetta) -> None:
    """The older eras, where the question is a request of ours."""
    agent = fake.add_agent("Ada", tools=[Tool("erase", requires_approval=True)])
    talk = fake.add_conversation(agent)
    async with host(
        Settings(base_url=fake.base_url), "legacy", Person([ErrorData(code=-32000, message="no window")])
    ) as client:
        reply = await call(client, "send_message", conversation_id=talk.id, message="#tool erase {}")

    assert reply["status"] == "awaiting_approval"
    assert talk.thread.pending


async def test_a_person_who_does_not_answer_in_time_leaves_the_call_pending(fake: FakeLetta) -> None:
    """Before 2026-07-28 the person's thinking counts against the host's time-out."""
    agent = fake.add_agent("Ada", tools=[Tool("erase", requires_approval=True)])
    talk = fake.add_conversation(agent)

    async def away(_: object, __: ElicitRequestParams) -> ElicitResult:
        await anyio.sleep_forever()
        raise AssertionError

    async with host(Settings(base_url=fake.base_url), "legacy", away) as client:
        reply = await call(client, "send_message", conversation_id=talk.id, message="#tool erase {}", wait_seconds=0.5)

    assert reply["status"] == "awaiting_approval"
    assert talk.thread.pending


async def test_the_next_question_of_the_same_turn_is_put_too(place: Place, era: str) -> None:
    person = Person([chose("approve"), chose("deny")])
    async with host(place.settings, era, person) as client:
        conversation_id = await place.new_conversation(client)

        reply = await call(client, "send_message", conversation_id=conversation_id, message=f"{ASK} {ASK}")

    assert len(person.asked) == 2
    assert reply["status"] == "completed"
    assert reply["text"].startswith("tool said: ")


async def test_waiting_for_a_reply_puts_its_question_too(place: Place, era: str) -> None:
    person = Person([chose("approve")])
    async with host(place.settings, era, person) as client:
        conversation_id = await place.new_conversation(client)
        await call(client, "send_message", conversation_id=conversation_id, message=f"#slow 0.5 {ASK}", wait_seconds=0)

        reply = await call(client, "wait_for_reply", conversation_id=conversation_id)

    assert reply["status"] == "completed"
    assert "deleted everything there" in reply["text"]


async def test_a_question_somebody_else_has_answered_meanwhile_does_no_harm(fake: FakeLetta, era: str) -> None:
    agent = fake.add_agent("Ada", tools=[Tool("erase", "erased", requires_approval=True)])
    talk = fake.add_conversation(agent)
    async with Client(build_server(Settings(base_url=fake.base_url))) as other:

        async def late(_: object, __: ElicitRequestParams) -> ElicitResult:
            pending = await call(other, "retrieve_conversation", conversation_id=talk.id)
            ids = [approval["tool_call_id"] for approval in pending["approvals"]]
            await call(other, "answer_approval", conversation_id=talk.id, deny=ids, reason="no")
            return chose("approve")

        async with host(Settings(base_url=fake.base_url), era, late) as client:
            reply = await call(client, "send_message", conversation_id=talk.id, message="#tool erase {}")

    assert reply["status"] == "completed"
    assert "erased" not in reply["text"]
    assert heard(fake, talk.id) == ["#tool erase {}"]


@pytest.mark.parametrize("settings", [{"elicitation": False}, {}], ids=["switched off", "not offered"])
async def test_a_host_that_cannot_or_should_not_ask_gets_the_pending_call(
    fake: FakeLetta, era: str, settings: dict[str, Any]
) -> None:
    agent = fake.add_agent("Ada", tools=[Tool("erase", requires_approval=True)])
    talk = fake.add_conversation(agent)
    person = Person([])
    server = build_server(Settings(base_url=fake.base_url, **settings))
    callback = person if settings else None
    async with Client(server, mode=era, elicitation_callback=callback) as client:
        reply = await call(client, "send_message", conversation_id=talk.id, message="#tool erase {}")

    assert reply["status"] == "awaiting_approval"
    assert person.asked == []
