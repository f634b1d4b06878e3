"""`python -m tests.fake --port 8283`: the fake by hand, or for a bench in another process.

The first line it prints is its address; it has two agents, and tools like those of the real stack's.
"""

import argparse
import signal
import sys

from tests.fake import FakeLetta, Tool


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fake", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--password")
    parser.add_argument("--no-redis", action="store_true")
    parser.add_argument("--ping-seconds", type=float, default=20)
    parser.add_argument("--messages", type=int, default=0, help="how many messages the first conversation has")
    options = parser.parse_args()

    with FakeLetta(
        port=options.port, password=options.password, redis=not options.no_redis, ping_seconds=options.ping_seconds
    ) as letta:
        ada = letta.add_agent(
            "Ada", tools=[Tool("lookup", "found it"), Tool("guarded", "done", requires_approval=True)]
        )
        letta.add_agent("Bo")
        conversation = letta.add_conversation(ada, summary="Seeded")
        letta.add_messages(conversation, options.messages)
        sys.stdout.write(f"{letta.base_url}\n{ada.id}\n{conversation.id}\n")
        sys.stdout.flush()
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    main()
