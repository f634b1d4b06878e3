"""A reply that grows, as pieces to print. Pure.

Every progress message holds the whole reply so far, and only what is new in it is printed. What was stored of a reply
can differ from what was streamed; then it is printed again from its beginning.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from letta_conv_mcp.cli.chat_text import Piece, harmless, one_line
from letta_conv_mcp.cli.chat_views import call_text
from letta_conv_mcp.views import Live

THOUGHT_CHARS = 400
"""What is shown of what an agent thinks; the history has more."""
TOOL_CHARS = 160


@dataclass
class Feed:
    """What of a reply was printed.

    Attributes:
        agent_name: who speaks.
    """

    agent_name: str
    _text: str = ""
    _thought: str = ""
    _tools: int = 0
    _block: str | None = None
    _pieces: list[Piece] = field(default_factory=list[Piece])

    @property
    def is_open(self) -> bool:
        """Whether what was printed last has not ended its line."""
        return self._block is not None

    def shows(self, message: str) -> tuple[list[Piece], str | None]:
        """What a progress message adds, and what the agent does meanwhile.

        Args:
            message: a `Live` as JSON, or a line about a reply that holds nothing yet.
        """
        if not message.startswith("{"):
            return [], message
        live = Live.model_validate_json(message)
        self._grow(live.reasoning, live.text, [use.model_dump() for use in live.tool_uses if use.result is not None])
        if live.doing is not None and self._block == "text":
            self._close()
        return self._taken(), live.doing

    def ends(self, reply: dict[str, Any]) -> list[Piece]:
        """What of the finished reply was not printed yet; it ends a line."""
        uses: list[dict[str, Any]] = reply["tool_uses"] if reply.get("tool_uses") else []
        self._grow(reply.get("reasoning") or "", reply["text"], uses)
        self._close()
        return self._taken()

    def breaks(self) -> list[Piece]:
        """What ends the line of a reply that isn't waited for any longer."""
        self._close()
        return self._taken()

    def _grow(self, thought: str, text: str, uses: Sequence[dict[str, Any]]) -> None:
        self._grow_thought(one_line(thought, THOUGHT_CHARS))
        for use in uses[self._tools :]:
            self._close()
            result = one_line(use["result"] or "", TOOL_CHARS) if use["result"] is not None else "no result yet"
            verb = "failed:" if use["status"] == "error" else "->"
            line = f"tool: {call_text(use['tool'], use['arguments'], TOOL_CHARS)} {verb} {result}\n"
            self._pieces.append(("class:tool", line))
        self._tools = max(self._tools, len(uses))
        # What ends in a line break is held back until more comes: a block ends its line itself.
        self._grow_text(harmless(text).rstrip())

    def _grow_thought(self, thought: str) -> None:
        if thought.startswith(self._thought) and (added := thought[len(self._thought) :]):
            self._open("thought", "class:thought", "thinking: ")
            self._pieces.append(("class:thought", added))
            self._thought = thought

    def _grow_text(self, text: str) -> None:
        if not text.startswith(self._text):
            self._close()
            self._text = ""
        if added := text[len(self._text) :]:
            is_new = self._block != "text"
            self._open("text", "class:agent", f"{harmless(self.agent_name)}: ")
            self._pieces.append(("", added.lstrip() if is_new else added))
            self._text = text

    def _open(self, block: str, style: str, label: str) -> None:
        if self._block != block:
            self._close()
            self._pieces.append((style, label))
            self._block = block

    def _close(self) -> None:
        if self._block is not None:
            self._pieces.append(("", "\n"))
            self._block = None

    def _taken(self) -> list[Piece]:
        pieces, self._pieces = self._pieces, []
        return pieces
