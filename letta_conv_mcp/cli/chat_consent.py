"""Putting what an agent asks to run to the person."""

from collections.abc import Sequence

from letta_conv_mcp.cli.chat_commands import Verdict, verdict_from_answer
from letta_conv_mcp.cli.chat_screen import Screen
from letta_conv_mcp.cli.chat_views import Structure, approvals_view

QUESTION = "Allow it? [a]pprove, [d]eny, [n]ot now: "


async def verdict_on(approvals: Sequence[Structure], screen: Screen) -> Verdict | None:
    """The person's decision on tool calls; None for none, which leaves all as it is.

    Only an explicit answer counts, and where nobody can be asked there is none.
    """
    screen.show(approvals_view(approvals))
    while screen.can_ask:
        try:
            answer = verdict_from_answer(await screen.ask(QUESTION))
        except (EOFError, KeyboardInterrupt):
            break
        if answer is not None:
            return None if answer == "not now" else answer
    return None
