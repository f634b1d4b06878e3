"""Turns being played, and the streams that listen to them.

A turn goes on when nobody listens any more. A background run can be listened to again, from any frame; of a foreground
run a second listener hears pings only, for ever.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import Response, StreamingResponse
from starlette.types import Send

from tests.fake import frames
from tests.fake.failures import TurnFailed, not_stored
from tests.fake.holds import Holds, Watch
from tests.fake.state import Json, Run, Store
from tests.fake.turns import Cancelled, NotStored, Turn


@dataclass
class Stage:
    store: Store
    holds: Holds
    watch: Watch
    ping_seconds: float = 20
    bells: dict[str, asyncio.Event] = field(default_factory=dict[str, asyncio.Event])
    tasks: dict[asyncio.Task[None], Run] = field(default_factory=dict[asyncio.Task[None], Run])
    redis_starts: int = 0

    def start(self, turn: Turn, *, with_ping: bool) -> None:
        turn.run.status = "running"
        if with_ping:
            self._add(turn.run, frames.ping(turn.run.id))
        # Not in the request's own task: the turn must outlive a client that goes away.
        task = asyncio.create_task(self._play(turn))
        self.tasks[task] = turn.run
        task.add_done_callback(self.tasks.pop)

    async def _play(self, turn: Turn) -> None:
        run = turn.run
        try:
            outcome = await turn.play()
        except Cancelled:
            # Of a cancelled foreground run nobody frees the lock any more: the cancel has done so, or its time will.
            ending = [frames.CANCELLED, *([frames.DONE] if run.background else [])]
        except NotStored as broken:
            ending = self._ending_without_database(broken, turn)
        except TurnFailed as failure:
            ending = self._ending_of(failure, turn)
            self.store.free(run.key)
        else:
            self.store.finish(run, "completed", outcome.stop_reason)
            self.store.free(run.key)
            usage = frames.usage(outcome.words, outcome.steps, by_tokens=turn.by_tokens)
            ending = [frames.stop(outcome.stop_reason), frames.frame(usage), frames.DONE]
        for text in ending:
            self._add(run, text)
            if run.background and frames.is_last(text):
                break
        if run.background:
            self.store.free(run.key)
        run.is_over = True
        self._ring(run)

    def _ending_of(self, failure: TurnFailed, turn: Turn) -> list[str]:
        run = turn.run
        error = frames.error(run.id, failure.error_type, failure.message, failure.detail)
        detail: Json = {"error": {"message_type": "error_message", "run_id": run.id, "error_type": failure.error_type}}
        detail["error"] |= {"message": failure.message, "detail": failure.detail, "seq_id": None}
        if not failure.is_midway:
            self.store.finish(run, "failed", failure.stop_reason, detail)
            return [frames.stop(failure.stop_reason), error, frames.DONE]
        # A foreground run that broke off midway counts as completed: only its stop reason tells.
        if run.background:
            self.store.finish(run, "failed", failure.stop_reason, detail)
        else:
            self.store.finish(run, "completed", failure.stop_reason)
        first = [frames.stop("error")] if turn.by_tokens else []
        return [*first, frames.stop(failure.stop_reason), error]

    def _ending_without_database(self, broken: NotStored, turn: Turn) -> list[str]:
        """The run is never heard of again; what the stream says last depends on whether it has said anything."""
        failure = not_stored().midway() if turn.has_shown else not_stored()
        error = frames.error(turn.run.id, failure.error_type, failure.message, failure.detail)
        if turn.has_shown:
            return [frames.stop(broken.about_to_say), error]
        return [frames.stop("error"), error, frames.DONE]

    def show(self, run: Run, entry: Json) -> None:
        self._add(run, frames.frame(entry))

    def _add(self, run: Run, text: str) -> None:
        run.frames.append(text)
        self._ring(run)

    def _ring(self, run: Run) -> None:
        if bell := self.bells.pop(run.id, None):
            bell.set()
        self.watch.notify()

    async def listen(self, run: Run, *, after: int = 0, with_pings: bool = True) -> AsyncIterator[str]:
        """The stream of a run: what was sent already, then what comes."""
        at, seq_id = max(after, run.forgotten), None
        starts = self.redis_starts
        while True:
            while at < len(run.frames):
                at += 1
                text = frames.numbered(run.frames[at - 1], at) if run.background else run.frames[at - 1]
                seq_id = at if run.background and '"seq_id"' in text else seq_id
                yield text
                if run.background and frames.is_last(text):
                    return
            # Past the end of a background run there is no end to wait for: Letta waits all the same.
            if run.is_over and not run.background:
                return
            is_told = await self._rings(run)
            if run.background and starts != self.redis_starts:
                return
            if not is_told and with_pings:
                yield frames.ping(run.id, seq_id)

    async def pings_only(self, run: Run, *, with_pings: bool = True) -> AsyncIterator[str]:
        while True:
            await asyncio.sleep(self.ping_seconds)
            if with_pings:
                yield frames.ping(run.id)

    def die(self, runs: Sequence[Run]) -> None:
        """The turns of these runs just stop: nothing more is stored or sent, and the runs stay as they are for ever."""
        dying = {run.id for run in runs}
        for task in [task for task, run in self.tasks.items() if run.id in dying]:
            task.cancel()

    def restart_redis(self) -> None:
        """Redis forgets all it knew, and whoever listens to a background run hears no more, not even an end."""
        self.store.locks.clear()
        self.store.otids.clear()
        for run in self.store.runs.values():
            run.forgotten = len(run.frames) if run.background else 0
        self.redis_starts += 1
        for bell in self.bells.values():
            bell.set()
        self.bells.clear()

    async def _rings(self, run: Run) -> bool:
        bell = self.bells.setdefault(run.id, asyncio.Event())
        try:
            await asyncio.wait_for(bell.wait(), self.ping_seconds)
        except TimeoutError:
            return False
        return True


def streamed(source: AsyncIterator[str]) -> Response:
    return _Stream(source, media_type="text/event-stream")


class _Stream(StreamingResponse):
    """Letta answers nothing, not even a status, before it has a first frame."""

    async def stream_response(self, send: Send) -> None:
        source = aiter(self.body_iterator)
        first = await anext(source, None)

        async def whole() -> AsyncIterator[Any]:
            if first is not None:
                yield first
            async for frame in source:
                yield frame

        self.body_iterator = whole()
        await super().stream_response(send)
