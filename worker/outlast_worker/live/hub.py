"""Live events: what a model says and how far a tool is, before it is journaled.

Previews only: they may be lost, and they never slow a run. Watchers have no queues: each knows
how far it has read, so a slow one costs nothing and gets a snapshot of what it missed.
"""

import asyncio
import math
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from outlast.events import AnyEvent, MessageCompleted, TerminalEvent
from outlast.live import Committed, Delta, Kind, LiveItem, Progress, Reset, Snapshot
from outlast.logging import get_logger
from outlast.tool_context import ProgressReport
from outlast_worker.text import repair_surrogates

_MAX_LAG = 200
_KEPT_S = 10.0
# One takes some 50 µs of CPU here, and more in the app.
_SHOWN_PER_S = 1_500
_logger = get_logger()


@dataclass
class _Preview:
    """What this process knows of one run."""

    turn: int = 0
    attempt: int = 0
    pieces: list[tuple[Kind, str]] = field(default_factory=list[tuple[Kind, str]])
    progress: list[Progress] = field(default_factory=list[Progress])
    committed: int = 0
    completed_turn: int = 0
    ending: bool = False
    users: int = 0
    attempts: int = 0
    relaying: asyncio.Task[None] | None = None
    watchers: set[asyncio.Event] = field(default_factory=set[asyncio.Event])

    def text(self, kind: Kind) -> str:
        return "".join(piece for of, piece in self.pieces if of == kind)

    def wake_watchers(self) -> None:
        for watcher in self.watchers:
            watcher.set()


class Relay(Protocol):
    """Carries events out of this process."""

    async def run(self, hub: "LiveHub", key: str, run_id: str) -> None:
        """Copy one run's events until cancelled."""
        ...


class LiveHub:
    """The previews of the runs that are executed or watched in this process."""

    def __init__(self, interval_s: float, relay: Relay | None = None) -> None:
        self._interval_s = interval_s
        self._beat = _Beat(interval_s)
        self._relay = relay
        self._previews: dict[str, _Preview] = {}

    @contextmanager
    def running(self, key: str, run_id: str) -> Generator[None]:
        """Keep a run's preview while an attempt at it goes on here, and a little longer."""
        preview = self._use(key)
        preview.attempts += 1
        if self._relay and preview.relaying is None:
            preview.relaying = asyncio.create_task(self._relay.run(self, key, run_id))
        try:
            yield
        finally:
            asyncio.get_running_loop().call_later(_KEPT_S, self._end, key, preview)

    def begin(self, key: str, turn: int) -> "LiveAnswer":
        """Begin to preview a model's answer; what was shown of this turn before is void."""
        # A closure that has long outlived its attempt speaks to nobody.
        preview = self._previews.get(key) or _Preview()
        preview.turn = turn
        # Restate tells no attempt number. After a restart the clock's still is a higher one.
        preview.attempt = max(preview.attempt + 1, time.time_ns() // 1_000_000)
        preview.pieces = []
        preview.wake_watchers()
        return LiveAnswer(preview, self._beat)

    def announce(self, key: str, event: AnyEvent) -> None:
        """Tell watchers that there is something to read in the run's state."""
        preview = self._previews.get(key)
        if preview is None or event.seq <= preview.committed:
            return
        preview.committed = event.seq
        preview.ending = _is_last(event)
        if isinstance(event, MessageCompleted):
            preview.completed_turn = max(preview.completed_turn, event.turn)
            if event.turn >= preview.turn:
                preview.turn, preview.pieces, preview.progress = 0, [], []
        preview.wake_watchers()

    def make_reporter(self, key: str, call_id: str) -> ProgressReport:
        """Return what a tool calls, from any thread, to say how far it is."""
        loop = asyncio.get_running_loop()
        last = 0.0

        def report(done: float, total: float | None, message: str | None) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last < self._interval_s and done != total:
                return
            last = now
            try:
                progress = _progress(call_id, done, total, message)
            except Exception:  # what only tells of an effect must not fail it
                _logger.warning("progress_not_shown", call_id=call_id, exc_info=True)
            else:
                loop.call_soon_threadsafe(self._report, key, progress)

        return report

    def _report(self, key: str, progress: Progress) -> None:
        if preview := self._previews.get(key):
            others = [p for p in preview.progress if p.call_id != progress.call_id]
            preview.progress = [*others, progress]
            preview.wake_watchers()

    def partial_answer(self, key: str, turn: int) -> str:
        """Return the text that a model has said so far in this turn."""
        preview = self._previews.get(key)
        return preview.text("text") if preview and preview.turn == turn else ""

    @contextmanager
    def watch(self, key: str) -> Generator["Watcher"]:
        """Watch a run, which may begin later."""
        preview = self._use(key)
        watcher = Watcher(preview)
        preview.watchers.add(watcher.woken)
        try:
            yield watcher
        finally:
            preview.watchers.discard(watcher.woken)
            self._leave(key, preview)

    async def close(self) -> None:
        """Stop carrying events out."""
        relaying = [preview.relaying for preview in self._previews.values() if preview.relaying]
        for task in relaying:
            task.cancel()
        if relaying:
            await asyncio.wait(relaying)

    def _end(self, key: str, preview: _Preview) -> None:
        preview.attempts -= 1
        if preview.relaying and not preview.attempts:
            preview.relaying.cancel()
            preview.relaying = None
        self._leave(key, preview)

    def _use(self, key: str) -> _Preview:
        preview = self._previews.setdefault(key, _Preview())
        preview.users += 1
        return preview

    def _leave(self, key: str, preview: _Preview) -> None:
        preview.users -= 1
        if not preview.users and self._previews.get(key) is preview:
            del self._previews[key]


class _Beat:
    """Shows what was said meanwhile, of all answers at once: to wake up costs more than a piece.

    The more answers grow, the slower it is. So they take a bounded part of the process's time.
    """

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._growing: set[LiveAnswer] = set()

    def look_again(self, answer: "LiveAnswer") -> None:
        """Show at the next beat what comes of an answer that was shown just now."""
        if not self._growing:
            self._begin()
        self._growing.add(answer)

    def _begin(self) -> None:
        interval_s = max(self._interval_s, len(self._growing) / _SHOWN_PER_S)
        asyncio.get_running_loop().call_later(interval_s, self._show)

    def _show(self) -> None:
        self._growing = {answer for answer in self._growing if answer.show()}
        if self._growing:
            self._begin()


class LiveAnswer:
    """One model call's answer as it grows: the first piece at once, the others in small heaps."""

    def __init__(self, preview: _Preview, beat: _Beat) -> None:
        self._preview = preview
        self._attempt = preview.attempt
        self._beat = beat
        self._waiting: list[tuple[Kind, str]] = []
        self._was_shown = False
        """Since the last beat: what comes is shown at the next one."""
        self._half = ""

    def add(self, kind: Kind, piece: str) -> None:
        """Show more of the answer."""
        piece, self._half = _without_half_characters(self._half + piece)
        if not piece:
            return
        if self._waiting and self._waiting[-1][0] == kind:
            piece = self._waiting.pop()[1] + piece
        self._waiting.append((kind, piece))
        if not self._was_shown and self.show():
            self._beat.look_again(self)

    def show(self) -> bool:
        """Show what waits; return whether anything did."""
        # A closure that outlived its attempt (Restate was killed) has a successor: it is mute.
        is_mute = self._preview.attempt != self._attempt or not self._preview.turn
        self._was_shown = bool(self._waiting) and not is_mute
        if self._was_shown:
            self._preview.pieces += self._waiting
            self._waiting = []
            self._preview.wake_watchers()
        return self._was_shown

    def end(self) -> None:
        """Show what waits; called however the model call ends."""
        self.show()


class Watcher:
    """How far one watcher has read."""

    def __init__(self, preview: _Preview) -> None:
        self.woken = asyncio.Event()
        self._preview = preview
        self._attempt = 0
        self._n = 0
        self._committed = 0
        self._progress: list[Progress] = []

    async def next(self) -> list[LiveItem]:
        """Return what is new, as soon as there is something; first a snapshot of all there is.

        Nothing, if somebody else has set `woken`.
        """
        if not (items := self.read()):
            self.woken.clear()
            await self.woken.wait()
            items = self.read()
        return items

    def read(self) -> list[LiveItem]:
        """Return what is new."""
        preview = self._preview
        items: list[LiveItem] = []
        if preview.committed > self._committed:
            self._committed = preview.committed
            word = Committed(preview.committed, preview.completed_turn, preview.ending)
            items.append(word)
        items += self._read_answer()
        if preview.progress is not self._progress:
            items += [progress for progress in preview.progress if progress not in self._progress]
            self._progress = preview.progress
        return items

    def _read_answer(self) -> list[LiveItem]:
        preview = self._preview
        if not preview.turn:
            return []
        first = self._attempt == 0
        is_new = preview.attempt != self._attempt
        if is_new:
            self._attempt, self._n = preview.attempt, 0
        unread = preview.pieces[self._n :]
        if (first and unread) or len(unread) > _MAX_LAG:
            self._n = len(preview.pieces)
            return [self._snapshot()]
        turn, attempt = preview.turn, preview.attempt
        items: list[LiveItem] = [Reset(turn, attempt)] if is_new else []
        for n, (kind, text) in enumerate(unread, start=self._n):
            items.append(Delta(kind, turn, attempt, n, text))
        self._n = len(preview.pieces)
        return items

    def _snapshot(self) -> Snapshot:
        preview = self._preview
        return Snapshot(
            turn=preview.turn,
            attempt=preview.attempt,
            n=len(preview.pieces),
            text=preview.text("text"),
            reasoning=preview.text("reasoning"),
        )


def _is_last(event: AnyEvent) -> bool:
    """Tell whether the run most likely ends with this event, or in a moment."""
    if isinstance(event, MessageCompleted):
        return not event.message.tool_calls
    return isinstance(event, TerminalEvent)


def _without_half_characters(text: str) -> tuple[str, str]:
    """Mend characters that a stream split into UTF-16 halves; keep back a half at the end."""
    half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
    whole = text[: len(text) - len(half)]
    return whole if whole.isascii() else repair_surrogates(whole), half


def _progress(call_id: str, done: float, total: float | None, message: str | None) -> Progress:
    """Check what a tool says, which may be anything."""
    amounts = float(done), None if total is None else float(total)
    if not all(math.isfinite(amount or 0) for amount in amounts):
        raise ValueError(f"{done} of {total} is not an amount")
    shown = None if message is None else repair_surrogates(str(message))
    return Progress(call_id, *amounts, shown)
