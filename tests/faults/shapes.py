"""The shapes of a reply that a stream can be cut in. Each is made by what the message says to the scripted model."""

from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True)
class Shape:
    """A message, and what must come of it when nothing goes wrong.

    Attributes:
        name: for the name of a case.
        message: `MARK` in it becomes a word that no other message has.
        text: a part of what the agent says, so that an empty reply is never a whole one.
        is_watched: whether the host asks for progress, so that pieces of words are streamed.
        status: how the reply ends.
        tool: the tool that is called, or that the agent wants to call.
    """

    name: str
    message: str
    text: str
    is_watched: bool
    status: Literal["completed", "awaiting_approval", "failed"] = "completed"
    tool: str | None = None

    def __str__(self) -> str:
        return self.name

    def marked(self, mark: str) -> "Shape":
        """The same shape, with a mark of its own in the message."""
        return replace(self, message=self.message.replace("MARK", mark), text=self.text.replace("MARK", mark))


TOKENS = Shape("tokens", "one MARK three", "echo: one MARK three", is_watched=True)
STEPS = Shape("steps", "one MARK three", "echo: one MARK three", is_watched=False)
REASONING = Shape("reasoning", "#reason deep thoughts# MARK", "echo: MARK", is_watched=True)
# A tool of Letta's own: one of ours would run in a sandbox, which takes seconds.
TOOL = "archival_memory_search"
TOOL_CALL = f'#say Wait.# #tool {TOOL} {{"query": "MARK"}}'
TOOL_TOKENS = Shape("tool call, tokens", TOOL_CALL, "tool said", is_watched=True, tool=TOOL)
TOOL_STEPS = Shape("tool call, steps", TOOL_CALL, "tool said", is_watched=False, tool=TOOL)
SANDBOXED = Shape(
    "tool in a sandbox", '#tool ponder {"query": "MARK"}', "pondered MARK", is_watched=True, tool="ponder"
)
APPROVAL_CALL = '#say May I?# #tool delete_everything {"where": "MARK"}'
APPROVAL_TOKENS = Shape("approval, tokens", APPROVAL_CALL, "", True, "awaiting_approval", "delete_everything")
APPROVAL_STEPS = Shape("approval, steps", APPROVAL_CALL, "", False, "awaiting_approval", "delete_everything")

APPROVALS = (APPROVAL_TOKENS, APPROVAL_STEPS)
# The model fails: at once, and in the middle of a sentence.
REFUSED = Shape("failure", "#http 500 MARK", "", True, "failed")
BROKEN_OFF = Shape("failure in mid-sentence", "#errchunk 2 one MARK three four", "", True, "failed")
# The model takes its time over every word, so that the run goes on while its stream is picked up.
LIVE_TOKENS = Shape(
    "live tokens", "#drip 0.2 one MARK three four five", "echo: one MARK three four five", is_watched=True
)
SLOW_TOKENS = Shape(
    "slow tokens", "#drip 0.6 one MARK three four five", "echo: one MARK three four five", is_watched=True
)
"""Goes on for longer than it takes to pick a stream up, also on a machine that is busy."""
LIVE_STEPS = Shape("live steps", "#slow 1.5 one MARK three", "echo: one MARK three", is_watched=False)

QUICK = (TOKENS, STEPS, REASONING, TOOL_TOKENS, TOOL_STEPS, APPROVAL_TOKENS, APPROVAL_STEPS)
"""All that take a fraction of a second: the run is over by the time that a broken stream is picked up."""
LIVE = (LIVE_TOKENS, LIVE_STEPS)
