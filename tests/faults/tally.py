"""The count of all cases tried in a session, for whoever wants to quote it."""

from collections.abc import Sequence
from statistics import median

from tests.faults.verdict import Verdict

TALLY: list[Verdict] = []


def counted(verdicts: Sequence[Verdict]) -> str:
    """One line."""
    right = [verdict for verdict in verdicts if verdict.wrong is None]
    whole = [verdict.seconds for verdict in right if verdict.ending == "whole"]
    wrongs = {wrong: sum(verdict.wrong == wrong for verdict in verdicts) for wrong in WRONGS}
    took = f" (median {median(whole):.1f} s, longest {max(whole):.1f} s)" if whole else ""
    return (
        f"{len(verdicts)} cases: {len(whole)} whole replies{took}, {len(right) - len(whole)} truthful other endings, "
        + ", ".join(f"{count} {WRONGS[wrong]}" for wrong, count in wrongs.items())
    )


WRONGS = {
    "doubled": "doubled messages",
    "lost": "lost replies",
    "dressed up": "dressed up",
    "unexpected": "unexpected",
}
