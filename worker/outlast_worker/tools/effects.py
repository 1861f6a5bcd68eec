"""Effects of `once` calls in this process: each claim is begun at most once, by this table.

An effect runs in a task of the process and not of the step: a step that is executed again joins
it. An entry that is lost, as by the process's end, can cause doubt and never a second execution.
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from outlast_worker.engine.records import EffectClaim, EffectOutcome

_Begin = Callable[[float], Awaitable[EffectOutcome]]
_ABORTED = "the run was cancelled while it ran"
# Runs that were killed, or went on in another process, leave some: the oldest are forgotten.
_MAX_IDLE = 10_000


@dataclass(eq=False)
class _Entry:
    """A claim: reserved until there is a task."""

    run_id: str
    reserved_s: float = field(default_factory=time.monotonic)
    task: asyncio.Task[EffectOutcome] | None = None


class Effects:
    """The table."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}

    def claim(self, run_id: str, arguments_hash: str) -> EffectClaim:
        """Reserve the right to begin one effect, in this process alone."""
        claim_id = secrets.token_hex(16)
        self._entries[claim_id] = _Entry(run_id)
        return EffectClaim(claim_id=claim_id, at=datetime.now(UTC), arguments_hash=arguments_hash)

    async def run(
        self,
        claim: EffectClaim,
        timeout_s: float,
        begin: Callable[[float], Awaitable[EffectOutcome]],
    ) -> EffectOutcome:
        """Begin a claimed effect, or join it; in doubt where this process has no such claim.

        Args:
            claim: The claim.
            timeout_s: How long after the claim the effect may run.
            begin: Carries it out within so many seconds.
        """
        entry = self._entries.get(claim.claim_id or "")
        if entry is None:
            return EffectOutcome(outcome="in_doubt", at=datetime.now(UTC))
        if entry.task is None:
            left_s = timeout_s - (time.monotonic() - entry.reserved_s)
            # In the table before anything is awaited.
            entry.task = asyncio.create_task(_run_to_an_outcome(begin, left_s))
            entry.task.add_done_callback(lambda _: self._forget_the_oldest())
        # Of a step that is cut only the wait ends here: the effect goes on.
        await asyncio.wait([entry.task])
        return _aborted() if entry.task.cancelled() else entry.task.result()

    def abort(self, run_id: str) -> None:
        """Break off a run's effects: whether they happened is in doubt. None begins any more."""
        for claim_id, entry in list(self._entries.items()):
            if entry.run_id != run_id:
                continue
            if entry.task:
                entry.task.cancel()
            else:
                del self._entries[claim_id]

    def forget(self, claim: EffectClaim) -> None:
        """Forget an effect whose outcome is journaled."""
        self._entries.pop(claim.claim_id or "", None)

    def forget_run(self, run_id: str) -> None:
        """Forget what a run that has ended had claimed."""
        for claim_id in [id_ for id_, entry in self._entries.items() if entry.run_id == run_id]:
            del self._entries[claim_id]

    def _forget_the_oldest(self) -> None:
        if len(self._entries) <= _MAX_IDLE:
            return
        idle = [
            claim_id
            for claim_id, entry in self._entries.items()
            if entry.task is None or entry.task.done()
        ]
        for claim_id in idle[:-_MAX_IDLE]:
            del self._entries[claim_id]


async def _run_to_an_outcome(begin: _Begin, left_s: float) -> EffectOutcome:
    if left_s <= 0:
        return EffectOutcome(outcome="not_begun", at=datetime.now(UTC))
    try:
        return await begin(left_s)
    except asyncio.CancelledError:
        return _aborted()


def _aborted() -> EffectOutcome:
    return EffectOutcome(outcome="in_doubt", at=datetime.now(UTC), why=_ABORTED)
