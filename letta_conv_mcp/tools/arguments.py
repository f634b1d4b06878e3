"""The arguments that tools share: named once, described once.

Descriptions are read by models at every turn of every chat, so each says only what can't be guessed.
"""

from typing import Annotated, TypeAlias

from pydantic import Field

from letta_conv_mcp.settings import MAX_WAIT_SECONDS
from letta_conv_mcp.views import Detail

AgentId: TypeAlias = Annotated[str | None, Field(description="An agent's id or exact name; default: LETTA_AGENT_ID")]
ConversationId: TypeAlias = Annotated[
    str, Field(min_length=1, description="A conversation's id, or default:<agent_id>")
]
MessageText: TypeAlias = Annotated[str, Field(pattern=r"\S", description="What to say")]
RunId: TypeAlias = Annotated[str | None, Field(description="Default: the conversation's latest run")]
WaitSeconds: TypeAlias = Annotated[
    float | None,
    Field(ge=0, le=MAX_WAIT_SECONDS, description="Default: usually 45; stay below the host's time-out"),
]
DetailLevel: TypeAlias = Annotated[Detail, Field(description="full: uncut, with reasoning, tool uses, usage")]
Limit: TypeAlias = Annotated[int, Field(ge=1, le=100)]
Cursor: TypeAlias = Annotated[str | None, Field(description="next_cursor of the page before")]
