"""A turn's calls that wait for a person: asked for, then decided, expired or withdrawn."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from outlast.events import ApprovalRequested, ApprovalResolved
from outlast.protocol import Approval, Resolution, Time
from outlast_worker.engine.run_state import RunState
from outlast_worker.engine.steps import Cancelled, Pending, Steps
from outlast_worker.engine.waits import Waits

_NOT_APPROVED = "The run was cancelled before anybody had decided."


class Approvals:
    """Asks people, and writes down what they decide."""

    def __init__(self, steps: Steps, state: RunState, waits: Waits) -> None:
        self._steps = steps
        self._state = state
        self._waits = waits
        self._open: dict[str, list[Pending[Any]]] = {}
        self._resolutions: dict[str, Resolution] = {}

    @property
    def wait_count(self) -> int:
        """How many of the turn's waits are for people."""
        return sum(len(pending) for pending in self._open.values())

    def resolution_of(self, call_id: str) -> Resolution | None:
        """Return what was decided on a call."""
        return self._resolutions.get(call_id)

    def request(
        self,
        approval: Approval,
        timeout: timedelta | None,
        decided: Callable[[Resolution], None],
    ) -> None:
        """Ask for a decision; without one in time, it is `expired`."""
        call_id = approval.call_id
        self._state.size.count(approval)
        # Whoever hears of it may decide at once: so it is in the state before it is told.
        self._state.change(approvals=[*self._state.run.approvals, approval])
        self._state.save()
        self._state.emit(
            ApprovalRequested,
            call_id=call_id,
            name=approval.name,
            arguments=approval.arguments,
            expires_at=approval.expires_at,
        )
        decision = self._steps.expect_decision(call_id)
        self._open[call_id] = [decision]
        self._waits.add(decision, partial(self._decide, decided))
        if timeout and approval.expires_at:
            timer = self._steps.start_timer(timeout)
            self._open[call_id].append(timer)
            self._waits.add(timer, partial(self._expire, decided, call_id, approval.expires_at))

    async def withdraw(self) -> list[Resolution]:
        """End what waits for a person, so that nobody decides on it any more."""
        ended: list[Resolution] = []
        while call_id := next(iter(self._open), None):
            withdrawn = Resolution(
                call_id=call_id, action="reject", at=self._state.now, reason=_NOT_APPROVED
            )
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

    async def _expire(
        self, decided: Callable[[Resolution], None], call_id: str, at: Time, _: None
    ) -> None:
        expired = Resolution(call_id=call_id, action="expired", at=at)
        await self._decide(decided, await self._steps.close_decision(expired))

    def _resolve(self, resolution: Resolution) -> None:
        """Write down what was decided, and wait for it no longer."""
        for pending in self._open.pop(resolution.call_id):
            self._waits.drop(pending)
        self._resolutions[resolution.call_id] = resolution
        self._state.size.count(resolution)
        self._state.advance_clock(resolution.at)
        self._state.set_status(
            "running",
            waiting_for=None,
            approvals=[
                approval.model_copy(update={"resolution": resolution})
                if approval.call_id == resolution.call_id
                else approval
                for approval in self._state.run.approvals
            ],
        )
        self._state.emit(ApprovalResolved, **resolution.model_dump())
