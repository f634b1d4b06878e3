"""Turns from start to end, and sends that start none."""

from tests.contract.scenario import NOBODY, run_id_of, scenario
from tests.fake.talk import Talk

# Sending


@scenario
def a_plain_message_is_answered_in_one_piece_in_step_mode(letta: Talk) -> None:
    letta.send(letta.conversation(), "hello there")


@scenario
def a_plain_message_is_answered_word_by_word_in_token_mode(letta: Talk) -> None:
    letta.send(letta.conversation(), "hello there", stream_tokens=True)


@scenario
def a_background_stream_numbers_its_frames(letta: Talk) -> None:
    conversation_id = letta.conversation()
    letta.send(conversation_id, "step", background=True)
    letta.send(conversation_id, "by tokens", background=True, stream_tokens=True)
    letta.send(conversation_id, "no pings", background=True, include_pings=False)


@scenario
def without_pings_the_first_frame_is_the_reply(letta: Talk) -> None:
    letta.send(letta.conversation(), "quiet", include_pings=False)


@scenario
def a_reply_without_a_stream_is_one_json_object(letta: Talk) -> None:
    letta.send(letta.conversation(), "hello there", streaming=False)


@scenario
def thoughts_and_words_of_a_step_share_an_id(letta: Talk) -> None:
    conversation_id = letta.conversation()
    letta.send(conversation_id, "#reason I think so# hi", stream_tokens=True)
    letta.send(conversation_id, "#reason I think so# hi again")
    letta.history(conversation_id)


@scenario
def letters_of_every_alphabet_come_through(letta: Talk) -> None:
    conversation_id = letta.conversation()
    letta.send(conversation_id, "héllo 🌍 \u2028 日本\nnew line", stream_tokens=True)
    letta.history(conversation_id, limit=2)


@scenario
def a_tool_call_is_followed_by_its_return_and_an_answer(letta: Talk) -> None:
    conversation_id = letta.conversation()
    letta.send(conversation_id, '#tool lookup {"query": "cats"}')
    letta.history(conversation_id)


@scenario
def a_tool_call_in_token_mode_comes_name_first(letta: Talk) -> None:
    conversation_id = letta.conversation()
    letta.send(conversation_id, '#reason hmm# #say let me see# #tool lookup {"query": "cats"}', stream_tokens=True)
    letta.history(conversation_id)


@scenario
def a_tool_that_raises_returns_its_error(letta: Talk) -> None:
    letta.send(letta.conversation(), "#tool fail {}")


@scenario
def a_tool_nobody_has_returns_an_error(letta: Talk) -> None:
    letta.send(letta.conversation(), '#tool nosuch {"x": 1}')


@scenario
def a_turn_stops_at_its_last_step(letta: Talk) -> None:
    conversation_id = letta.conversation()
    letta.send(conversation_id, '#loop lookup {"query": "on"}', max_steps=2)
    letta.send(conversation_id, "nothing", max_steps=0)


@scenario
def several_messages_in_one_send_are_stored_one_by_one(letta: Talk) -> None:
    conversation_id = letta.conversation()
    parts = [{"type": "text", "text": "two"}]
    letta.send(conversation_id, messages=[{"role": "user", "content": "one"}, {"role": "user", "content": parts}])
    letta.send(conversation_id, messages=[{"role": "system", "content": "be nice"}, {"role": "user", "content": "ok"}])
    letta.history(conversation_id)


@scenario
def only_the_wanted_types_are_sent(letta: Talk) -> None:
    letta.send(
        letta.conversation(), '#tool lookup {"query": "cats"}', include_return_message_types=["assistant_message"]
    )


@scenario
def the_default_conversation_answers_too(letta: Talk) -> None:
    letta.send("default", "to default", agent_id=letta.agent_id)
    letta.history("default", agent_id=letta.agent_id, include_return_message_types="user_message")
    letta.history("default", agent_id=letta.agent_id)
    letta.history("default", agent_id=letta.agent_id, limit=2)
    letta.history("default", agent_id=letta.agent_id, order="asc")
    letta.history(letta.agent_id, limit=1)
    letta.history("default", agent_id=letta.agent_id, after=f"message-{NOBODY}")


@scenario
def what_a_send_says_of_itself_stands_on_its_run(letta: Talk) -> None:
    conversation_id, marks = letta.conversation(), [letta.new_otid() for _ in range(2)]
    for mark, background in zip(marks, (False, True), strict=True):
        more = {"assistant_message_tool_kwarg": mark, "assistant_message_tool_name": "any", "background": background}
        with letta.sending(conversation_id, f"hello #slow {letta.pause}", **more) as sent:
            sent.read_until('"ping"')
            letta.call("GET", "/v1/runs/", params={"conversation_id": conversation_id, "limit": 1})
    letta.send("default", "hello", agent_id=letta.agent_id, assistant_message_tool_kwarg=marks[0])
    letta.call("GET", "/v1/runs/", params={"agent_id": letta.agent_id, "limit": 1})


# What Letta refuses


@scenario
def a_send_that_makes_no_sense_is_refused(letta: Talk) -> None:
    conversation_id = letta.conversation()
    letta.send(conversation_id)
    letta.send(conversation_id, "x", messages=[])
    letta.send(conversation_id, messages=[])
    letta.send(conversation_id, "")
    letta.send(conversation_id, "", streaming=False)
    letta.send(conversation_id, "x", unknown_field=1)
    letta.send(conversation_id, "x", override_model="openai-proxy/none")
    path = f"/v1/conversations/{conversation_id}/messages"
    letta.call("POST", path, content=b"{bad json", headers={"content-type": "application/json"})
    letta.call("POST", path)


@scenario
def unknown_and_malformed_ids_are_told_apart(letta: Talk) -> None:
    for conversation_id in (f"conv-{NOBODY}", "junk", "default", letta.agent_id):
        letta.get(f"/v1/conversations/{conversation_id}")
    for conversation_id in (f"conv-{NOBODY}", "junk", "default", f"agent-{NOBODY}"):
        letta.history(conversation_id)
        letta.send(conversation_id, "x")
        letta.post(f"/v1/conversations/{conversation_id}/cancel")
    letta.history("default", agent_id=f"agent-{NOBODY}")
    letta.send("default", "x", agent_id=f"agent-{NOBODY}")
    letta.send("default", "x", agent_id="junk")
    for path in (
        f"agents/agent-{NOBODY}",
        "agents/junk",
        f"runs/run-{NOBODY}",
        "runs/junk",
        f"runs/run-{NOBODY}/messages",
    ):
        letta.get(f"/v1/{path}")
    for path in (f"messages/message-{NOBODY}", "messages/junk", "nothing"):
        letta.get(f"/v1/{path}")
    letta.post(f"/v1/agents/agent-{NOBODY}/messages/cancel")
    letta.post(f"/v1/agents/{letta.agent_id}/messages/cancel", run_ids=[f"run-{NOBODY}"])


@scenario
def a_conversation_is_made_for_a_known_agent_only(letta: Talk) -> None:
    path = "/v1/conversations/"
    letta.call("POST", path)
    letta.call("POST", path, params={"agent_id": f"agent-{NOBODY}"}, json={})
    letta.call("POST", path, params={"agent_id": "junk"}, json={})
    letta.call("POST", path, params={"agent_id": letta.agent_id}, json={"model": "nope"})
    letta.call("POST", path, params={"agent_id": letta.agent_id}, json={"model": "openai-proxy/none", "summary": "s"})
    letta.call("POST", path, params={"agent_id": letta.agent_id})
    letta.call("POST", "/v1/conversations", params={"agent_id": letta.agent_id}, json={})
    letta.send(letta.conversation(model="openai-proxy/none"), "x")


# When the model fails


@scenario
def a_model_that_fails_ends_the_stream_with_an_error_and_stores_nothing(letta: Talk) -> None:
    conversation_id = letta.conversation()
    for text in ("#http 500", "#http 429", "#http 401", "#http 400"):
        letta.send(conversation_id, text)
        letta.send(conversation_id, text, stream_tokens=True)
    letta.send(conversation_id, "#http 500", background=True)
    letta.history(conversation_id)


@scenario
def a_model_that_fails_without_a_stream_is_a_status(letta: Talk) -> None:
    for text in ("#http 500", "#http 429", "#http 401", "#http 400"):
        letta.send(letta.conversation(), text, streaming=False)


@scenario
def a_model_that_says_nothing_fails_in_step_mode_only(letta: Talk) -> None:
    conversation_id = letta.conversation()
    letta.send(conversation_id, "#empty")
    letta.send(conversation_id, "#empty", stream_tokens=True)
    letta.send(conversation_id, "#length words")
    letta.send(conversation_id, "#length words", stream_tokens=True)
    letta.history(conversation_id)


@scenario
def a_model_that_speaks_no_json_fails_in_step_mode_only(letta: Talk) -> None:
    letta.send(letta.conversation(), "#garbage")
    letta.send(letta.conversation(), "#garbage", stream_tokens=True)


@scenario
def a_model_that_breaks_off_midway_ends_the_stream_without_done(letta: Talk) -> None:
    conversation_id = letta.conversation()
    sends = [
        letta.send(conversation_id, text, stream_tokens=True, background=background)
        for text in ("#cut 3 #long 10", "#errchunk 3 #long 10")
        for background in (False, True)
    ]
    for sent in sends:
        letta.get(f"/v1/runs/{run_id_of(sent.frames)}")
    letta.history(conversation_id)


@scenario
def a_model_that_breaks_off_in_step_mode_fails(letta: Talk) -> None:
    letta.send(letta.conversation(), "#cut 3 #long 10")
    letta.send(letta.conversation(), "#errchunk 3 #long 10")
