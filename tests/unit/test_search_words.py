"""What a search takes for a hit, and what it shows of one."""

from letta_conv_mcp.search import SNIPPET_CHARS, holds, snippet, words_of


def test_all_words_have_to_be_there_in_any_case_and_order() -> None:
    assert holds("The INVOICE for March", words_of("march invoice"))
    assert not holds("The invoice for May", words_of("march invoice"))
    assert holds("Straße", words_of("STRASSE"))


def test_a_short_text_is_shown_whole() -> None:
    assert snippet("x" * SNIPPET_CHARS, ["x"]) == "x" * SNIPPET_CHARS


def test_of_a_long_text_the_part_round_the_first_hit_is_shown() -> None:
    middle = snippet("a" * 1000 + " needle " + "b" * 1000, ["needle"])
    end = snippet("a" * 1000 + " needle", ["needle"])
    beginning = snippet("needle " + "b" * 1000, ["needle"])

    assert middle.startswith("…a")
    assert middle.endswith("b…")
    assert "needle" in middle
    assert end == "…" + ("a" * 1000 + " needle")[-SNIPPET_CHARS:]
    assert beginning == ("needle " + "b" * 1000)[:SNIPPET_CHARS] + "…"
