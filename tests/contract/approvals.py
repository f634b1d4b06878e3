"""Tool calls that wait for an answer."""

from tests.contract.scenario import approve, call_id_of, run_id_of, scenario
from tests.fake.talk import Json, Talk

LOCAL_TOOL = {
    "name": "local_ls",
    "description": "List files.",
    "parameters": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
}


# Approvals


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
