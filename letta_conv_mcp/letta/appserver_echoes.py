"""What two connections tell alike counts once. No I/O."""

from collections import deque

from letta_conv_mcp.letta.content import Json, text_or_none

KEPT = 500
"""How far one connection may lag behind the other."""


class Echoes:
    """Remembers what was heard. Each connection tells things in their order, so a run's numbers only rise."""

    def __init__(self) -> None:
        self._last_seq: dict[str, int] = {}
        self._keys: deque[tuple[object, ...]] = deque(maxlen=KEPT)

    def is_new(self, *key: object) -> bool:
        """Whether this was not heard before."""
        if key in self._keys:
            return False
        self._keys.append(key)
        return True

    def is_new_delta(self, delta: Json) -> bool:
        """Whether a delta was not heard before. Some are numbered within their run; the others have ids."""
        run_id, seq_id = text_or_none(delta.get("run_id")), delta.get("seq_id")
        if run_id is None or not isinstance(seq_id, int):
            return self.is_new(delta.get("message_type"), delta.get("id"), delta.get("tool_call_id"))
        if seq_id <= self._last_seq.get(run_id, 0):
            return False
        self._last_seq[run_id] = seq_id
        if len(self._last_seq) > KEPT:
            del self._last_seq[next(iter(self._last_seq))]
        return True
