"""Links from a result to what a person may want to open: pure.

They are for hosts that show them. What a model needs is in the result itself, since many hosts give it nothing else.
"""

from mcp_types import Annotations, ResourceLink

from letta_conv_mcp.formats import FORMATS
from letta_conv_mcp.uris import transcript_uri
from letta_conv_mcp.views import Conversation, Export, Reply, View

FIRST_VERSION = "2025-06-18"
"""MCP's first with links. To a client of an older one the whole result would be invalid."""


def links_of(view: View, protocol_version: str) -> list[ResourceLink]:
    """The transcript of the conversation that a result is about, once there is an end to be read; or the export.

    Args:
        view: the result.
        protocol_version: what the client speaks; these are dates and compare as such.
    """
    if protocol_version < FIRST_VERSION:
        return []
    match view:
        case Reply(conversation_id=conversation_id, status=status) if status != "running":
            return [_link(conversation_id, "Transcript")]
        case Conversation(id=conversation_id, summary=summary):
            return [_link(conversation_id, summary or "Transcript")]
        case Export(uri=uri, format=format_name, bytes=size):
            name, mime_type = uri.rpartition("/")[2], FORMATS[format_name].mime_type
            return [ResourceLink(uri=uri, name=name, title="The whole transcript", mime_type=mime_type, size=size)]
        case _:
            return []


def _link(conversation_id: str, title: str) -> ResourceLink:
    return ResourceLink(
        type="resource_link",
        uri=transcript_uri(conversation_id),
        name="transcript.md",
        title=title,
        mime_type="text/markdown",
        annotations=Annotations(audience=["user"]),
    )
