"""What becomes of a turn that is cancelled, of its conversation, and of what else is there."""

from tests.contract.scenario import NOBODY, run_id_of, scenario, types_of
from tests.fake.talk import Json, Talk

# The turn


@scenario
def a_turn_cancelled_in_token_mode_leaves_nothing(letta: Talk) -> None:
    for background in (False, True):
        conversation_id = letta.conversation()
        body = {"input": f"#drip {letta.pause} #long 30", "stream_tokens": True, "background": background}
        with letta.listening(f"/v1/conversations/{conversation_id}/messages", **body) as stream:
            stream.read_until("w0")
            if background:
                cancel(letta, stream.run_id)
            else:
                letta.post(f"/v1/conversations/{conversation_id}/cancel")
            stream.read_rest()
        letta.note(sorted(set(types_of(stream.frames))), stream.frames[-1])
        letta.note('"message_type": "stop_reason"' in "".join(stream.chunks))
        letta.get(f"/v1/runs/{stream.run_id}")
        letta.history(conversation_id)
        letta.send(conversation_id, "after")
    replayed = letta.call("POST", f"/v1/runs/{stream.run_id}/stream", json={}, quietly=True)
    letta.note(without_pings(replayed.frames) == without_pings(stream.frames))


@scenario
def a_turn_cancelled_in_step_mode_leaves_the_whole_reply(letta: Talk) -> None:
    for background in (False, True):
        conversation_id = letta.conversation()
        with letta.sending(conversation_id, f"c #slow {letta.pause}", background=background) as stream:
            cancel(letta, stream.run_id)
            letta.get(f"/v1/runs/{stream.run_id}")
        letta.get(f"/v1/runs/{stream.run_id}")
        letta.history(conversation_id)
        letta.post(f"/v1/conversations/{conversation_id}/cancel")
        cancel(letta, stream.run_id)


@scenario
def a_tool_that_runs_is_not_stopped(letta: Talk) -> None:
    for background in (False, True):
        conversation_id = letta.conversation()
        more = {"stream_tokens": True, "background": background}
        with letta.sending(conversation_id, '#tool lookup {"query": "cats"}', **more) as stream:
            stream.read_until('ats\\"}"')
            cancel(letta, stream.run_id)
        letta.get(f"/v1/runs/{stream.run_id}/messages")
        letta.history(conversation_id)


@scenario
def only_the_run_that_is_named_is_cancelled(letta: Talk) -> None:
    mine, other = letta.conversation(), letta.conversation()
    with letta.sending(other, f"other #slow {letta.pause}") as untouched:
        untouched.read_until('"ping"')
        with letta.sending(mine, f"mine #slow {letta.pause}") as stopped:
            cancel(letta, stopped.run_id)
    letta.history(other)
    with letta.sending(other, f"by way of another agent #slow {letta.pause}") as stopped:
        path = f"/v1/agents/{letta.another_agent()}/messages/cancel"
        letta.post(path, run_ids=[stopped.run_id, f"run-{NOBODY}", "junk"])


@scenario
def without_a_name_the_agents_latest_run_is_cancelled(letta: Talk) -> None:
    letta.agent_id = letta.another_agent()
    with letta.sending(letta.conversation(), f"latest #slow {letta.pause}") as latest:
        latest.read_until('"ping"')
        letta.post(f"/v1/agents/{letta.agent_id}/messages/cancel", run_ids=[])


@scenario
def a_run_that_has_ended_stays_as_it_was(letta: Talk) -> None:
    conversation_id = letta.conversation()
    for text in ("fine", "#http 400"):
        run_id = run_id_of(letta.send(conversation_id, text).frames)
        cancel(letta, run_id)
        letta.get(f"/v1/runs/{run_id}")


# Requests that wait for an answer


@scenario
def a_cancelled_request_goes_on_waiting_in_a_conversation(letta: Talk) -> None:
    conversation_id = letta.conversation()
    run_id = run_id_of(letta.send(conversation_id, "#tool delete_everything {}").frames)
    cancel(letta, run_id)
    letta.get(f"/v1/runs/{run_id}")
    letta.send(conversation_id, "still?")
    letta.history(conversation_id)


@scenario
def a_request_in_the_default_conversation_is_denied_by_any_cancel(letta: Talk) -> None:
    letta.agent_id = letta.agent_alike()
    asked = letta.send("default", '#tool delete_everything {"where": "x"}', agent_id=letta.agent_id)
    cancel(letta, run_id_of(asked.frames))
    letta.get(f"/v1/runs/{run_id_of(asked.frames)}")
    letta.history("default", agent_id=letta.agent_id)
    letta.send("default", "free again", agent_id=letta.agent_id)
    letta.send("default", "#tool delete_everything {}", agent_id=letta.agent_id)
    with letta.sending(letta.conversation(), f"elsewhere #slow {letta.pause}") as elsewhere:
        cancel(letta, elsewhere.run_id)
    letta.get(f"/v1/runs/{elsewhere.run_id}/messages")
    letta.history("default", agent_id=letta.agent_id)


# Who may send next


@scenario
def a_conversation_is_free_while_its_cancelled_turn_still_ends(letta: Talk) -> None:
    conversation_id = letta.conversation()
    with letta.sending(conversation_id, f"one #slow {letta.pause}") as first:
        cancel(letta, first.run_id)
        letta.send(conversation_id, "two")
    letta.send(conversation_id, "three")


@scenario
def a_cancelled_background_turn_takes_the_lock_of_the_next_one_with_it(letta: Talk) -> None:
    for background in (False, True):
        conversation_id = letta.conversation()
        path = f"/v1/conversations/{conversation_id}/messages"
        slow = {"input": f"one #slow {letta.pause}", "background": background}
        slower = {"input": f"two #slow {letta.pause} #drip {letta.pause}", "stream_tokens": True}
        with letta.listening(path, **slow) as first:
            cancel(letta, first.run_id)
            with letta.listening(path, **slower) as second:
                second.read_until('"ping"')
                first.read_rest()
                letta.send(conversation_id, "three")
                second.read_rest()


@scenario
def the_default_conversation_is_free_when_its_cancelled_background_turn_has_ended(letta: Talk) -> None:
    for background in (True, False):
        for by_tokens in (True, False):
            # Nothing but the end of Letta's lock frees it after a foreground turn.
            letta.agent_id = letta.another_agent()
            more: Json = {"agent_id": letta.agent_id, "background": background, "stream_tokens": by_tokens}
            with letta.sending("default", f"one #slow {letta.pause}", **more) as first:
                cancel(letta, first.run_id)
                letta.send("default", "two", agent_id=letta.agent_id)
            letta.send("default", "three", agent_id=letta.agent_id)
            letta.call("POST", "/v1/conversations/default/cancel", params={"agent_id": letta.agent_id})


def cancel(letta: Talk, run_id: str) -> None:
    letta.post(f"/v1/agents/{letta.agent_id}/messages/cancel", run_ids=[run_id])


def without_pings(frames: list[Json]) -> list[Json]:
    """Some pings are stored, and those that keep a stream alive are not."""
    return [frame for frame in frames if frame["data"]["message_type"] != "ping"]
