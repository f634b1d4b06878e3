"""A host in a process of its own, for a test that kills it: `python -m tests.integration.doomed_host URL [ID]`.

It starts our server as its child and, given a conversation, has it wait for a long reply. When that is so it prints
the server's process id, and does nothing more.
"""

import signal
import sys

from tests.integration.stdio import Host, started

MESSAGE = "#drip 0.2 #long 15"
REPLY = " ".join(f"w{number}" for number in range(15))


def main(base_url: str, conversation_id: str | None = None) -> None:
    with started(base_url) as host:
        host.initialize()
        if conversation_id is not None:
            begin_turn(host, conversation_id)
        sys.stdout.write(f"{host.process.pid}\n")
        sys.stdout.flush()
        signal.pause()


def begin_turn(host: Host, conversation_id: str) -> None:
    """Send the message, and read until the agent has begun to speak."""
    arguments = {"conversation_id": conversation_id, "message": MESSAGE}
    host.send("tools/call", {"name": "send_message", "arguments": arguments, "_meta": {"progressToken": "p"}})
    next(frame for frame in host.frames() if str(frame.get("params", {}).get("message")).startswith("w0"))


if __name__ == "__main__":
    main(*sys.argv[1:])
