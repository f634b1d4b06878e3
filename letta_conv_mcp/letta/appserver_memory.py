"""The memory of an App Server's agents, and the tool by which they change it: its own are a shell and an editor.

The server keeps a memory block as a file with a head of two fields, and commits what is written by this request.
"""

import re

from letta_conv_mcp.letta.appserver_socket import Socket, Unanswered
from letta_conv_mcp.letta.content import Json, first_object, objects, text_or_none
from letta_conv_mcp.views import MemoryBlock

LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*\Z")
LONGEST_BLOCK = 19_000
"""Characters. The server commits no file of more than 20,000, and its head is one part of it."""
INDEX = "MEMORY"
"""The server's own list of the files, which is no block."""
HEAD = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)


async def edit_memory(socket: Socket, call: Json) -> None:
    """Do what an agent's call of the memory tool asks for, and answer it."""
    try:
        result, is_error = await _edited(socket, first_object(call.get("runtime")), first_object(call.get("input")))
        await socket.tell(
            {
                "type": "external_tool_call_response",
                "request_id": call.get("request_id"),
                "result": {"content": [{"type": "text", "text": result}], "is_error": is_error},
            }
        )
    except Unanswered:
        # The server has gone, and the turn with it; there is nobody to be told.
        return


async def _edited(socket: Socket, runtime: Json, wanted: Json) -> tuple[str, bool]:
    label, old, new = str(wanted.get("label")), text_or_none(wanted.get("old")), str(wanted.get("new") or "")
    if not is_label(label):
        return f"{label!r} is not a memory block's name.", True
    place: Json = {"agent_id": runtime.get("agent_id"), "path": path_of_block(label)}
    read = await socket.ask("read_memory_file", place)
    if read.get("success") is not True:
        return f"There is no memory block {label!r}.", True
    head, body = _parts(str(read.get("content") or ""))
    if old is None:
        body = f"{body.rstrip()}\n{new}" if body.strip() else new
    elif (times := body.count(old)) != 1:
        return f"`old` stands {times} times in {label!r}; it must stand there once. The block is:\n{body}", True
    else:
        body = body.replace(old, new)
    written = await socket.ask(
        "write_memory_file", {**place, "content": head + body, "commit_message": "memory_replace"}
    )
    if written.get("success") is not True:
        return f"{label!r} could not be written.", True
    return f"{label!r} is now:\n{body}", False


def _parts(content: str) -> tuple[str, str]:
    """A block's head, which is kept as it is, and its text."""
    head = HEAD.match(content)
    return (head.group(), content[head.end() :]) if head else ("", content)


def is_label(label: str) -> bool:
    """Whether this can be a block's name; what can't would lead out of its folder."""
    return LABEL.match(label) is not None


def path_of_block(label: str) -> str:
    """Where a block is kept."""
    return f"{label}.md"


def with_body(content: str, value: str) -> str:
    """A block's file with another text below its head."""
    return _parts(content)[0] + value


def blocks_from_entries(entries: object) -> list[MemoryBlock]:
    """The memory blocks among an agent's memory files."""
    named = [(str(entry.get("relative_path") or ""), entry) for entry in objects(entries)]
    return [
        MemoryBlock(
            label=path.removesuffix(".md"),
            value=str(entry.get("content") or "").strip(),
            description=text_or_none(entry.get("description")),
            limit=LONGEST_BLOCK,
        )
        for path, entry in named
        if path.endswith(".md") and is_label(path.removesuffix(".md")) and path != path_of_block(INDEX)
    ]
