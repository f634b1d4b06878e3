"""The arms of a comparison: ways to say the same thing to the same Letta, each in a conversation of its own.

A measured send is whole only when the reply is, so every arm checks what came back.
"""

from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter
from typing import Any, TypeAlias

from letta_client import AsyncLetta
from mcp import Client

from bench.hosts import Place, call
from bench.report import Row

Arm: TypeAlias = Callable[[], Awaitable[None]]
"""Sends one message and waits for the whole reply."""

WORDS = 30
MESSAGE = f"#long {WORDS}"
REPLY = " ".join(f"w{number}" for number in range(WORDS))
WARM_UPS = 5


def open_plain(place: Place) -> AsyncLetta:
    """letta-client as anybody would use it, without its retries."""
    return AsyncLetta(base_url=place.base_url, api_key="none", max_retries=0)


async def new_conversation(plain: AsyncLetta, place: Place) -> str:
    """A fresh conversation's id."""
    return (await plain.conversations.create(agent_id=place.agent_id)).id


def options_of(*, watched: bool) -> dict[str, bool]:
    """What our server asks Letta for, as letta-client's arguments; `fairness` holds the two to each other."""
    return {"background": True, "include_pings": True, "stream_tokens": watched}


async def through_us(host: Client, plain: AsyncLetta, place: Place, *, watched: bool) -> Arm:
    """send_message; a host that watches gives a progress callback, and gets tokens."""
    conversation_id = await new_conversation(plain, place)
    options: dict[str, Any] = {"progress_callback": _unread} if watched else {}

    async def arm() -> None:
        reply = await call(host, "send_message", {"conversation_id": conversation_id, "message": MESSAGE}, **options)
        if (reply["status"], reply["text"]) != ("completed", REPLY):
            raise RuntimeError(f"Not the whole reply: {reply}")

    return arm


async def by_letta_client(plain: AsyncLetta, place: Place, **options: bool) -> Arm:
    """The same by `conversations.messages.create`, whose stream is read to its end."""
    conversation_id = await new_conversation(plain, place)

    async def arm() -> None:
        text = ""
        stream = await plain.conversations.messages.create(
            conversation_id,
            messages=[{"role": "user", "content": MESSAGE}],
            **options,  # type: ignore[reportArgumentType]
        )
        async for chunk in stream:
            if chunk.message_type == "assistant_message" and isinstance(chunk.content, str):
                text += chunk.content
        if text != REPLY:
            raise RuntimeError(f"Not the whole reply: {text!r}")

    return arm


async def interleaved(arms: Mapping[str, Arm], runs: int) -> list[Row]:
    """Milliseconds of each arm. They take turns, and over the rounds each follows each other one as often."""
    samples: dict[str, list[float]] = {name: [] for name in arms}
    for number in range(-WARM_UPS, runs):
        for name in _order(list(arms), number):
            started = perf_counter()
            await arms[name]()
            if number >= 0:
                samples[name].append((perf_counter() - started) * 1000)
    return [Row(name, values) for name, values in samples.items()]


def _order(names: list[str], number: int) -> list[str]:
    """Forwards in one round and backwards in the next, each time beginning with another one."""
    rounds, backwards = divmod(number, 2)
    first = rounds % len(names)
    turned = names[first:] + names[:first]
    return turned[::-1] if backwards else turned


async def _unread(progress: float, total: float | None, message: str | None) -> None:
    """A progress callback that only makes the host ask for progress."""
    del progress, total, message
