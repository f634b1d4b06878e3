"""Progress lines turned back into text that grows."""

from itertools import accumulate

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from letta_conv_mcp.cli.typewriter import Typewriter
from letta_conv_mcp.letta.events import Frame, Spoke
from letta_conv_mcp.tools.progress import LINE_CHARS, progress_line
from letta_conv_mcp.turns.turn import Turn

PIECES = st.lists(
    st.text(max_size=40) | st.sampled_from(["ha ", "ho ", "… ", "\n\n", "calling ", "well, " * 7, "x" * 90]),
    max_size=25,
) | st.lists(st.sampled_from(["ha ", "ho ", "the end. "]), min_size=60, max_size=120)
"""Short replies of any words, and long ones that repeat themselves."""


def lines_of(pieces: list[str]) -> list[str]:
    """The progress lines that a reply in pieces gives when a host sees each."""

    async def work() -> list[str]:
        turn = Turn("conv-1")
        lines: list[str] = []
        for piece in pieces:
            turn.add(Frame("run-1", None, (Spoke("a", piece),)))
            lines.append(progress_line(turn))
        return lines

    return anyio.run(work)


def printed_of(lines: list[str], text: str) -> str:
    typewriter = Typewriter()
    return "".join([*(typewriter.shows(line) for line in lines), typewriter.ends(text)])


@settings(max_examples=200, deadline=None)
@given(PIECES)
def test_what_is_printed_in_total_is_what_the_agent_said(pieces: list[str]) -> None:
    """Ours: every word of the reply, once, on one line."""
    text = "".join(pieces)

    assert printed_of(lines_of(pieces), text) == " ".join(text.split())


@settings(max_examples=200, deadline=None)
@given(PIECES, st.data())
def test_a_host_that_sees_only_some_of_the_lines_loses_nothing(pieces: list[str], data: st.DataObject) -> None:
    """Ours: a host is told four times a second at most, so that lines are skipped.

    Where the skipped words repeat what was printed, a line can seem to go on from it; the end puts that right.
    """
    lines = [line for line in lines_of(pieces) if data.draw(st.booleans())]
    whole = " ".join("".join(pieces).split())

    printed = printed_of(lines, whole)

    assert printed == whole or printed.endswith(f"\n  {whole}")


def test_where_skipped_words_repeat_what_was_printed_the_whole_comes_at_the_end() -> None:
    """Ours: no line tells how much was skipped."""
    refrain = "and everybody sings along, "
    verses = ["".join(f"{number} " for number in range(start, start + 50)) for start in (100, 300)]
    pieces = [refrain, verses[0], refrain, verses[1][: LINE_CHARS - 2 - len(refrain)]]
    shown = [lines_of(pieces)[0], f"…{''.join(pieces[2:])}"]
    whole = " ".join("".join(pieces).split())

    assert printed_of(shown, whole).endswith(f"\n  {whole}")


def test_a_reply_that_repeats_itself_is_printed_once() -> None:
    """Ours: where the end of a long text looks like its middle, nothing may be printed twice."""
    pieces = [*["ha "] * 120, "the end."]
    text = "".join(pieces)

    assert printed_of(lines_of(pieces), text) == " ".join(text.split())


def test_a_jump_of_more_than_a_line_is_not_bridged_by_a_letter_that_happens_to_fit() -> None:
    """Ours: a host sees four lines a second, and a fast agent says more than a line between two."""
    tail = "e" + "0123456789" * 19 + "01234567"
    pieces = ["Please", " wait." * 10, tail]
    shown = [lines_of(pieces)[0], lines_of(pieces)[2]]
    assert shown == ["Please", f"…{tail}"]

    assert printed_of(shown, "".join(pieces)) == "".join(pieces)


@pytest.mark.parametrize(("overlap", "is_bridged"), [(19, False), (20, True)])
def test_a_line_cut_from_the_left_goes_on_only_where_enough_of_it_was_printed(overlap: int, is_bridged: bool) -> None:
    """Ours: a few letters may fit by chance."""
    words = "".join(chr(ord("a") + number % 26) + str(number) for number in range(100))[: 100 + LINE_CHARS]
    tail = words[-(LINE_CHARS - 1) :]
    printed = words[: len(words) - len(tail) + overlap]
    typewriter = Typewriter()
    typewriter.shows(printed)

    added = typewriter.shows(f"…{tail}")

    assert added == (words[len(printed) :] if is_bridged else "")
    assert typewriter.ends(words) == ("" if is_bridged else words[len(printed) :])


def test_a_line_that_could_go_on_at_two_places_waits_for_the_end() -> None:
    """Ours: where the words repeat themselves, nobody can tell how often they were said."""
    refrain = "row, row, row your boat, "
    typewriter = Typewriter()
    typewriter.shows(refrain * 3)

    added = typewriter.shows("…" + (refrain * 20)[-(LINE_CHARS - 1) :])

    assert added == ""
    assert typewriter.ends(refrain * 20) == (refrain * 20)[len(refrain * 3) :].rstrip()


def test_a_line_adds_what_is_new_in_it() -> None:
    typewriter = Typewriter()
    lines = list(accumulate(["It ", "is ", "fifty."]))

    assert [typewriter.shows(line.rstrip()) for line in lines] == ["It", " is", " fifty."]
    assert typewriter.ends("It is fifty.") == ""


def test_a_line_cut_from_the_left_adds_what_is_new_in_it() -> None:
    words = " ".join(str(number) for number in range(100))
    typewriter = Typewriter()
    typewriter.shows(words[:150])

    added = typewriter.shows("…" + words[:250][-(LINE_CHARS - 1) :])

    assert added == words[150:250]
    assert typewriter.ends(words) == words[250:]


@pytest.mark.parametrize("deed", ["thinking …", "calling add_up", "called add_up", "the agent has the message"])
def test_deeds_are_not_printed(deed: str) -> None:
    typewriter = Typewriter()
    typewriter.shows("It is")

    assert typewriter.shows(deed) == ""
    assert typewriter.ends("It is fifty.") == " fifty."


def test_a_reply_without_any_line_is_printed_at_its_end() -> None:
    assert Typewriter().ends("It is\n\nfifty.") == "It is fifty."


def test_a_reply_that_is_not_what_was_printed_is_printed_again() -> None:
    """Ours: a run whose stream broke is read from what was stored, which can differ."""
    typewriter = Typewriter()
    typewriter.shows("It was")

    assert typewriter.ends("It is fifty.") == "\n  It is fifty."
