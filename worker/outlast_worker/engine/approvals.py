"""What waits for a person: asked for, then decided, expired or withdrawn."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Literal

from outlast.events import ApprovalRequested, ApprovalResolved
from outlast.protocol import Action, Approval, Resolution, Time
from outlast_worker.engine.exceptions import Cancelled, StepFailed
from outlast_worker.engine.inbox import Inbox
from outlast_worker.engine.open_waits import OpenWait
from outlast_worker.engine.questions import Question, Questions
from outlast_worker.engine.run_state import RunState
from outlast_worker.engine.steps import Steps
from outlast_worker.engine.waits import Waits

_NOT_APPROVED = "The run was cancelled before anybody had decided."
_REFUSAL: dict[str, Action] = {"in_doubt": "give_up", "limit": "stop", "input": "decline"}
_WAITS_FOR = {
    "approval": "approval of {}",
    "in_doubt": "a decision on {}, which may or may not have run",
    "limit": "a decision on the limit {}",
    "input": "what {} asks for",
}


def _ignore(_: Resolution) -> None:
    """Go on with the cancellation."""


class Approvals:
    """Asks people, and writes down what they decide."""

    def __init__(self, steps: Steps, state: RunState, questions: Questions) -> None:
        self._steps = steps
        self._state = state
        self._questions = questions
        self._by_call: dict[str | None, Resolution] = {}

    def resolution_of(self, call_id: str) -> Resolution | None:
        """Return what was decided on whether a call may run."""
        return self._by_call.get(call_id)

    def request(
        self,
        approval: Approval,
        timeout: timedelta | None,
        decided: Callable[[Resolution], None],
        withdrawn: Callable[[Resolution], None] = _ignore,
    ) -> None:
        """Ask for a decision.

        Args:
            approval: What is asked for.
            timeout: After which it is `expired`; never if None.
            decided: Goes on with what was decided, or with that.
            withdrawn: Goes on with what counts when the run was cancelled.
        """
        if timeout:
            expires_at = approval.requested_at + timeout
            approval = approval.model_copy(update={"expires_at": expires_at})
        # Whoever hears of it may decide at once: so it is in the state before it is told.
        self._state.add_approval(approval)
        self._state.emit(
            ApprovalRequested,
            call_id=approval.call_id,
            approval_id=approval.approval_id,
            name=approval.name,
            arguments=approval.arguments,
            reason=approval.reason,
            question=approval.question,
            content_schema=approval.content_schema,
            url=approval.url,
            expires_at=approval.expires_at,
        )
        self._questions.ask(
            Question(
                wait=OpenWait(
                    kind="input" if approval.reason == "input" else "approval",
                    id=approval.id,
                    call_id=None if approval.reason == "limit" else approval.call_id,
                    text=_WAITS_FOR[approval.reason].format(approval.name),
                    until=approval.expires_at,
                ),
                answer=self._steps.expect_decision(approval.id),
                timeout=timeout,
                without_answer=partial(_end, approval),
                close=self._steps.close_decision,
                keep=partial(self._keep, approval),
                answered=decided,
                withdrawn=withdrawn,
            )
        )

    def _keep(self, approval: Approval, resolution: Resolution) -> None:
        if approval.reason == "approval":
            self._by_call[approval.call_id] = resolution
        self._state.advance_clock(resolution.at)
        self._state.resolve_approval(resolution)
        self._state.emit(ApprovalResolved, **resolution.model_dump(exclude={"trace"}))


async def ask_between_turns(
    steps: Steps, state: RunState, inbox: Inbox, approval: Approval, timeout: timedelta | None
) -> Resolution:
    """Ask for a decision while nothing else goes on, and wait for it."""
    waits = Waits(steps, state, inbox)
    questions = Questions(steps, state, waits)
    decisions: list[Resolution] = []
    Approvals(steps, state, questions).request(approval, timeout, decisions.append)
    try:
        await waits.finish()
    except (Cancelled, StepFailed):
        await questions.withdraw()
        raise
    return decisions[0]


def _end(approval: Approval, how: Literal["expired", "withdrawn"], at: Time) -> Resolution:
    """Return how it ends without a decision."""
    refusal = _REFUSAL.get(approval.reason, "reject")
    return Resolution(
        call_id=approval.call_id,
        approval_id=approval.approval_id,
        action="expired" if how == "expired" else refusal,
        at=at,
        reason=None if how == "expired" else _NOT_APPROVED,
    )
