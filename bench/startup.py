"""How long our server takes to its first answer, against a bare MCPServer.

Measured on real pipes, from before the process is started to the answer's line; the request is written at once.
Ours and the bare one take turns, both from compiled .pyc, with the same interpreter, flags and environment. The
budget is on the ratio of the medians for `initialize`; `server/discover` opens the modern era. letta-client takes
longer to import than all else together, so it must not be imported before the first answer.
"""

import subprocess
import sys
import tempfile
from time import perf_counter

from bench.report import Report, Row, parser_for, ratio
from bench.wire import BARE, LEGACY, MODERN, OURS, open_server, opening

BUDGET = 1.10
WARM_UPS = 2
HEAVY = "letta_client"


def main() -> int:
    """The exit status."""
    runs: int = parser_for(__doc__, runs=30).parse_args().runs
    report = Report(__doc__)
    subprocess.run([sys.executable, "-m", "compileall", "-q", OURS, "bench"], check=True)
    measured = _measured(runs)
    for era, title in ((LEGACY, "start to the initialize answer"), (MODERN, "start to the server/discover answer")):
        ours, bare = Row("letta-conv-mcp", measured[OURS, era]), Row("bare MCPServer", measured[BARE, era])
        report.table(title, ours, bare)
        if era == LEGACY:
            report.judge("ratio of the medians", ratio(ours, bare), at_most=BUDGET)
        else:
            report.note("ratio of the medians", ratio(ours, bare))
    report.judge(f"modules of {HEAVY} imported by then", _imported_before_answer(HEAVY), at_most=0)
    return report.exit_status


def _measured(runs: int) -> dict[tuple[str, str], list[float]]:
    """Milliseconds by module and era. All four take turns, and who goes first changes."""
    samples = {(module, era): list[float]() for era in (LEGACY, MODERN) for module in (OURS, BARE)}
    for number in range(-WARM_UPS, runs):
        for module, era in samples if number % 2 else reversed(samples):
            taken = _seconds_to_answer(module, era)
            if number >= 0:
                samples[module, era].append(taken * 1000)
    return samples


def _seconds_to_answer(module: str, era: str) -> float:
    started = perf_counter()
    with open_server(module) as wire:
        wire.ask(opening(era))
        return perf_counter() - started


def _imported_before_answer(package: str) -> int:
    """How many modules of a package our server imports up to its first answer."""
    # A file: more than a pipe holds is written before the answer.
    with tempfile.TemporaryFile() as imports:
        with open_server(OURS, "-X", "importtime", stderr=imports) as wire:
            wire.ask(opening(LEGACY))
            wire.kill()
        imports.seek(0)
        names = [line.rpartition(b"|")[2].strip().decode() for line in imports]
    if OURS not in names:
        raise RuntimeError("The interpreter did not say what it imports.")
    return sum(name == package or name.startswith(f"{package}.") for name in names)


if __name__ == "__main__":
    sys.exit(main())
