"""What a run has become: its state, its messages, its events. It decides nothing."""

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

from outlast.contract import RunOrder
from outlast.events import AnyEvent, HandedOver, RunWaiting, terminal_event
from outlast.protocol import (
    SETTLING,
    Approval,
    CallAnswer,
    ClientCall,
    Engine,
    Resolution,
    Run,
    RunError,
    RunStatus,
    Time,
    Waiting,
    WaitKind,
    preview_of,
)
from outlast_worker.engine.conversation import Conversation
from outlast_worker.engine.exceptions import Cancelled, StepFailed
from outlast_worker.engine.open_waits import (
    AwaitedItems,
    OpenWait,
    WaitNotices,
    describe_waits,
    list_awaited,
)
from outlast_worker.engine.planned_calls import PlannedCall
from outlast_worker.engine.run_clock import RunClock
from outlast_worker.engine.run_size import RunSize
from outlast_worker.engine.steps import Steps

# Who follows a run to its end gets these with it: mostly the answer, and the end itself.
_LAST_EVENTS = 8
_LAST_EVENTS_BYTES = 16 * 1024


class RunState:
    """One run so far. Its time is that of its latest step."""

    def __init__(self, steps: Steps, order: RunOrder) -> None:
        self._steps = steps
        self.order = order
        self._seq = 0
        self._last = deque[AnyEvent](maxlen=_LAST_EVENTS)
        self._stands_for: Sequence[OpenWait] = []
        self._notices = WaitNotices(steps, order)
        self.clock = RunClock(order.created_at)
        self.size = RunSize()
        self.conversation = Conversation(steps, order, self.clock, self.size)
        self.run = Run(
            run_id=order.run_id,
            agent=order.agent,
            parent=order.parent,
            forked_from=order.forked_from,
            thread_id=order.thread_id,
            status="queued",
            input_preview=preview_of(order.input),
            metadata=order.metadata,
            webhooks=order.webhooks,
            created_at=order.created_at,
        )

    @property
    def now(self) -> Time:
        """When the latest step ended."""
        return self.clock.now

    def advance_clock(self, at: Time) -> None:
        """Note that something ended at this time."""
        self.clock.advance(at, stands_still=self.run.status == "waiting")

    @property
    def worked_for(self) -> timedelta:
        """For how long the run has worked since it began: not while it stood still."""
        return self.now - (self.run.started_at or self.now) - self.clock.stood_still

    def change(self, **changes: Any) -> None:
        """Change the run, to be seen with the next save."""
        self.run = self.run.model_copy(update=changes)

    def set_status(self, status: RunStatus, **changes: Any) -> None:
        """Change the status, for everybody to see."""
        self.change(status=status, **changes)
        self.save()

    def wait_for_its_time(self, until: Time) -> None:
        """Show that the run is to begin later."""
        text = "Waits for the time at which it is to start."
        self._show_wait("timer", text, until, status="waiting", waiting_for="timer")

    def wait_for_model(self, attempts: int, error: RunError, delay: timedelta) -> None:
        """Show that the model is asked again later."""
        text = "The model gave no answer, and is asked again later."
        self._show_retry("model", text, attempts, error, delay)

    def wait_for_tool_server(self, attempts: int, error: RunError, delay: timedelta) -> None:
        """Show that the run begins when its tool servers can be reached."""
        text = "A server of the agent's tools can't be reached, and is tried again later."
        self._show_retry("timer", text, attempts, error, delay)

    def wait_for_budget(self) -> None:
        """Show that the model is asked when others below a limited run have said what they used."""
        text = "Waits for others below the same run, which have reserved what is left of its limit."
        self._show_wait("model", text)

    def stand_still(self, waits: Sequence[OpenWait]) -> None:
        """Show that nothing goes on before somebody outside has done something."""
        if waits == self._stands_for:
            return
        self._stands_for = waits
        settles = all(wait.kind in SETTLING for wait in waits)
        segment = self.run.segment
        waiting = describe_waits(waits, self.now)
        self.set_status(
            "waiting",
            waiting_for=waiting.kind,
            waiting=waiting,
            segment=segment + 1 if settles else segment,
        )
        awaited = list_awaited(waits, self.run.run_id) if settles else AwaitedItems()
        if settles:
            self.emit(
                RunWaiting,
                segment=segment,
                waiting_for=waiting.kind,
                approvals=awaited.approvals,
                calls=awaited.calls,
            )
            self._steps.settle(segment, ended=False)
        self._notices.tell_caller(self.now, awaited)
        self.clock.stand_still()
        self._notices.tell_thread(waits=settles)

    def go_on(self) -> None:
        """Show that the run goes on, if it stood still."""
        if self.run.status != "waiting":
            return
        self._stands_for = []
        self.set_status("running", waiting_for=None, waiting=None)
        self._notices.tell_caller(self.now, AwaitedItems())
        self._notices.tell_thread(waits=False)

    def hand_over(self, call: PlannedCall, before: str, to: str) -> None:
        """Show that another agent speaks from now on."""
        self.change(handed_over_to=None if to == self.order.agent else to)
        self.save()
        self.emit(HandedOver, turn=call.turn, call_id=call.call_id, from_=before, to=to)

    def add_approval(self, approval: Approval) -> None:
        """Show an approval that waits."""
        self.size.count(approval)
        self.change(approvals=[*self.run.approvals, approval])
        self._steps.keep.approval(approval)

    def resolve_approval(self, resolution: Resolution) -> None:
        """Show what an approval came to."""
        self.size.count(resolution)
        self.change(
            approvals=[
                approval.model_copy(update={"resolution": resolution})
                if approval.id == resolution.id
                else approval
                for approval in self.run.approvals
            ]
        )
        self._steps.keep.resolution(resolution)

    def add_client_call(self, call: ClientCall) -> None:
        """Show a call that waits for a client."""
        self.size.count(call)
        self.change(calls=[*self.run.calls, call])
        self._steps.keep.client_call(call)

    def answer_client_call(self, answer: CallAnswer) -> None:
        """Show how a client's call ended."""
        self.size.count(answer)
        self.change(
            calls=[
                call.model_copy(update={"answer": answer})
                if call.call_id == answer.call_id
                else call
                for call in self.run.calls
            ]
        )
        self._steps.keep.answer(answer)

    def save(self) -> None:
        """Show the run as it is now."""
        self._steps.keep.run(self.run)

    def emit(self, kind: type[AnyEvent], *, at: Time | None = None, **fields: Any) -> None:
        """Commit the next event: of now, or of a time that is known better."""
        self._seq += 1
        event = kind(run_id=self.order.run_id, seq=self._seq, at=at or self.now, **fields)
        self._commit(event)

    async def end(self) -> Run:
        """Hand over the thread, then commit the end: who sees that finds the conversation whole.

        No second cancellation can cut it.
        """
        self.change(waiting_for=None, waiting=None, engine=None, ended_at=self.now)
        if self.order.thread_id:
            # The thread takes nothing from a run that never held it: that one leaves the line.
            with suppress(Cancelled, StepFailed):  # it is on its way; only the wait was cut
                await self._steps.thread.release(self.conversation.leave_to_thread(), self.now)
        self._seq += 1
        self._commit(terminal_event(self.run, self._seq))
        self.save()
        self._steps.settle(self.run.segment, ended=True)
        said = [message.public() for message in self.conversation.messages]
        return self.run.model_copy(update={"messages": said, "origin": self.order.origin})

    def last_events(self) -> list[AnyEvent]:
        """Return the last events, as many as may go with what the run returns."""
        last: list[AnyEvent] = []
        size = 0
        for event in reversed(self._last):
            size += len(event.model_dump_json())
            if size > _LAST_EVENTS_BYTES:
                break
            last.insert(0, event)
        return last

    def _commit(self, event: AnyEvent) -> None:
        self._last.append(event)
        self._steps.emit(event)

    def _show_retry(
        self, kind: WaitKind, text: str, attempts: int, error: RunError, delay: timedelta
    ) -> None:
        failure, at = f"{error.type}: {error.message}", self.now + delay
        engine = Engine(attempts=attempts, last_failure=failure, next_retry_at=at)
        self._show_wait(kind, text, at, engine=engine)

    def _show_wait(
        self, kind: WaitKind, text: str, until: Time | None = None, **changes: Any
    ) -> None:
        waiting = Waiting(kind=kind, since=self.now, until=until, text=text)
        self.change(waiting=waiting, **changes)
        self.save()
