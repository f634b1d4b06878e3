"""A reply that grows, as it is printed in the chat."""

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from letta_conv_mcp.cli.chat_feed import THOUGHT_CHARS, Feed
from letta_conv_mcp.cli.chat_text import harmless
from letta_conv_mcp.letta.events import AskedApproval, CalledTool, Event, Frame, Restarted, Spoke, Thought, ToolReturned
from letta_conv_mcp.tools.progress import live_line
from letta_conv_mcp.tools.render import structure_of
from letta_conv_mcp.turns.turn import Turn

LOOKS = CalledTool("call_1", "lookup", '{"query": "x"}')
FOUND = ToolReturned("call_1", "lookup", "success", "found x")
WORDS = st.lists(st.text(max_size=12) | st.sampled_from(["ha ", "\n\n", "a\nb", " ", "\x1b[2J"]), max_size=20)


def printed(*events: Event, seen: tuple[bool, ...] | None = None) -> str:
    """What is printed of a reply, of whose progress only some is seen."""

    async def work() -> str:
        turn, feed, text = Turn("conv-1", "hello"), Feed("Ada"), ""
        turn.stage = "posted"
        for number, event in enumerate(events):
            turn.add(Frame("run-1", None, (event,)))
            if seen is None or seen[number]:
                text += "".join(piece for _, piece in feed.shows(live_line(turn))[0])
        turn.settle("completed")
        return text + "".join(piece for _, piece in feed.ends(structure_of(turn.reply("full"))))

    return anyio.run(work)


def doing(*events: Event) -> str | None:
    """What the agent does after these events."""

    async def work() -> str | None:
        turn, feed = Turn("conv-1", "hello"), Feed("Ada")
        turn.stage = "posted"
        for event in events:
            turn.add(Frame("run-1", None, (event,)))
        return feed.shows(live_line(turn))[1]

    return anyio.run(work)


def test_words_are_printed_once_behind_the_agents_name() -> None:
    assert printed(Spoke("a", "It "), Spoke("a", "is "), Spoke("a", "fifty.")) == "Ada: It is fifty.\n"


def test_paragraphs_stay_paragraphs() -> None:
    assert printed(Spoke("a", "One:\n\n"), Spoke("a", "- two\n- three\n")) == "Ada: One:\n\n- two\n- three\n"


@settings(max_examples=150, deadline=None)
@given(WORDS, st.data())
def test_whatever_is_seen_of_it_every_word_is_printed_once(pieces: list[str], data: st.DataObject) -> None:
    """Ours: notifications are sent a few times a second, so that pieces come together."""
    seen = tuple(data.draw(st.booleans()) for _ in pieces)
    text = harmless("".join(pieces)).strip()

    said = printed(*(Spoke("a", piece) for piece in pieces), seen=seen)

    assert said.removeprefix("Ada: ").strip() == text


def test_thoughts_words_and_tools_stand_apart_in_the_order_in_which_they_came() -> None:
    said = printed(
        Thought("a", "Let me "), Thought("a", "look."), LOOKS, FOUND, Spoke("b", "Found "), Spoke("b", "it.")
    )

    assert said == 'thinking: Let me look.\ntool: lookup({"query": "x"}) -> found x\nAda: Found it.\n'


def test_words_go_on_in_a_line_of_their_own_after_a_tool() -> None:
    said = printed(Spoke("a", "I look."), LOOKS, FOUND, Spoke("b", "Here."))

    assert said == 'Ada: I look.\ntool: lookup({"query": "x"}) -> found x\nAda: Here.\n'


def test_a_tool_that_failed_says_so() -> None:
    said = printed(LOOKS, ToolReturned("call_1", "lookup", "error", "no such luck"))

    assert said == 'tool: lookup({"query": "x"}) failed: no such luck\n'


def test_a_tool_that_is_asked_for_was_not_run_and_is_not_shown_as_one() -> None:
    assert printed(Spoke("a", "May I?"), AskedApproval("call_1", "erase", "{}", None)) == "Ada: May I?\n"


def test_of_a_long_thought_only_the_beginning_is_shown() -> None:
    said = printed(*(Thought("a", f"thought {number} ") for number in range(200)), Spoke("b", "Done."))

    thought, words, _ = said.split("\n")
    assert len(thought) == len("thinking: ") + THOUGHT_CHARS
    assert thought.endswith("…")
    assert words == "Ada: Done."


def test_a_reply_that_letta_begins_anew_is_printed_anew() -> None:
    """Letta: after a fault it may put the message to the model again, and what was said is void."""
    said = printed(Spoke("a", "It was"), Restarted(), Spoke("b", "It is fifty."))

    assert said == "Ada: It was\nAda: It is fifty.\n"


def test_what_would_move_the_cursor_or_change_the_title_is_left_out() -> None:
    assert printed(Spoke("a", "\x1b]0;owned\x07be\x1b[2J\x07low\x9b1m")) == "Ada: below1m\n"


@pytest.mark.parametrize(
    ("events", "line"),
    [
        ((Thought("a", "Hm."),), "thinking …"),
        ((Spoke("a", "Hm."),), None),
        ((LOOKS,), "calling lookup"),
        ((LOOKS, FOUND), "called lookup"),
        ((), "sending the message"),
    ],
)
def test_it_says_what_the_agent_does_while_it_says_nothing(events: tuple[Event, ...], line: str | None) -> None:
    assert doing(*events) == line


def test_a_reply_that_is_left_ends_its_line() -> None:
    feed = Feed("Ada")
    feed.shows('{"text": "It is", "reasoning": "", "tool_uses": []}')

    assert feed.breaks() == [("", "\n")]
    assert feed.breaks() == []
