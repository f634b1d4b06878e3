"""What every bench prints: tables of medians, and verdicts on budgets.

A verdict is on medians only; the smallest and largest values show how quiet the machine was.
"""

import argparse
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

NAME_WIDTH = 52


@dataclass(frozen=True)
class Row:
    """What was measured of one thing, sample by sample."""

    name: str
    samples: Sequence[float]

    @property
    def median(self) -> float:
        return median(self.samples)


class Report:
    """Prints as it goes, and remembers whether a budget was exceeded.

    Args:
        docstring: of the bench; its first line is the heading.
    """

    def __init__(self, docstring: str | None) -> None:
        self._is_over = False
        print((docstring or "").partition("\n")[0])
        load, cores = os.getloadavg()[0], os.cpu_count()
        print(f"Python {platform.python_version()}, {cores} cores, load {load:.1f} before the start")

    @property
    def exit_status(self) -> int:
        """1 where a budget was exceeded."""
        return int(self._is_over)

    def table(self, title: str, *rows: Row, unit: str = "ms", digits: int = 1) -> None:
        """Print the rows, each with its median, smallest and largest value."""
        heading = f"{title} ({unit})"
        print(f"\n{heading:{NAME_WIDTH}} {'median':>10} {'min':>10} {'max':>10} {'n':>6}")
        for row in rows:
            figures = " ".join(f"{value:10.{digits}f}" for value in (row.median, min(row.samples), max(row.samples)))
            print(f"  {row.name:{NAME_WIDTH - 2}} {figures} {len(row.samples):6}")

    def judge(self, what: str, value: float, *, at_most: float, unit: str = "") -> None:
        """Hold a value against its budget."""
        verdict = "PASS" if value <= at_most else "FAIL"
        self._is_over |= value > at_most
        self._line(what, value, unit, f"budget {at_most:g}{unit}  {verdict}")

    def note(self, what: str, value: float, unit: str = "") -> None:
        """Print a value that has no budget."""
        self._line(what, value, unit, "not judged")

    def _line(self, what: str, value: float, unit: str, verdict: str) -> None:
        shown = f"{value:.2f}".removesuffix(".00") + unit
        print(f"  {what:{NAME_WIDTH - 2}} {shown:>10}   {verdict}")


def differences(ours: Row, other: Row) -> Row:
    """Pair by pair, how much more one took than the other."""
    pairs = zip(ours.samples, other.samples, strict=True)
    return Row("difference, pair by pair", [one - another for one, another in pairs])


def ratio(ours: Row, other: Row) -> float:
    """Of the medians."""
    return ours.median / other.median


def parser_for(docstring: str | None, *, runs: int) -> argparse.ArgumentParser:
    """A bench's command line, with `--runs`."""
    parser = argparse.ArgumentParser(description=docstring, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=runs, metavar="N", help=f"samples of each kind, default {runs}")
    return parser
