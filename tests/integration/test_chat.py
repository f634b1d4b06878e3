"""`letta-conv-mcp chat` in a real terminal, before the fake Letta."""

import os
import re
import signal
from pathlib import Path

import pytest

from tests.fake import Answer, FakeLetta, Hang
from tests.fake.seed import TOOLS
from tests.fake.state import Agent, Conversation
from tests.integration.calls import heard, posts
from tests.integration.processes import wait_until_gone
from tests.integration.terminal import CTRL_C, CTRL_D, chatting

ASKS = '#tool delete_everything {"where": "here"} please'
LONG = "#drip 0.05 #long 400"


@pytest.fixture
def ada(fake: FakeLetta) -> Agent:
    return fake.add_agent("Ada", tools=TOOLS)


@pytest.fixture
def talk(fake: FakeLetta, ada: Agent) -> Conversation:
    """A conversation that the chat goes on in."""
    return fake.add_conversation(ada, summary="Colours")


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_first_conversation_is_opened_and_later_gone_on_with(fake: FakeLetta, ada: Agent) -> None:
    with chatting(fake.base_url) as screen:
        screen.until_prompt()
        assert "New conversation: without a name" in screen.text
        screen.say("My colour is green.")
        screen.until("Ada: echo: My colour is green.")
        screen.until_prompt()
        screen.press(CTRL_D)
        first = screen.until_end()
    with chatting(fake.base_url, "-a", "Ada") as screen:
        screen.until_prompt()
        (conversation_id,) = fake.store.conversations
        assert f"Going on in: without a name  {conversation_id}  3 messages" in screen.text
        screen.say("/history")
        screen.until("Ada: echo: My colour is green.")
        screen.until_prompt()
        screen.say("/q")
        second = screen.until_end()

    assert (first, second) == (0, 0)
    assert heard(fake, conversation_id) == ["My colour is green."]


def test_one_goes_from_conversation_to_conversation_and_from_agent_to_agent(
    fake: FakeLetta, talk: Conversation
) -> None:
    fake.add_agent("Bo")
    with chatting(fake.base_url, "--agent", "Ada") as screen:
        screen.until("Ada · Colours >")
        screen.say("/new Animals")
        screen.until("Ada · Animals >")
        screen.say("hello")
        screen.until("Ada: echo: hello")
        screen.until_prompt()
        screen.say("/list")
        screen.until(lambda: "*  1  Animals" in screen.text and "   2  Colours" in screen.text)
        screen.say("/s 3")
        screen.until("/list shows 2, and none with the number 3.")
        screen.say("/s 2")
        screen.until("Going on in: Colours")
        screen.say("/i")
        screen.until(f"  id               {talk.id}")
        screen.until("  said here        0")
        screen.say("/agents")
        screen.until("Bo  ")
        bo = next(line for line in screen.lines if "  Bo  " in line).split()[0]
        screen.say("/agent 9")
        screen.until("/agents shows 2, and none with the number 9.")
        screen.say(f"/agent {bo}")
        screen.until("Bo · conv-")
        screen.say("/agent nobody")
        screen.until("No agent 'nobody'. Call /agents for the ids and names you can use.")
        screen.say("/switch conv-nowhere")
        screen.until("No conversation 'conv-nowhere'.")
        screen.until_prompt()
        # Still where one was.
        assert screen.lines[-1].startswith("Bo · conv-")


def test_thoughts_tools_and_words_come_as_they_are_said_and_look_different(fake: FakeLetta, talk: Conversation) -> None:
    with chatting(fake.base_url) as screen:
        screen.until_prompt()
        screen.say('#reason Let me see.# #say I look it up.# #drip 0.1 #tool lookup {"query": "x"} go')
        screen.until("thinking: Let me")
        # The reply goes on.
        assert "tool said" not in screen.text
        screen.until('tool: lookup({"query": "x"}) -> found x')
        screen.until("Ada: tool said:")
        screen.until_prompt()
        thought, words, name = (screen.looks_of(part) for part in ("thinking:", "tool said", "Ada: I look"))

    assert (thought.italics, words.italics) == (True, False)
    assert len({thought.fg, words.fg, name.fg}) == 3
    assert len(fake.runs) == 1


def test_what_the_agent_asks_for_is_decided_in_place(fake: FakeLetta, talk: Conversation) -> None:
    with chatting(fake.base_url) as screen:
        screen.until_prompt()
        screen.say(ASKS)
        screen.until('delete_everything({"where": "here"})')
        screen.until("[n]ot now:")
        # Enter alone decides nothing.
        screen.say("")
        screen.until(lambda: screen.text.count("[n]ot now:") == 2)
        screen.say("a")
        screen.until("tool: delete_everything -> deleted everything here")
        screen.until_prompt()
        screen.say(ASKS)
        screen.until(lambda: screen.text.count("[n]ot now:") == 3)
        screen.say("d")
        screen.until("denied")
        screen.until_prompt()
        screen.press(CTRL_D)
        assert screen.until_end() == 0

    assert len(heard(fake, talk.id)) == 2


def test_a_decision_can_be_put_off_until_later_also_by_ctrl_c(fake: FakeLetta, talk: Conversation) -> None:
    with chatting(fake.base_url) as screen:
        screen.until_prompt()
        screen.say(ASKS)
        screen.until("[n]ot now:")
        screen.press(CTRL_C)
        screen.until("Nothing was decided; /decide does it later.")
        screen.until_prompt()
        screen.say("are you there?")
        screen.until("Your message was NOT sent, because the agent waits for a decision first.")
        screen.until(lambda: screen.text.count("[n]ot now:") == 2)
        screen.say("n")
        screen.until_prompt()
        screen.press(CTRL_D)
        screen.until_end()
    with chatting(fake.base_url) as screen:
        screen.until("The agent waits for your decision here: /decide.")
        screen.until_prompt()
        screen.say("/decide deny not here")
        screen.until("denied")
        screen.until_prompt()
        screen.say("/decide")
        screen.until("Nothing waits for a decision here.")

    assert heard(fake, talk.id) == [ASKS]


def test_ctrl_c_stops_the_reply_and_not_the_program(fake: FakeLetta, talk: Conversation) -> None:
    with chatting(fake.base_url) as screen:
        screen.until_prompt()
        screen.say(LONG)
        screen.until("Ada: w0 w1 w2")
        screen.press(CTRL_C)
        screen.until("Stopped. What the agent did is not undone.")
        screen.until_prompt()
        screen.press(CTRL_C)
        screen.press(CTRL_C)
        screen.say("still there?")
        screen.until("Ada: echo: still there?")

    assert [run.status for run in fake.runs] == ["cancelled", "completed"]


def test_a_second_ctrl_c_leaves_a_reply_that_does_not_stop(fake: FakeLetta, talk: Conversation) -> None:
    with chatting(fake.base_url) as screen:
        screen.until_prompt()
        fake.fail("POST", "*/cancel", Hang())
        screen.say("#drip 0.05 #long 100")
        screen.until("Ada: w0 w1 w2")
        screen.press(CTRL_C)
        fake.wait_until(lambda: fake.requests_to("POST", "*/cancel"))
        screen.press(CTRL_C)
        screen.until("It is waited for no longer; /wait or /history shows what became of it.")
        screen.until_prompt()
        screen.say("/wait")
        screen.until("w99")


def test_ctrl_c_stops_a_command_that_gets_no_answer(fake: FakeLetta, talk: Conversation) -> None:
    with chatting(fake.base_url) as screen:
        screen.until_prompt()
        fake.fail("GET", "*/conversations/", Hang())
        screen.say("/list")
        fake.wait_until(lambda: len(fake.requests_to("GET", "*/conversations/")) == 2)
        screen.press(CTRL_C)
        screen.until("Stopped.")
        screen.until_prompt()
        screen.say("/list")
        screen.until("*  1  Colours")


def test_what_is_typed_while_a_reply_comes_is_said_after_it(fake: FakeLetta, talk: Conversation) -> None:
    with chatting(fake.base_url) as screen:
        screen.until_prompt()
        screen.say("#drip 0.1 #long 12")
        screen.until("Ada: w0 w1")
        screen.say("and then?")
        screen.until("Ada: w0 w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w11")
        screen.until("Ada: echo: and then?")


def test_a_message_that_fails_is_told_and_the_next_one_is_sent(fake: FakeLetta, talk: Conversation) -> None:
    with chatting(fake.base_url) as screen:
        screen.until_prompt()
        fake.fail("POST", "*/messages", Answer(402, {}))
        screen.say("hello")
        screen.until("out of credits")
        screen.until_prompt()
        for odd in ("", "/nope", "/h x", "/s"):
            screen.say(odd)
        screen.until("There is no command /nope.")
        screen.until("/history takes a number from 1, got 'x'.")
        screen.until("/switch wants a number")
        screen.until_prompt()
        screen.say("hello again")
        screen.until("Ada: echo: hello again")

    assert posts(fake) == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_leaves_the_reply_alone_and_the_terminal_in_order(
    fake: FakeLetta, talk: Conversation, number: signal.Signals
) -> None:
    with chatting(fake.base_url) as screen:
        before = screen.modes()
        screen.until_prompt()
        typing = screen.modes()
        screen.say(LONG if number == signal.SIGTERM else "/help")
        screen.until("Ada: w0 w1" if number == signal.SIGTERM else "/quit")
        screen.process.send_signal(number)
        status = screen.until_end()
        after = screen.modes()

    assert status == 128 + number
    assert typing != before
    assert after == before
    assert [run.status for run in fake.runs] == (["running"] if number == signal.SIGTERM else [])


def test_a_reply_that_still_runs_is_waited_for_after_a_restart(fake: FakeLetta, talk: Conversation) -> None:
    with chatting(fake.base_url) as screen:
        screen.until_prompt()
        screen.say("#hold gate hello")
        fake.wait_until_held("gate")
        screen.process.send_signal(signal.SIGTERM)
        screen.until_end()
    with chatting(fake.base_url) as screen:
        screen.until("A reply is still running here: /wait shows it.")
        screen.until_prompt()
        screen.say("/wait")
        screen.until("the agent has the message")
        fake.release("gate")
        screen.until("Ada: echo: hello")

    assert heard(fake, talk.id) == ["#hold gate hello"]


def test_without_its_server_process_it_says_so_and_ends(fake: FakeLetta, talk: Conversation) -> None:
    with chatting(fake.base_url) as screen:
        screen.until_prompt()
        (server,) = children_of(screen.process.pid)
        os.kill(server, signal.SIGKILL)
        screen.say("hello")
        screen.until("The server process has ended.")

        assert screen.until_end() == 1


def test_its_server_process_ends_with_it_however_it_ends(fake: FakeLetta, talk: Conversation) -> None:
    with chatting(fake.base_url) as screen:
        screen.until_prompt()
        (server,) = children_of(screen.process.pid)
        screen.process.kill()

        wait_until_gone(server, 10)


def test_an_agent_that_is_not_there_is_named_and_nothing_else_happens(fake: FakeLetta, ada: Agent) -> None:
    with chatting(fake.base_url, "--agent", "nobody") as screen:
        status = screen.until_end()

    assert status == 1
    assert "No agent 'nobody'." in screen.text
    assert not fake.store.conversations


def test_where_there_is_no_agent_one_can_be_made(fake: FakeLetta) -> None:
    with chatting(fake.base_url) as screen:
        screen.until("There is no agent yet.")
        screen.say("Ada")
        screen.until("What is it like")
        screen.say("I am Ada.")
        screen.until("What should it know about you?")
        screen.say("The human is Bo.")
        screen.until("Its model, or press Enter to leave:")
        screen.say("openai-proxy/scripted")
        screen.until("New conversation")
        screen.until_prompt()

    (agent,) = fake.store.agents.values()
    assert agent.name == "Ada"


def test_where_there_is_no_agent_one_can_leave(fake: FakeLetta) -> None:
    with chatting(fake.base_url) as screen:
        screen.until("press Enter to leave:")
        screen.say("")
        status = screen.until_end()

    assert (status, len(fake.store.agents)) == (1, 0)


def test_commands_are_completed_by_tab_and_found_again_with_the_arrow(fake: FakeLetta, talk: Conversation) -> None:
    with chatting(fake.base_url) as screen:
        screen.until_prompt()
        screen.press("/inf\t")
        screen.until("> /info")
        screen.say("")
        screen.until("  in context")
        screen.until_prompt()
        screen.press("\x1b[A")
        screen.until(lambda: screen.lines[-1].endswith("> /info"))


def test_without_colours_where_those_are_not_wanted(fake: FakeLetta, talk: Conversation) -> None:
    with chatting(fake.base_url, NO_COLOR="1") as screen:
        screen.until_prompt()
        screen.say("hello")
        screen.until("Ada: echo: hello")
        screen.until_prompt()

    assert not re.search(rb"\x1b\[(\d+;)*[39][0-7]m", screen.written)
