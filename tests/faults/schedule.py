"""Schedules of random faults: messages in a few conversations at once, each with one to three faults at random places.

A schedule is all in its seed. Which fault meets which request is too, as far as time allows: a reply that ends a
little sooner is read where otherwise its stream would be picked up.
"""

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import TypeAlias

import anyio

from tests.fake import (
    Answer,
    Close,
    Cut,
    Drip,
    Ending,
    Fault,
    Garbage,
    Hang,
    InPieces,
    Late,
    LoseBlankLine,
    Stall,
    StayOpen,
    Twice,
    Without,
)
from tests.faults.matrix import Case, Matrix
from tests.faults.shapes import APPROVALS, LIVE, QUICK
from tests.faults.verdict import WHOLE, Verdict

Round: TypeAlias = tuple[Case, ...]
"""One message, or two that are sent at the same time."""
Schedule: TypeAlias = tuple[tuple[Round, ...], ...]
"""The messages of each conversation, in their order."""
Made: TypeAlias = Callable[[Random], Fault]

TALKS = 3
ROUNDS = 3
PATIENCE = 20.0
"""How long our server must look into a message's fate, in seconds, to outlast all that a schedule has for it."""
UNFOLLOWED = WHOLE | {"interrupted"}
PATHS = ("run-*", "*/stream", "*/messages", "*")

AT_THE_DOOR: tuple[Made, ...] = (
    lambda by: Answer(by.choice((500, 502, 503, 504)), b"<html>", is_received=by.random() < 0.5),
    lambda _: Answer(429, {}, {"retry-after": "1"}),
    lambda by: Close(is_received=by.random() < 0.5, by_reset=by.random() < 0.5),
    lambda by: Late(by.uniform(0.1, 1), by_reset=by.random() < 0.5),
    lambda by: Hang(is_received=by.random() < 0.5),
)
"""In place of an answer."""
ON_THE_WAY: tuple[Made, ...] = (
    lambda by: Cut(by.randrange(10), by.randrange(250), by.choice((Ending.CUT, Ending.RESET, Ending.OVER))),
    lambda by: Cut(by.randrange(10), by.randrange(250), by.choice((Ending.CUT, Ending.RESET, Ending.OVER))),
    lambda by: Stall(by.uniform(0.2, 5), by.randrange(6)),
    lambda by: Drip(by.uniform(0, 0.2)),
    lambda by: InPieces(by.randrange(5, 200)),
    lambda by: Garbage(by.choice((b"data: {broken\n\n", b"\x00\xff\n", b"data: null\n\n")), by.randrange(6)),
    lambda by: StayOpen(by.choice((b'"stop_reason"', b'"ping"', b"assistant_message"))),
    lambda by: Without(by.choice((b"stop_reason", b"[DONE]", b"usage_statistics"))),
    lambda _: LoseBlankLine(),
)
"""In the stream of an answer."""
NUMBERED: tuple[Made, ...] = (*ON_THE_WAY, lambda _: Twice())
"""Those for frames that have numbers."""
TO_A_READ: tuple[Made, ...] = (*AT_THE_DOOR, lambda by: Cut(0, by.randrange(60)))


def schedule_from_seed(seed: int, *, is_numbered: bool) -> Schedule:
    """The schedule of a seed.

    Args:
        seed: the same one gives the same schedule.
        is_numbered: for a Letta whose frames have numbers and whose runs can be followed again, as with Redis.
    """
    by = Random(seed)
    return tuple(
        tuple(
            _round(by, f"seed={seed}, talk {talk}, round {number}", is_numbered, is_last=number == ROUNDS - 1)
            for number in range(ROUNDS)
        )
        for talk in range(TALKS)
    )


async def play(schedule: Schedule, matrix: Matrix) -> list[Verdict]:
    """Have the conversations of a schedule side by side."""
    verdicts: list[Verdict] = []

    async def say(case: Case, conversation_id: str) -> None:
        verdicts.append(await matrix.attempt(case, conversation_id))

    async def talk(rounds: tuple[Round, ...]) -> None:
        conversation_id = await matrix.letta.new_conversation(matrix.agent_id)
        for cases in rounds:
            async with anyio.create_task_group() as together:
                for case in cases:
                    together.start_soon(say, case, conversation_id)

    async with anyio.create_task_group() as talks:
        for rounds in schedule:
            talks.start_soon(talk, rounds)
    return verdicts


def _round(by: Random, name: str, is_numbered: bool, *, is_last: bool) -> Round:
    # What may end as interrupted is asked for again, and so must be the conversation's latest.
    is_pair = is_numbered and not is_last and by.random() < 0.3
    if not is_pair:
        return (_case(by, name, is_numbered, is_last=is_last),)
    # The faults of both may meet the same one, which may then be refused more often than it is tried again.
    pair = [_case(by, name, is_numbered, is_last=is_last) for _ in range(2)]
    return tuple(replace(case, may_end=case.may_end | {"error"}) for case in pair)


def _case(by: Random, name: str, is_numbered: bool, *, is_last: bool) -> Case:
    # A pending approval keeps every later message out.
    shape = by.choice((*QUICK, *LIVE) if is_last else [shape for shape in (*QUICK, *LIVE) if shape not in APPROVALS])
    in_stream = NUMBERED if is_numbered else ON_THE_WAY
    case = Case("", shape, may_end=WHOLE if is_numbered else UNFOLLOWED)
    for place in by.choices(("send", "again", "read"), (3, 1, 2), k=by.randint(1, 3)):
        if place == "send" and not case.faults:
            case = replace(case, faults=(by.choice(by.choice((AT_THE_DOOR, in_stream)))(by),))
        elif place == "read":
            case = replace(case, reads=(*case.reads, (by.choice(PATHS), by.choice(TO_A_READ)(by))))
        else:
            case = replace(case, repeats=(*case.repeats, by.choice(AT_THE_DOOR)(by)))
    faults = [*(str(fault) for fault in (*case.faults, *case.repeats)), *(f"{p}: {fault}" for p, fault in case.reads)]
    return replace(case, name=f"{name}, {shape.name}: {'; '.join(faults)}")
