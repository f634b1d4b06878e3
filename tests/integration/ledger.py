"""What a Letta holds, asked of Letta itself: nothing of ours stands between it and the test."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import httpx

POLL_SECONDS = 0.1


class Ledger:
    """The messages and runs of a Letta's conversations."""

    def __init__(self, base_url: str) -> None:
        self._letta = httpx.Client(base_url=base_url, timeout=60, trust_env=False)

    def said(self, conversation_id: str) -> list[str]:
        """What users said there, oldest first. Letta stores a message with the first finished step."""
        return self._texts(conversation_id, "user_message")

    def answered(self, conversation_id: str) -> list[str]:
        """What the agent said there, oldest first."""
        return self._texts(conversation_id, "assistant_message")

    def runs(self, conversation_id: str) -> list[dict[str, Any]]:
        """Its runs, newest first."""
        return self._get("/v1/runs/", conversation_id=conversation_id, limit=100)

    def wait_until_begun(self, conversation_id: str, within: float = 30) -> None:
        """Until there is a run."""
        self._wait_until(lambda: self.runs(conversation_id), f"No run begins in {conversation_id}.", within)

    def wait_until_idle(self, conversation_id: str, within: float = 30) -> None:
        """Until no run goes on there."""

        def is_idle() -> bool:
            return not self._get("/v1/runs/", conversation_id=conversation_id, active=True)

        self._wait_until(is_idle, f"A run in {conversation_id} does not end.", within)

    def wait_until_answered(self, conversation_id: str, answer: str, within: float = 30) -> None:
        """Until the agent's last words there are these."""

        def is_answered() -> bool:
            return self.answered(conversation_id)[-1:] == [answer]

        self._wait_until(is_answered, f"{answer!r} was not said in {conversation_id}.", within)

    def free(self, conversation_id: str) -> None:
        """End the runs that a crash of Letta left active for ever, and with them its lock."""
        answer = self._letta.post(f"/v1/conversations/{conversation_id}/cancel")
        assert answer.status_code in (200, 409), answer.text

    def _wait_until(self, is_so: Callable[[], object], complaint: str, within: float) -> None:
        # Letta tells nobody, so it is asked again and again.
        deadline = time.monotonic() + within
        while not is_so():
            assert time.monotonic() < deadline, complaint
            time.sleep(POLL_SECONDS)

    def _texts(self, conversation_id: str, kind: str) -> list[str]:
        messages = self._get(f"/v1/conversations/{conversation_id}/messages", order="asc", limit=1000)
        return [message["content"] for message in messages if message["message_type"] == kind]

    def _get(self, path: str, **query: Any) -> list[dict[str, Any]]:
        return self._letta.get(path, params=query).raise_for_status().json()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._letta.close()
