"""A prompt held against an agent's memory, in the way in which a Letta server 0.16.8 writes it."""

import pytest

from letta_conv_mcp.turns.freshness import is_other, tells_all

VALUES = {"human": "This is Bo.\nHe likes green.", "persona": ""}


def block(label: str, value: str) -> str:
    about = "<description>\nWho it is.\n</description>\n<metadata>\n- chars_limit=100\n</metadata>"
    return f"<{label}>\n{about}\n<value>\n{value}\n</value>\n</{label}>\n"


def prompt(*blocks: str, at: str = "today") -> str:
    memory = "\n".join(blocks)
    metadata = f"<memory_metadata>\n- System prompt last recompiled: {at}\n</memory_metadata>"
    return f"Be brief.\n\n<memory_blocks>\nEngaged:\n\n{memory}\n</memory_blocks>\n\n{metadata}"


HUMAN, PERSONA = block("human", VALUES["human"]), block("persona", "")
NUMBERED = block("human", "1→ This is Bo.\n2→ He likes green.")


@pytest.mark.parametrize("human", [HUMAN, NUMBERED])
def test_a_prompt_with_every_block_tells_all(human: str) -> None:
    assert tells_all(prompt(human, PERSONA), VALUES)
    assert tells_all(prompt(PERSONA, human), VALUES)


@pytest.mark.parametrize(
    "blocks",
    [
        [],
        [HUMAN],
        [HUMAN, PERSONA, block("mood", "Good.")],
        [block("human", "This is Kim."), PERSONA],
        [block("human", "This is Bo.\nHe likes green.\nA lot."), PERSONA],
        [block("persona", VALUES["human"]), block("human", "")],
    ],
)
def test_a_prompt_that_lacks_a_block_has_another_one_or_an_older_text_does_not(blocks: list[str]) -> None:
    assert not tells_all(prompt(*blocks), VALUES)


def test_a_text_outside_the_memory_is_not_taken_for_it() -> None:
    assert not tells_all(HUMAN + prompt(PERSONA), VALUES)


def test_an_agent_without_memory_is_told_all() -> None:
    assert tells_all("Be brief.", {})


def test_a_prompt_is_another_one_by_what_it_says_and_not_by_when_it_was_made() -> None:
    assert not is_other(prompt(HUMAN, at="today"), prompt(HUMAN, at="tomorrow"))
    assert is_other(prompt(HUMAN), prompt(PERSONA))
