"""Progress lines turned back into text that grows: pure.

A progress line holds the agent's words so far, on one line and cut from the left once they are long.
"""

from letta_conv_mcp.tools.progress import is_deed

SURE_OVERLAP = 20


class Typewriter:
    """What of a reply was already printed."""

    def __init__(self) -> None:
        self._printed = ""

    def shows(self, line: str) -> str:
        """The words that a progress line adds; nothing for a line that tells what the agent does."""
        new = self._added(line)
        self._printed += new
        return new

    def ends(self, text: str) -> str:
        """What of the finished reply was not printed yet."""
        whole = " ".join(text.split())
        if whole.startswith(self._printed):
            return whole[len(self._printed) :]
        return f"\n  {whole}"

    def _added(self, line: str) -> str:
        if is_deed(line):
            return ""
        if not line.startswith("…"):
            return line[len(self._printed) :] if line.startswith(self._printed) else ""
        tail = line[1:]
        longest = min(len(tail), len(self._printed))
        overlaps = [length for length in range(1, longest + 1) if self._printed.endswith(tail[:length])]
        # A short or ambiguous overlap may be chance; what it would have shown comes with the end.
        return tail[overlaps[0] :] if len(overlaps) == 1 and overlaps[0] >= SURE_OVERLAP else ""
