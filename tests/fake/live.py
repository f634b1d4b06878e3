"""Turns being played, and the streams that listen to them.

A turn goes on when nobody listens any more. A background run can be listened to again, from any frame; of a foreground
run a second listener hears pings only, for ever.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from tests.fake import frames
from tests.fake.failures import TurnFailed
from tests.fake.holds import Holds, Watch
from tests.fake.state import Json, Run, Store
from tests.fake.turns import Cancelled, Turn


@dataclass
class Stage:
    store: Store
    holds: Holds
    watch: Watch
    ping_seconds: float = 20
    bells: dict[str, asyncio.Event] = field(default_factory=dict[str, asyncio.Event])
    tasks: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    def start(self, turn: Turn, *, with_ping: bool) -> None:
        turn.run.status = "running"
        if with_ping:
            self._add(turn.run, frames.ping(turn.run.id))
        # Not in the request's own task: the turn must outlive a client that goes away.
        task = asyncio.create_task(self._play(turn))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _play(self, turn: Turn) -> None:
        run = turn.run
        try:
            outcome = await turn.play()
        except Cancelled:
            ending = [frames.CANCELLED, *([frames.DONE] if run.background else [])]
        except TurnFailed as failure:
            ending = self._ending_of(failure, turn)
        else:
            self.store.finish(run, "completed", outcome.stop_reason)
            usage = frames.usage(outcome.words, outcome.steps, by_tokens=turn.by_tokens)
            ending = [frames.stop(outcome.stop_reason), frames.frame(usage), frames.DONE]
        for text in ending:
            self._add(run, text)
            if run.background and frames.is_last(text):
                break
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
        at, seq_id = after, None
        while True:
            while at < len(run.frames):
                at += 1
                text = frames.numbered(run.frames[at - 1], at) if run.background else run.frames[at - 1]
                seq_id = at if run.background and '"seq_id"' in text else seq_id
                yield text
                if run.background and frames.is_last(text):
                    return
            # Past the end of a background run there is no end to wait for: Letta waits all the same.
            if run.is_over and not (run.background and at > len(run.frames)):
                return
            if not await self._rings(run) and with_pings:
                yield frames.ping(run.id, seq_id)

    async def pings_only(self, run: Run, *, with_pings: bool = True) -> AsyncIterator[str]:
        while True:
            await asyncio.sleep(self.ping_seconds)
            if with_pings:
                yield frames.ping(run.id)

    async def _rings(self, run: Run) -> bool:
        bell = self.bells.setdefault(run.id, asyncio.Event())
        try:
            await asyncio.wait_for(bell.wait(), self.ping_seconds)
        except TimeoutError:
            return False
        return True
