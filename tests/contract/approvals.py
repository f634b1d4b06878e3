"""Tool calls that wait for an answer."""

from tests.contract.scenario import answers, approval, approve, call_id_of, call_ids_of, run_id_of, scenario
from tests.fake.talk import Json, Talk

LOCAL_TOOL = {
    "name": "local_ls",
    "description": "List files.",
    "parameters": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
}


# One call


@scenario
def an_approved_tool_runs_and_is_answered(letta: Talk) -> None:
    conversation_id = letta.conversation()
    asked = letta.send(conversation_id, '#tool delete_everything {"where": "there"}')
    last_id = letta.get(f"/v1/conversations/{conversation_id}")["in_context_message_ids"][-1]
    letta.get(f"/v1/messages/{last_id}")
    letta.get(f"/v1/runs/{run_id_of(asked.frames)}")
    letta.send(conversation_id, **approve(call_id_of(asked.frames)))
    letta.send(conversation_id, **approve(call_id_of(asked.frames)))
    letta.history(conversation_id)


@scenario
def an_approval_in_token_mode_comes_name_first(letta: Talk) -> None:
    conversation_id = letta.conversation()
    text = '#reason hmm# #say may I# #tool delete_everything {"where": "there"}'
    asked = letta.send(conversation_id, text, stream_tokens=True)
    letta.history(conversation_id)
    letta.send(conversation_id, **approve(call_id_of(asked.frames)), stream_tokens=True)


@scenario
def words_before_an_approval_request_share_its_id(letta: Talk) -> None:
    conversation_id = letta.conversation()
    letta.send(conversation_id, '#reason hmm# #say may I# #tool delete_everything {"where": "there"}')
    letta.history(conversation_id)


@scenario
def a_denied_tool_is_answered_with_the_reason(letta: Talk) -> None:
    conversation_id = letta.conversation()
    asked = letta.send(conversation_id, "#tool delete_everything {}", stream_tokens=True)
    letta.send(conversation_id, **approve(call_id_of(asked.frames), approve=False, reason="not today"))
    asked = letta.send(conversation_id, "#tool delete_everything {}")
    letta.send(conversation_id, **approve(call_id_of(asked.frames), approve=False))
    letta.history(conversation_id)


@scenario
def a_plain_message_while_an_approval_waits_is_refused(letta: Talk) -> None:
    conversation_id = letta.conversation()
    letta.send(conversation_id, "#tool delete_everything {}")
    letta.send(conversation_id, "hello?")
    letta.send(conversation_id, "hello?", background=True)
    letta.send(conversation_id, "hello?", streaming=False)
    letta.post(f"/v1/conversations/{conversation_id}/cancel")
    letta.send(letta.conversation(), "elsewhere")
    letta.history(conversation_id)


@scenario
def an_answer_that_fits_no_request_is_refused(letta: Talk) -> None:
    conversation_id = letta.conversation()
    letta.send(conversation_id, **approve("call_x"))
    letta.send(conversation_id, "#tool delete_everything {}")
    letta.send(conversation_id, **approve("call_wrong"))
    letta.send(conversation_id, messages=[{"type": "approval", "approvals": []}])
    letta.send(conversation_id, **approve("call_wrong"), streaming=False)


@scenario
def an_approval_answered_the_old_way_counts(letta: Talk) -> None:
    conversation_id = letta.conversation()
    asked = letta.send(conversation_id, "#tool delete_everything {}")
    request_id = next(frame["data"]["id"] for frame in asked.frames[1:])
    letta.send(conversation_id, messages=[{"type": "approval", "approve": True, "approval_request_id": request_id}])


@scenario
def a_tool_of_the_clients_is_asked_of_the_client(letta: Talk) -> None:
    conversation_id = letta.conversation()
    for status in ("success", "error"):
        for by_tokens in (False, True):
            more: Json = {"client_tools": [LOCAL_TOOL], "stream_tokens": by_tokens}
            asked = letta.send(conversation_id, '#tool local_ls {"path": "/x"}', **more)
            result = {"type": "tool", "tool_call_id": call_id_of(asked.frames), "tool_return": "a b", "status": status}
            letta.send(conversation_id, messages=[{"type": "approval", "approvals": [result]}], **more)
    letta.history(conversation_id)


@scenario
def a_tool_of_the_clients_is_not_found_by_an_approval(letta: Talk) -> None:
    mores: list[Json] = [{"client_tools": [LOCAL_TOOL]}, {}]
    for more in mores:
        for by_tokens in (False, True):
            conversation_id = letta.conversation()
            for given in ({"approve": True}, {"approve": False, "reason": "not here"}):
                asked = letta.send(conversation_id, '#tool local_ls {"path": "/x"}', client_tools=[LOCAL_TOOL])
                answer = approve(call_id_of(asked.frames), **given)
                letta.send(conversation_id, **answer, stream_tokens=by_tokens, **more)
            letta.history(conversation_id)


# Answering again


@scenario
def an_answer_in_the_background_is_replayed_by_its_otid(letta: Talk) -> None:
    conversation_id, otid = letta.conversation(), letta.new_otid()
    asked = letta.send(conversation_id, "#tool delete_everything {}")
    answer = answers(approval(call_id_of(asked.frames)), otid=otid)
    with letta.listening(f"/v1/conversations/{conversation_id}/messages", **answer, background=True) as dropped:
        run_id = dropped.run_id
    letta.post(f"/v1/conversations/{conversation_id}/stream", otid=otid)
    letta.send(conversation_id, **answer, background=True)
    letta.get(f"/v1/runs/{run_id}/messages")
    letta.send(conversation_id, **answers(approval(call_id_of(asked.frames)), otid=letta.new_otid()), background=True)
    letta.history(conversation_id)


@scenario
def an_answer_in_the_foreground_given_again_wakes_the_model_again(letta: Talk) -> None:
    conversation_id = letta.conversation()
    asked = letta.send(conversation_id, "#tool delete_everything {}")
    answer = answers(approval(call_id_of(asked.frames), approve=False), otid=letta.new_otid())
    letta.send(conversation_id, **answer)
    letta.send(conversation_id, **answer)
    letta.history(conversation_id)


# Several calls


@scenario
def of_several_calls_one_is_kept_unless_they_may_be_parallel(letta: Talk) -> None:
    for by_tokens in (False, True):
        conversation_id = letta.conversation()
        letta.send(conversation_id, '#two lookup {"query": "cats"}', stream_tokens=by_tokens)
        letta.send(conversation_id, "#two delete_everything {}", stream_tokens=by_tokens)
        letta.history(conversation_id)


@scenario
def parallel_calls_have_one_return_together(letta: Talk) -> None:
    for by_tokens in (False, True):
        conversation_id = parallel_conversation(letta)
        letta.send(conversation_id, '#reason hm# #say both# #two lookup {"query": "cats"}', stream_tokens=by_tokens)
        letta.history(conversation_id)


@scenario
def parallel_calls_wait_in_one_request(letta: Talk) -> None:
    for by_tokens in (False, True):
        conversation_id = parallel_conversation(letta)
        text = '#reason hm# #say both# #two delete_everything {"where": "there"}'
        asked = letta.send(conversation_id, text, stream_tokens=by_tokens)
        one, other = call_ids_of(asked.frames)
        letta.history(conversation_id)
        for ids in ([one], [one, one], [one, other, "call_x"]):
            letta.send(conversation_id, **answers(*(approval(call_id) for call_id in ids)), stream_tokens=by_tokens)
        denial = approval(other, approve=False, reason="once is enough")
        letta.send(conversation_id, **answers(denial, approval(one)), stream_tokens=by_tokens)
        letta.history(conversation_id)


@scenario
def parallel_calls_are_answered_together(letta: Talk) -> None:
    for by_tokens in (False, True):
        conversation_id = parallel_conversation(letta)
        for approves in ((True, True), (False, False)):
            asked = letta.send(conversation_id, '#two delete_everything {"where": "there"}')
            given = zip(call_ids_of(asked.frames), approves, strict=True)
            both = answers(*(approval(call_id, approve=approve, reason=f"{approve}") for call_id, approve in given))
            letta.send(conversation_id, **both, stream_tokens=by_tokens)
        letta.history(conversation_id)


@scenario
def a_clients_results_and_denials_go_together(letta: Talk) -> None:
    for by_tokens in (False, True):
        conversation_id = parallel_conversation(letta)
        asked = letta.send(conversation_id, '#two local_ls {"path": "/x"}', client_tools=[LOCAL_TOOL])
        one, other = call_ids_of(asked.frames)
        result = {"type": "tool", "tool_call_id": other, "tool_return": "a b", "status": "success"}
        letta.send(conversation_id, **answers(approval(one, approve=False), result), stream_tokens=by_tokens)
        letta.history(conversation_id)


@scenario
def a_call_beside_a_request_waits_with_it(letta: Talk) -> None:
    text = '#say all of it# #tool lookup {"query": "cats"} #and delete_everything {} #and local_ls {"path": "/x"}'
    for by_tokens in (False, True):
        conversation_id = parallel_conversation(letta)
        more: Json = {"client_tools": [LOCAL_TOOL], "stream_tokens": by_tokens}
        asked = letta.send(conversation_id, text, **more)
        _, guarded, local = call_ids_of(asked.frames)
        letta.history(conversation_id)
        result = {"type": "tool", "tool_call_id": local, "tool_return": "a b", "status": "success"}
        letta.send(conversation_id, **answers(approval(guarded), result), **more)
        letta.history(conversation_id)
        asked = letta.send(conversation_id, text, **more)
        _, guarded, local = call_ids_of(asked.frames)
        both = answers(*(approval(call_id, approve=False) for call_id in (guarded, local)))
        letta.send(conversation_id, **both, **more)


@scenario
def a_call_beside_a_request_is_denied_with_it_by_a_cancel(letta: Talk) -> None:
    letta.agent_id = letta.agent_alike()
    settings = {"provider_type": "openai", "parallel_tool_calls": True}
    letta.call("PATCH", f"/v1/agents/{letta.agent_id}", json={"model_settings": settings}, quietly=True)
    asked = letta.send("default", '#tool lookup {"query": "cats"} #and delete_everything {}', agent_id=letta.agent_id)
    letta.post(f"/v1/agents/{letta.agent_id}/messages/cancel", run_ids=[run_id_of(asked.frames)])
    letta.history("default", agent_id=letta.agent_id)


def parallel_conversation(letta: Talk) -> str:
    """A conversation whose model may call several tools at once."""
    handle = letta.call("GET", f"/v1/agents/{letta.agent_id}", quietly=True).body["model"]
    return letta.conversation(model=handle, model_settings={"provider_type": "openai", "parallel_tool_calls": True})
