"""Lists, cursors and records."""

from typing import Any

from tests.contract.scenario import NOBODY, run_id_of, scenario
from tests.fake.state import MODEL_HANDLE as MODEL
from tests.fake.talk import Talk

# Reading


@scenario
def every_cursor_of_a_history_means_what_it_means(letta: Talk) -> None:
    conversation_id, other_id = letta.conversation(), letta.conversation()
    letta.say(conversation_id, "m0", "m1", "#reason hm# m2", "m3", "m4")
    letta.say(other_id, "elsewhere")
    ids = [entry["id"] for entry in letta.history(conversation_id, order="asc")]
    middle, oldest, newest = ids[4], ids[0], ids[-1]
    foreign = letta.history(other_id)[0]["id"]
    for order in ("asc", "desc"):
        for cursor in ({}, {"after": middle}, {"before": middle}, {"after": oldest, "before": middle}):
            letta.history(conversation_id, order=order, limit=3, **cursor)
        for cursor in ({"after": newest}, {"after": oldest}, {"before": oldest}, {"before": newest, "after": newest}):
            letta.history(conversation_id, order=order, **cursor)
        for stray in ("junk", f"message-{NOBODY}", foreign):
            letta.history(conversation_id, order=order, after=stray, limit=2)


@scenario
def a_limit_counts_stored_messages(letta: Talk) -> None:
    conversation_id = letta.conversation()
    letta.say(conversation_id, "#reason hm# one", "#reason hm# two")
    for limit in (0, 1, 2, 100000, -1, "x"):
        letta.history(conversation_id, limit=limit)
    letta.history(conversation_id, limit=2, include_return_message_types="user_message")
    letta.history(conversation_id, include_return_message_types=["user_message", "system_message"])
    letta.history(conversation_id, include_return_message_types="nope")
    letta.history(conversation_id, order="up")
    letta.history(conversation_id, order_by="id")


@scenario
def a_message_by_its_id_reads_its_words_as_a_thought(letta: Talk) -> None:
    conversation_id = letta.conversation()
    letta.say(conversation_id, "#reason hm# one", '#say look# #tool lookup {"query": "x"}')
    seen: list[str] = []
    for entry in letta.history(conversation_id, order="asc"):
        if entry["id"] not in seen:
            seen.append(entry["id"])
            letta.get(f"/v1/messages/{entry['id']}")


@scenario
def a_conversation_lists_its_context_only_when_read(letta: Talk) -> None:
    conversation_id = letta.conversation(summary="first")
    letta.get(f"/v1/conversations/{conversation_id}")
    letta.say(conversation_id, "hello")
    letta.get(f"/v1/conversations/{conversation_id}")
    path = f"/v1/conversations/{conversation_id}"
    letta.call("PATCH", path, json={"summary": "second"})
    letta.call("PATCH", path, json={"summary": None, "archived": True, "last_message_at": "2020-01-01T00:00:00Z"})
    letta.get("/v1/conversations/", agent_id=letta.agent_id, limit=1)


@scenario
def a_deleted_conversation_is_gone_but_for_an_empty_history(letta: Talk) -> None:
    conversation_id = letta.conversation()
    letta.say(conversation_id, "hello")
    letta.call("DELETE", f"/v1/conversations/{conversation_id}")
    letta.call("DELETE", f"/v1/conversations/{conversation_id}")
    letta.get(f"/v1/conversations/{conversation_id}")
    letta.history(conversation_id)
    letta.send(conversation_id, "x")
    letta.call("PATCH", f"/v1/conversations/{conversation_id}", json={"summary": "x"})


@scenario
def conversations_are_listed_in_the_order_asked_for(letta: Talk) -> None:
    # Another agent: lists must hold nothing else.
    letta.agent_id = letta.another_agent()
    names = {letta.conversation(summary=name): name for name in ("alpha one", "Beta", "delta")}
    first, second, third = names
    # Of two without a value the ids decide, and those are drawn by lot: so both have one name.
    silent = sorted(letta.conversation(summary="gamma 100%") for _ in range(2))
    names |= dict.fromkeys(silent, "silent")
    letta.say(second, "x")
    letta.say(first, "x")
    letta.say(third, "#http 400")

    def listed(**params: Any) -> None:
        answer = letta.call("GET", "/v1/conversations/", quietly=True, params={"agent_id": letta.agent_id, **params})
        rows = [names.get(row["id"]) for row in answer.body] if answer.status == 200 else letta.masked(answer.body)
        letta.note({key: names.get(str(params[key]), params[key]) for key in params}, answer.status, rows)

    for order_by in ("created_at", "last_message_at", "last_run_completion"):
        for order in ("asc", "desc"):
            listed(order=order, order_by=order_by)
            listed(order=order, order_by=order_by, after=first)
            listed(order=order, order_by=order_by, after=second, limit=1)
            if order_by != "created_at":
                listed(order=order, order_by=order_by, after=silent[0])
        listed(order_by=order_by, after=f"conv-{NOBODY}")
    for limit in (0, 2, -1, "x"):
        listed(limit=limit)
    for wanted in ("alpha", "ALPHA", "a", "%", "0%", "_", "nothing"):
        listed(summary_search=wanted)
    for odd in (
        {"order_by": "nope"},
        {"order": "up"},
        {"after": "junk"},
        {"agent_id": f"agent-{NOBODY}"},
        {"archive_status": "x"},
    ):
        listed(**odd)


@scenario
def agents_are_listed_newest_first(letta: Talk) -> None:
    mark = letta.new_otid()[:8]
    names = {letta.another_agent(f"{name} {mark}"): name for name in ("Ada", "Bo", "ada two")}
    first, second, _ = names

    def listed(**params: Any) -> None:
        answer = letta.call("GET", "/v1/agents/", quietly=True, params=params)
        rows = [names.get(row["id"]) for row in answer.body] if answer.status == 200 else letta.masked(answer.body)
        letta.note(sorted(params), answer.status, rows)

    listed(query_text=mark)
    listed(query_text=f"ADA {mark}")
    listed(name=f"Bo {mark}")
    listed(name=f"bo {mark}")
    for order in ("asc", "desc"):
        listed(query_text=mark, order=order, limit=2)
        listed(query_text=mark, order=order, after=second)
        listed(query_text=mark, order=order, before=second)
        listed(query_text=mark, order=order, after=f"agent-{NOBODY}")
    listed(query_text=mark, limit=0)
    listed(query_text=mark, limit=-1)
    listed(query_text=mark, limit="x")
    listed(query_text=mark, order="up")
    listed(query_text=mark, order_by="nope")
    letta.call("GET", f"/v1/agents/{first}", shape=True)
    letta.call("GET", "/v1/agents/", params={"query_text": mark}, shape=True)


@scenario
def an_agent_is_made_of_a_model_that_there_is(letta: Talk) -> None:
    models = letta.call("GET", "/v1/models/", quietly=True)
    letta.note(models.status, [model["handle"] for model in models.body])
    letta.post("/v1/agents/", name="Ada")
    letta.post("/v1/agents/", name="Ada", model="nobody/knows")
    blocks = [{"label": "persona", "value": "I am Ada.", "description": "who I am"}]
    made = letta.call(
        "POST", "/v1/agents/", json={"name": "Ada", "model": MODEL, "memory_blocks": blocks}, quietly=True
    )
    letta.note(made.status, made.body["name"], made.body["model"])


@scenario
def an_agent_says_which_of_its_tools_wait_for_a_person(letta: Talk) -> None:
    for include in ([], ["agent.tags"], ["agent.tools"]):
        agent = letta.call("GET", f"/v1/agents/{letta.agent_id}", params={"include": include}, quietly=True).body
        letta.note(agent["tool_rules"], sorted(tool["name"] for tool in agent["tools"]), agent["tags"])
        letta.note([tool["default_requires_approval"] for tool in agent["tools"]])


@scenario
def runs_are_found_by_what_they_are(letta: Talk) -> None:
    letta.agent_id = letta.another_agent()
    conversation_id = letta.conversation()
    sends = {
        "first": letta.send(conversation_id, "one"),
        "failed": letta.send(conversation_id, "#http 400"),
        "background": letta.send(conversation_id, "three", background=True),
    }
    names = {run_id_of(sent.frames): name for name, sent in sends.items()}
    middle = run_id_of(sends["failed"].frames)

    def listed(**params: Any) -> None:
        answer = letta.call("GET", "/v1/runs/", quietly=True, params={"agent_id": letta.agent_id, **params})
        rows = (
            [names.get(row["id"], "other") for row in answer.body]
            if answer.status == 200
            else letta.masked(answer.body)
        )
        letta.note({key: names.get(str(params[key]), "…") for key in params}, answer.status, rows)

    letta.send(conversation_id, "whole", streaming=False)
    listed()
    listed(conversation_id=conversation_id)
    listed(conversation_id="default")
    listed(active="true")
    listed(active="true", conversation_id=conversation_id)
    listed(background="true")
    listed(background="false")
    listed(statuses=["failed", "completed"])
    listed(statuses=["nope"])
    listed(stop_reason="end_turn")
    listed(stop_reason="nope")
    for order in ("asc", "desc"):
        listed(conversation_id=conversation_id, order=order, limit=1)
        listed(conversation_id=conversation_id, order=order, after=middle)
        listed(conversation_id=conversation_id, order=order, before=middle)
    listed(limit=0)
    listed(limit=1001)
    listed(after=f"run-{NOBODY}", conversation_id=conversation_id)
    letta.call("GET", "/v1/runs/", params={"conversation_id": conversation_id})
    for run_id in names:
        letta.get(f"/v1/runs/{run_id}")
        letta.get(f"/v1/runs/{run_id}/messages")
    letta.get(f"/v1/runs/{run_id_of(sends['first'].frames)}/messages", order="desc")


@scenario
def the_server_says_that_it_is_well(letta: Talk) -> None:
    letta.get("/v1/health/")
