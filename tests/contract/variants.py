"""What Letta does when it is set up another way."""

from tests.contract.scenario import NOBODY, PASSWORD, run_id_of
from tests.fake.talk import Talk


def a_password_is_asked_of_all_but_the_health_check(letta: Talk) -> None:
    for headers in (
        {"Authorization": ""},
        {"Authorization": "Bearer nope"},
        {"Authorization": f"Bearer {PASSWORD}"},
        {"Authorization": "", "X-BARE-PASSWORD": f"password {PASSWORD}"},
    ):
        letta.call("GET", "/v1/conversations/", params={"limit": 0}, headers=headers)
        letta.call("GET", "/v1/health/", headers=headers)
        letta.call("GET", "/v1/nothing", headers=headers)
        letta.call("POST", f"/v1/conversations/conv-{NOBODY}/messages", json={"input": "x"}, headers=headers)


def nothing_is_locked_or_replayed_without_redis(letta: Talk) -> None:
    conversation_id, otid = letta.conversation(), letta.new_otid()
    letta.send(conversation_id, "hello", stream_tokens=True)
    refused = letta.send(conversation_id, "x", background=True)
    letta.note(refused.status)
    sent = letta.send(conversation_id, messages=[{"role": "user", "content": "fg", "otid": otid}])
    path = f"/v1/conversations/{conversation_id}/stream"
    letta.call("POST", path)
    letta.post(path, otid=otid)
    letta.post(path, run_id=run_id_of(sent.frames))
    letta.post(f"/v1/runs/{run_id_of(sent.frames)}/stream", starting_after=0)
    with letta.sending(conversation_id, f"one #slow {letta.pause}") as first:
        first.read_until('"ping"')
        letta.post(path, otid=otid)
        letta.post("/v1/conversations/default/stream", otid=otid, agent_id=letta.agent_id)
        letta.send(conversation_id, "two")
    with letta.sending(conversation_id, f"#drip {letta.pause} #long 30", stream_tokens=True) as stopped:
        letta.post(f"/v1/agents/{letta.agent_id}/messages/cancel", run_ids=[stopped.run_id])
    letta.send("default", "x", agent_id=letta.agent_id, background=True)
    # The history isn't compared: two turns at once give Letta's messages the same positions, in an order of its own.
    letta.call("GET", "/v1/runs/", params={"conversation_id": conversation_id})
