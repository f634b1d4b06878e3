"""Why a host cancelled a call, read where its frames come in: the SDK cancels the handler and keeps the reason.

A handler that is cancelled can't tell the person's Stop from the host's time-out, nor from the end of the
connection. The notification can: the official SDKs say in its reason when it was a time-out.
"""

import json
import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import cast

METHOD = "notifications/cancelled"
KEPT = 1_000
REASON_CHARS = 1_000
# Go says "context deadline exceeded", all others some form of time-out.
_TIME_OUT = re.compile(r"tim(e|ed|es|ing)[ _-]?out|deadline", re.IGNORECASE)


class Cancels:
    """The cancellations that hosts have sent, by request."""

    def __init__(self) -> None:
        self._reasons: OrderedDict[str, str] = OrderedDict()

    def read(self, line: str) -> None:
        """Note a frame if it is a cancellation. Whether it is a valid one is the SDK's business."""
        # Not the whole method: Swift writes the slash in it as `\/`.
        if "cancelled" not in line:
            return
        try:
            frame: object = json.loads(line)
        except (ValueError, RecursionError):
            return
        if not isinstance(frame, Mapping):
            return
        told = cast("Mapping[str, object]", frame)
        params = told.get("params")
        if told.get("method") == METHOD and isinstance(params, Mapping):
            about = cast("Mapping[str, object]", params)
            request_id, reason = about.get("requestId"), about.get("reason")
            if isinstance(request_id, str | int):
                self.note(str(request_id), reason if isinstance(reason, str) else "")

    def note(self, request_id: str, reason: str) -> None:
        """A host cancels a request. Hosts do so for requests that are over, too."""
        # The first reason counts: a call that has run out of time is often aborted as well, to clean up.
        self._reasons.setdefault(request_id, reason[:REASON_CHARS])
        while len(self._reasons) > KEPT:
            self._reasons.popitem(last=False)

    def take(self, request_id: str) -> str | None:
        """The reason given for a request's cancellation; None where no host cancelled it."""
        return self._reasons.pop(request_id, None)


def is_time_out(reason: str) -> bool:
    """Whether a reason speaks of the host's time-out and not of the person's wish."""
    return _TIME_OUT.search(reason) is not None
