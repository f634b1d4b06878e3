"""What chance chooses from: what is said to an agent, and what goes wrong between us and Letta."""

from collections.abc import Sequence

from tests.fake import (
    Answer,
    Close,
    Cut,
    Delay,
    Fault,
    Garbage,
    Hang,
    InPieces,
    LoseBlankLine,
    StayOpen,
    Twice,
    Without,
)

SHAPES = {
    "plain": "{key} and more words",
    "long": "#long 60 {key}",
    "slow": "#drip 0.003 {key} one two three four five six",
    "thinking": "#reason let me see# {key}",
    "held": "#hold {key} {key}",
    "held midway": "#hold {key}@2 {key} one two three",
    "tool": '{key} #tool lookup {{"query": "{key}"}}',
    "talk and tool": '{key} #say wait for it# #tool lookup {{"query": "{key}"}}',
    "held tool": '{key} #hold {key} #tool lookup {{"query": "{key}"}}',
    "approval": '{key} #tool erase {{"where": "{key}"}}',
    "talk and held approval": '{key} #hold {key} #say may I do it# #tool erase {{"where": "{key}"}}',
    "two approvals": '{key} #tool erase {{"where": "{key}"}} #tool erase {{"where": "{key}b"}}',
    "parallel approvals": '{key} #tool erase {{"where": "{key}"}} #and erase {{"where": "{key}b"}}',
    "refused": "#http 500 {key}",
    "limited": "#http 429 {key}",
    "dropped": "#cut 2 {key} one two",
    "broken": "#errchunk 2 {key} one two",
    "silent": "#empty {key}",
    "too long": "#length {key}",
}
"""Messages by what they make the agent do; `key` tells each from all others, and names its hold."""

SOON = {"retry-after": "0.05"}
NO_RUN = "run-00000000-0000-4000-8000-000000000000"
REFUSALS: Sequence[Fault] = (
    Answer(500, {"detail": "An unknown error occurred"}),
    Answer(502, b"<html>Bad Gateway</html>", {"content-type": "text/html"}),
    Answer(503, {}, SOON),
    Answer(504, {}),
    Answer(429, {}, SOON),
    Answer(429, {}),
    Answer(503, {"admitted": False}),
    Answer(200, b"<html>Please sign in</html>", {"content-type": "text/html"}),
    Answer(401, {}),
    Answer(502, b"<html>Bad Gateway</html>", {"content-type": "text/html"}, is_received=True),
    Answer(503, {}, SOON, is_received=True),
    Answer(504, {}, is_received=True),
    Delay(0.2),
    Delay(0.2, is_received=True),
    Hang(),
    Hang(is_received=True),
    Close(),
    Close(by_reset=True),
    Close(is_received=True),
    Close(is_received=True, by_reset=True),
)
BREAKS: Sequence[Fault] = (
    *(Cut(frames, into_bytes) for frames in range(9) for into_bytes in (0, 20)),
    Garbage(b"data: {broken\n\n"),
    Garbage(b"data: {broken\n\n", after_frames=2),
    Garbage(b'event: error\ndata: {"message_type":"error_message","error_type":"internal_error"}\n\n', after_frames=2),
    StayOpen(),
    StayOpen(b'"message_type":"ping"'),
    LoseBlankLine(),
    Without(b'"stop_reason"'),
    Without(b"usage_statistics"),
    Without(b"[DONE]"),
    Without(b'"message_type":"ping"'),
    InPieces(7),
)
FAULTS: dict[str, tuple[str, str, Sequence[Fault]]] = {
    "send": (
        "POST",
        "*/messages",
        (
            *REFUSALS,
            *BREAKS,
            Answer(200, {"welcome": True}),
            Answer(409, {"detail": "CONFLICT: busy", "run_id": NO_RUN}),
        ),
    ),
    "resume": ("POST", "*/stream", (*REFUSALS, *BREAKS, Twice())),
    "look": ("GET", "/v1/runs/*", (*REFUSALS, Answer(404, {"detail": "Run not found"}))),
    "read": ("GET", "*", REFUSALS),
    "stop": ("POST", "*/cancel", REFUSALS),
}
"""By what is being tried: which requests go wrong, and how. No frames come twice in a foreground stream: they have no
numbers there, so nobody could tell."""

STROKES = ("Redis", "Redis with its runs", "Letta", "the database", "A", "B", "nothing more")
"""What dies and comes back; A and B are our own processes. Of a database only the next step is not stored."""

ANSWERS = ("approve", "approve", "deny", "some of each", "partly", "too many", "both", "nothing")
"""How an approval request is answered; the latter half must not be passed on."""


def answer_of(call_ids: list[str], how: str) -> tuple[list[str], list[str]]:
    """What is approved and what denied."""
    match how:
        case "approve":
            return call_ids, []
        case "deny":
            return [], call_ids
        case "some of each":
            return call_ids[1:], call_ids[:1]
        case "partly":
            return call_ids[1:], []
        case "too many":
            return [*call_ids, "call_0123456789abcdef"], []
        case "both":
            return call_ids, call_ids
        case _:
            return [], []
