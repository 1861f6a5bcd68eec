"""A turn's calls that wait for a person: asked for, then decided, expired or withdrawn."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Literal

from outlast.events import ApprovalRequested, ApprovalResolved
from outlast.protocol import Approval, Resolution, Time
from outlast_worker.engine.run_state import RunState
from outlast_worker.engine.steps import Cancelled, Pending, Steps
from outlast_worker.engine.waits import Waits

_NOT_APPROVED = "The run was cancelled before anybody had decided."
# A decision that was made in time may come late: the worker was away. Restate hands over what it
# has kept within 5 s (the longest interval of its retries), and only then the wait is over.
_GRACE = timedelta(seconds=6)


@dataclass(frozen=True)
class _Open:
    """What waits for a person, and for the end of the time that they have."""

    approval: Approval
    pending: list[Pending[Any]]

    def end(
        self, action: Literal["reject", "expired"], at: Time, reason: str | None = None
    ) -> Resolution:
        """Return how it ends without a decision."""
        return Resolution(
            call_id=self.approval.call_id,
            approval_id=self.approval.approval_id,
            action=action,
            at=at,
            reason=reason,
        )


class Approvals:
    """Asks people, and writes down what they decide."""

    def __init__(self, steps: Steps, state: RunState, waits: Waits) -> None:
        self._steps = steps
        self._state = state
        self._waits = waits
        self._open: dict[str, _Open] = {}
        self._by_call: dict[str, Resolution] = {}

    @property
    def wait_count(self) -> int:
        """How many of the turn's waits are for people."""
        return sum(len(each.pending) for each in self._open.values())

    def resolution_of(self, call_id: str) -> Resolution | None:
        """Return what was decided on a call."""
        return self._by_call.get(call_id)

    def request(
        self,
        approval: Approval,
        timeout: timedelta | None,
        decided: Callable[[Resolution], None],
    ) -> None:
        """Ask for a decision; without one in time, it is `expired`."""
        # Whoever hears of it may decide at once: so it is in the state before it is told.
        self._state.add_approval(approval)
        self._state.emit(
            ApprovalRequested,
            call_id=approval.call_id,
            approval_id=approval.approval_id,
            name=approval.name,
            arguments=approval.arguments,
            expires_at=approval.expires_at,
        )
        decision = self._steps.expect_decision(approval.id)
        self._open[approval.id] = asked = _Open(approval, [decision])
        self._waits.add(decision, partial(self._decide, decided))
        if timeout and approval.expires_at:
            expired = asked.end("expired", approval.expires_at)
            self._wait(timeout, asked, partial(self._await_late_decision, decided, expired))

    async def withdraw(self) -> list[Resolution]:
        """End what waits for a person, so that nobody decides on it any more."""
        ended: list[Resolution] = []
        while asked := next(iter(self._open.values()), None):
            withdrawn = asked.end("reject", self._state.now, reason=_NOT_APPROVED)
            try:
                resolution = await self._steps.close_decision(withdrawn)
            except Cancelled:
                continue  # each fires once
            self._resolve(resolution)
            ended.append(resolution)
        return ended

    async def _decide(self, decided: Callable[[Resolution], None], resolution: Resolution) -> None:
        self._resolve(resolution)
        decided(resolution)

    def _wait(
        self, delay: timedelta, asked: _Open, go_on: Callable[[None], Awaitable[None]]
    ) -> None:
        timer = self._steps.start_timer(delay)
        asked.pending[1:] = [timer]  # after the decision, one timer
        self._waits.add(timer, go_on)

    async def _await_late_decision(
        self, decided: Callable[[Resolution], None], expired: Resolution, _: None
    ) -> None:
        """Wait a little longer for a decision that was made before the time was over."""
        asked = self._open[expired.id]
        self._wait(_GRACE, asked, partial(self._expire, decided, expired))

    async def _expire(
        self, decided: Callable[[Resolution], None], expired: Resolution, _: None
    ) -> None:
        await self._decide(decided, await self._steps.close_decision(expired))

    def _resolve(self, resolution: Resolution) -> None:
        """Write down what was decided, and wait for it no longer."""
        for pending in self._open.pop(resolution.id).pending:
            self._waits.drop(pending)
        self._by_call[resolution.call_id] = resolution
        self._state.advance_clock(resolution.at)
        self._state.resolve_approval(resolution)
        if not self._open:
            self._state.go_on()
        self._state.emit(ApprovalResolved, **resolution.model_dump())
