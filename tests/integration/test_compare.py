"""One message put to several at once: each branch has its own end, and none takes the others with it."""

from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from mcp import Client

from letta_conv_mcp.server import build_server
from letta_conv_mcp.settings import ALL_TOOLSETS, Settings
from tests.conftest import Place
from tests.fake import Answer, Conversation, FakeLetta, Hang, Tool
from tests.integration.calls import Progress, call, failure, heard
from tests.integration.lines import Line, open_line
from tests.integration.reasons import STOPS, TIME_OUTS

NOBODY = "conv-00000000-0000-4000-8000-000000000000"


def outcomes(comparison: dict[str, Any]) -> list[tuple[str, str]]:
    return [(branch["status"], branch["text"]) for branch in comparison["branches"]]


@pytest.fixture
def settings(fake: FakeLetta) -> Settings:
    return Settings(base_url=fake.base_url, toolsets=ALL_TOOLSETS)


@pytest.mark.anyio
async def test_several_agents_answer_in_new_conversations_and_an_unknown_one_is_named(
    client: Client, place: Place
) -> None:
    other = await call(client, "create_agent", name="Eve", model=place.model)

    done = await call(client, "compare_replies", message="Who?", agent_ids=[place.agent_name, other["id"], "Nobody"])

    assert outcomes(done) == [("completed", "echo: Who?"), ("completed", "echo: Who?"), ("not_sent", "")]
    first, second, third = done["branches"]
    assert (first["name"], second["name"], third["name"]) == (place.agent_name, "Eve", "Nobody")
    assert (first["agent_id"], second["agent_id"]) == (place.agent_id, other["id"])
    assert third["next_step"].startswith("No agent 'Nobody'.")
    made = await call(client, "retrieve_conversation", conversation_id=second["conversation_id"])
    assert (made["summary"], made["agent_id"]) == ("Compare: Who?", other["id"])


@pytest.mark.anyio
async def test_copies_of_one_agent_know_nothing_of_each_other(client: Client, place: Place) -> None:
    done = await call(client, "compare_replies", message="Same", copies=3, agent_id=place.agent_id)

    ids = [branch["conversation_id"] for branch in done["branches"]]
    assert outcomes(done) == [("completed", "echo: Same")] * 3, done
    assert len(set(ids)) == 3
    assert [branch["name"] for branch in done["branches"]] == [f"{place.agent_name} {number}" for number in (1, 2, 3)]
    for conversation_id in ids:
        page = await call(client, "get_history", conversation_id=conversation_id, types=["user_message"])
        assert [message["text"] for message in page["messages"]] == ["Same"]


@pytest.mark.anyio
async def test_a_pending_approval_and_an_unknown_conversation_leave_the_others_alone(
    client: Client, place: Place
) -> None:
    ids = [await place.new_conversation(client) for _ in range(2)]
    await call(client, "send_message", conversation_id=ids[1], message="#tool delete_everything {}")

    done = await call(client, "compare_replies", message="And now?", conversation_ids=[*ids, NOBODY])

    first, second, third = done["branches"]
    assert (first["status"], first["text"]) == ("completed", "echo: And now?")
    assert second["status"] == "not_sent"
    assert "NOT sent" in second["next_step"]
    assert "delete_everything({})" in second["approvals"]
    assert third["status"] == "not_sent"
    assert third["next_step"].startswith(f"No conversation '{NOBODY}'.")
    denied = await call(
        client, "answer_approval", conversation_id=ids[1], deny=[second["approvals"].partition(":")[0]], reason="no"
    )
    assert denied["status"] == "completed"


@pytest.mark.anyio
async def test_what_takes_longer_is_running_and_waited_for_by_its_ids(client: Client, place: Place) -> None:
    done = await call(
        client, "compare_replies", message="#slow 2 later", copies=2, agent_id=place.agent_id, wait_seconds=0.5
    )

    assert outcomes(done) == [("running", "")] * 2
    for branch in done["branches"]:
        assert "Call wait_for_reply" in branch["next_step"]
        reply = await call(client, "wait_for_reply", conversation_id=branch["conversation_id"], run_id=branch["run_id"])
        assert (reply["status"], reply["text"]) == ("completed", "echo: later")


@pytest.mark.anyio
async def test_each_branch_ends_in_its_own_way(fake: FakeLetta, settings: Settings) -> None:
    asks, runs, refuses = (
        fake.add_agent(name, tools=[Tool("wipe", "wiped", requires_approval=name == "asks")])
        for name in ("asks", "runs", "refuses")
    )
    talks = [fake.add_conversation(agent, summary=agent.name) for agent in (asks, runs, refuses)]
    fake.fail("POST", f"/v1/conversations/{talks[2].id}/messages", Answer(403, {"detail": "no"}), times=None)
    async with Client(build_server(settings)) as client:
        done = await call(
            client, "compare_replies", message="#tool wipe {}", conversation_ids=[talk.id for talk in talks]
        )

    statuses = {branch["name"]: branch["status"] for branch in done["branches"]}
    assert statuses == {"asks": "awaiting_approval", "runs": "completed", "refuses": "not_sent"}
    assert "wants a key" in done["branches"][2]["next_step"]


@pytest.mark.anyio
async def test_a_failing_model_is_told_by_each_branch(fake: FakeLetta, settings: Settings) -> None:
    agent = fake.add_agent("Ada")
    async with Client(build_server(settings)) as client:
        done = await call(client, "compare_replies", message="#http 500 hello", copies=2, agent_id=agent.id)

    assert [branch["status"] for branch in done["branches"]] == ["failed", "failed"]
    assert done["branches"][0]["next_step"].startswith("The agent's model failed.")


@pytest.mark.anyio
async def test_progress_rises_through_all_branches_and_names_them(fake: FakeLetta, settings: Settings) -> None:
    agents = [fake.add_agent(name) for name in ("Ada", "Eve")]
    progress, message = Progress(), "#hold both@1 one two three"
    async with Client(build_server(settings), mode="legacy") as client, anyio.create_task_group() as group:

        async def compare() -> None:
            ids = [agent.id for agent in agents]
            await call(client, "compare_replies", progress, message=message, agent_ids=ids)

        group.start_soon(compare)
        with anyio.fail_after(20):
            await progress.until("Ada: echo:")
            await progress.until("Eve: echo:")
        fake.release("both")

    assert progress.numbers == list(range(1, len(progress.numbers) + 1))
    assert all(line.startswith(("Ada: ", "Eve: ")) for line in progress.lines)


@pytest.mark.anyio
async def test_long_replies_are_cut_so_that_the_whole_can_be_read(fake: FakeLetta, settings: Settings) -> None:
    agent = fake.add_agent("Ada")
    async with Client(build_server(settings)) as client:
        result = await client.call_tool(
            "compare_replies", {"message": f"{'word ' * 3_000}", "copies": 4, "agent_id": agent.id}
        )
        assert result.structured_content is not None
        branch = result.structured_content["branches"][0]
        about = {name: branch[name] for name in ("conversation_id", "run_id")}
        whole = await call(client, "wait_for_reply", **about, detail="full")

    assert "`text` is cut to 4000 of 15006 characters" in branch["next_step"]
    assert whole["text"].startswith(branch["text"])
    assert len(str(result.structured_content)) < 32_000


@pytest.mark.anyio
async def test_a_conversation_that_is_not_made_in_time_is_left_out(
    fake: FakeLetta, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("letta_conv_mcp.tools.comparison.READY_SECONDS", 1.0)
    agent = fake.add_agent("Ada")
    fake.fail("POST", "/v1/conversations/", Hang(), times=1)
    async with Client(build_server(settings)) as client:
        done = await call(client, "compare_replies", message="hello", copies=2, agent_id=agent.id)

    assert sorted(outcomes(done)) == [("completed", "echo: hello"), ("not_sent", "")]


@pytest.mark.anyio
async def test_exactly_one_source_is_wanted(fake: FakeLetta, settings: Settings) -> None:
    agent = fake.add_agent("Ada")
    wrong: list[tuple[dict[str, Any], str]] = [
        ({}, "give exactly one of"),
        ({"agent_ids": []}, "give exactly one of"),
        ({"agent_ids": [agent.id], "copies": 2}, "give exactly one of"),
        ({"agent_ids": [agent.id], "agent_id": agent.id}, "agent_id goes with copies only"),
        ({"conversation_ids": ["conv-1", "conv-1"]}, "a conversation is named twice"),
        ({"copies": 1, "agent_id": agent.id}, "greater than or equal to 2"),
        ({"agent_ids": [agent.id] * 9}, "at most 8"),
        ({"copies": 2}, "LETTA_AGENT_ID sets no default"),
        ({"copies": 2, "agent_id": "Nobody"}, "No agent 'Nobody'"),
    ]
    async with Client(build_server(settings)) as client:
        for arguments, said in wrong:
            assert said in await failure(client, "compare_replies", message="hello", **arguments)

    assert fake.store.conversations == {}


@pytest.fixture(params=[False, True], ids=["handshake", "2026-07-28"])
def line(fake: FakeLetta, request: pytest.FixtureRequest) -> Iterator[Line]:
    with open_line(fake.base_url, "--toolsets", "all", is_modern=request.param) as opened:
        # The first call brings letta-client in.
        opened.answer(opened.call("list_agents"))
        yield opened


@pytest.mark.parametrize("is_stop", [True, False], ids=["stop", "time-out"])
def test_a_host_that_takes_the_call_back_stops_every_branch_unless_its_time_ran_out(
    fake: FakeLetta, line: Line, is_stop: bool
) -> None:
    agent = fake.add_agent("Ada")
    talks: list[Conversation] = [fake.add_conversation(agent) for _ in range(3)]
    ids = [talk.id for talk in talks]
    called = line.call("compare_replies", conversation_ids=ids, message="#hold all hello")
    fake.wait_until(lambda: fake.holds.waiting["all"] == 3, within=20)

    line.take_back(called, STOPS["TypeScript"] if is_stop else TIME_OUTS["TypeScript 1"])
    if is_stop:
        fake.wait_until(lambda: [run.status for run in fake.runs] == ["cancelled"] * 3)
    fake.release("all")
    ends = [line.reply(line.call("wait_for_reply", conversation_id=talk.id))["status"] for talk in talks]

    assert ends == (["cancelled"] if is_stop else ["completed"]) * 3
    assert [heard(fake, talk.id) for talk in talks] == [["#hold all hello"]] * 3


@pytest.mark.anyio
async def test_where_the_message_was_not_sent_no_other_run_is_passed_off_as_its_own(
    fake: FakeLetta, settings: Settings
) -> None:
    agent = fake.add_agent("Ada", tools=[Tool("erase", "erased", requires_approval=True)])
    busy, asking = fake.add_conversation(agent, summary="busy"), fake.add_conversation(agent, summary="asking")
    async with Client(build_server(settings)) as one, Client(build_server(settings)) as other:
        await call(one, "send_message", conversation_id=busy.id, message="#hold key hello", wait_seconds=0)
        await call(one, "send_message", conversation_id=asking.id, message="#tool erase {}")
        done = await call(
            other, "compare_replies", message="me too", conversation_ids=[busy.id, asking.id], wait_seconds=1
        )
        fake.release("key")
        await call(one, "wait_for_reply", conversation_id=busy.id)

    assert outcomes(done) == [("not_sent", "")] * 2
    assert [branch["run_id"] for branch in done["branches"]] == [None, None]
    assert all("NOT sent" in branch["next_step"] for branch in done["branches"])
    assert heard(fake, busy.id) == ["#hold key hello"]
    assert heard(fake, asking.id) == ["#tool erase {}"]
