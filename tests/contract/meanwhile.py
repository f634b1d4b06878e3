"""What happens beside a turn, and after it."""

from tests.contract.scenario import NOBODY, run_id_of, scenario, types_of
from tests.fake.talk import Talk

# At the same time


@scenario
def a_second_send_to_a_busy_conversation_is_a_conflict(letta: Talk) -> None:
    conversation_id = letta.conversation()
    with letta.sending(conversation_id, f"one #slow {letta.pause}") as first:
        first.read_until('"ping"')
        letta.note(first.run_id.startswith("run-"))
        letta.send(conversation_id, "two")
        letta.send(conversation_id, "two", background=True)
        letta.send(conversation_id, "two", streaming=False)
        letta.post(f"/v1/conversations/{conversation_id}/stream")
        letta.call("GET", "/v1/runs/", params={"conversation_id": conversation_id, "active": "true"})
    letta.send(conversation_id, "three")


@scenario
def a_busy_default_conversation_leaves_the_others_free(letta: Talk) -> None:
    with letta.sending("default", f"one #slow {letta.pause}", agent_id=letta.agent_id) as first:
        first.read_until('"ping"')
        letta.send("default", "two", agent_id=letta.agent_id)
        letta.send("default", "two", agent_id=letta.agent_id, streaming=False)
        letta.send(letta.conversation(), "elsewhere")


@scenario
def a_foreground_otid_sent_again_is_a_second_message(letta: Talk) -> None:
    conversation_id = letta.conversation()
    message = {"role": "user", "content": "twice", "otid": letta.new_otid()}
    letta.send(conversation_id, messages=[message])
    letta.send(conversation_id, messages=[message])
    letta.history(conversation_id)


@scenario
def a_background_otid_sent_again_replays_the_one_run(letta: Talk) -> None:
    conversation_id = letta.conversation()
    message = {"role": "user", "content": "once", "otid": letta.new_otid()}
    letta.send(conversation_id, messages=[message], background=True)
    letta.send(conversation_id, messages=[message], background=True)
    letta.history(conversation_id)


@scenario
def a_dropped_stream_leaves_the_run_going_on(letta: Talk) -> None:
    conversation_id = letta.conversation()
    body = {"input": f"go on #slow {letta.pause}"}
    with letta.listening(f"/v1/conversations/{conversation_id}/messages", **body) as dropped:
        run_id = dropped.run_id
    letta.send(conversation_id, "next")
    letta.wait_for_run(run_id)
    letta.history(conversation_id)


# Listening again


@scenario
def a_finished_background_run_is_replayed(letta: Talk) -> None:
    conversation_id, otid = letta.conversation(), letta.new_otid()
    message = {"role": "user", "content": "bg tokens", "otid": otid}
    sent = letta.send(conversation_id, messages=[message], background=True, stream_tokens=True)
    run_id = run_id_of(sent.frames)
    path = f"/v1/conversations/{conversation_id}/stream"
    letta.post(path, run_id=run_id)
    letta.post(path, run_id=run_id, starting_after=2)
    letta.post(path, otid=otid, include_pings=False)
    letta.post(f"/v1/runs/{run_id}/stream", starting_after=1)
    letta.post(path)
    letta.post(path, run_id=f"run-{NOBODY}")
    letta.post(path, run_id="junk")
    letta.post(path, otid="nope")
    letta.post(f"/v1/runs/run-{NOBODY}/stream", starting_after=0)
    letta.post(f"/v1/conversations/conv-{NOBODY}/stream")


@scenario
def a_running_background_run_is_joined(letta: Talk) -> None:
    conversation_id = letta.conversation()
    body = {"input": f"#drip {letta.pause} #long 3", "background": True, "stream_tokens": True}
    with letta.listening(f"/v1/conversations/{conversation_id}/messages", **body) as dropped:
        dropped.read_until("w0")
    letta.post(f"/v1/conversations/{conversation_id}/stream", starting_after=2)
    letta.history(conversation_id)


@scenario
def a_foreground_run_can_not_be_listened_to_again(letta: Talk) -> None:
    conversation_id, otid = letta.conversation(), letta.new_otid()
    sent = letta.send(conversation_id, messages=[{"role": "user", "content": "fg", "otid": otid}])
    letta.post(f"/v1/runs/{run_id_of(sent.frames)}/stream", starting_after=0)
    with letta.listening(f"/v1/conversations/{conversation_id}/stream", otid=otid) as endless:
        letta.note(endless.run_id == run_id_of(sent.frames), types_of(endless.frames))


@scenario
def a_foreground_otid_names_its_run_to_whoever_asks(letta: Talk) -> None:
    elsewhere = letta.conversation()
    for more in ({}, {"agent_id": letta.agent_id}):
        conversation_id, otid = "default" if more else letta.conversation(), letta.new_otid()
        body = {"messages": [{"role": "user", "content": f"fg #slow {letta.pause}", "otid": otid}], **more}
        with letta.listening(f"/v1/conversations/{conversation_id}/messages", **body) as sent:
            sent.read_until('"ping"')
            for asked in (conversation_id, elsewhere):
                with letta.listening(f"/v1/conversations/{asked}/stream", otid=otid, starting_after=0) as endless:
                    letta.note(endless.run_id == sent.run_id, types_of(endless.frames))
            sent.read_rest()


@scenario
def a_stream_past_its_end_has_only_pings(letta: Talk) -> None:
    conversation_id = letta.conversation()
    sent = letta.send(conversation_id, "bg", background=True)
    with letta.listening(f"/v1/runs/{run_id_of(sent.frames)}/stream", starting_after=9999) as endless:
        letta.note(endless.run_id == run_id_of(sent.frames), types_of(endless.frames))
