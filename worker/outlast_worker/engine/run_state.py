"""What a run has become: its state, its messages, its events. It decides nothing."""

from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from outlast.contract import ConversationMark, RunOrder, WaitReport
from outlast.events import AnyEvent, HandedOver, RunWaiting, terminal_event
from outlast.protocol import (
    SETTLING,
    Approval,
    Awaited,
    CallAnswer,
    ClientCall,
    Content,
    Engine,
    IncompleteReason,
    InputMessage,
    Resolution,
    Run,
    RunError,
    RunStatus,
    Time,
    Waiting,
    WaitKind,
    preview_of,
)
from outlast_worker.engine.limits import RunSize
from outlast_worker.engine.planned_calls import PlannedCall
from outlast_worker.engine.prompt_size import estimate_tokens
from outlast_worker.engine.records import ModelRecord, Pin, StandIn, StoredMessage, rest_of
from outlast_worker.engine.steps import Cancelled, Left, StepFailed, Steps


class RunFailed(Exception):
    """The run can't go on."""

    def __init__(self, error: RunError) -> None:
        super().__init__(error.message)
        self.error = error


@dataclass(frozen=True)
class OpenWait:
    """Somebody or something outside that the run waits for.

    Attributes:
        id: An approval's or a call's, within the run that asks.
        text: What is waited for, as it follows "Waits for".
        run_id: The run that asks, if it is one that this run has called.
        approvals: What that one waits for, and runs below it: of people.
        calls: The same of clients, and of signals.
    """

    kind: WaitKind
    id: str
    text: str
    call_id: str | None = None
    until: Time | None = None
    run_id: str | None = None
    approvals: tuple[Awaited, ...] = ()
    calls: tuple[Awaited, ...] = ()


class RunStopped(Exception):
    """The run has reached a limit."""

    def __init__(self, reason: IncompleteReason) -> None:
        super().__init__(reason)
        self.reason: IncompleteReason = reason


_SOURCE_GONE = RunError(
    type="definition-missing",
    message="The run that this one was to go on from is not kept any more.",
    retryable=False,
)
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
        self._holds_up = False
        self._reports = 0
        self._has_reported_waits = False
        self.now = order.created_at
        self.size = RunSize()
        self.history: list[StoredMessage] = []
        """What was said on the thread before, as far as it was read."""
        self.unread: ConversationMark | None = None
        """What was said there, as long as nobody had to read it: the worker may remember it."""
        self.messages: list[StoredMessage] = []
        self.stand_in: StandIn | None = None
        """What models read in place of the first messages of these and of what was said before."""
        self._counted_tokens: int | None = 0
        self._counted = 0
        """How many of the run's messages those are of."""
        self._answered = 0
        self._stood_still = timedelta(0)
        self._stands_still = False
        """Whether it did until what comes next: that is an answer, which may end it."""
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

    async def take_up_thread(self) -> None:
        """Wait for the run's thread, and go on with what was said there."""
        self.unread = await self._steps.acquire_thread()
        if self.unread is None:
            self._counted_tokens = None
            await self.read_conversation()
        elif self.unread.messages:
            self._counted_tokens = self.unread.tokens

    async def take_up_fork(self) -> Pin | None:
        """Go on from what another run had said; return the definition that it has kept.

        Raises:
            RunFailed: It is not there any more.
        """
        source = await self._steps.read_fork()
        if source.history is None:
            raise RunFailed(_SOURCE_GONE)
        self.history, self.unread = source.history, None
        if self.order.thread_id:  # it is handed over to the thread with what the run says
            self.size.count_history(source.history)
        self.stand_in = source.stand_in
        if source.stand_in:
            self._steps.keep_stand_in(0, source.stand_in)
        read = source.stand_in.apply(source.history) if source.stand_in else source.history
        self._count(estimate_tokens(read))
        return source.pin

    async def read_conversation(self) -> None:
        """Read what was said on the thread before."""
        self.history = await self._steps.read_conversation()
        self.unread = None
        if self._counted_tokens is None:
            self._counted_tokens = estimate_tokens(self.history)

    def advance_clock(self, at: Time) -> None:
        """Note that something ended at this time; steps side by side end in any order."""
        before, self.now = self.now, max(self.now, at)
        if self._stands_still:
            self._stood_still += self.now - before
            self._stands_still = self.run.status == "waiting"

    @property
    def worked_for(self) -> timedelta:
        """For how long the run has worked since it began: not while it stood still."""
        return self.now - (self.run.started_at or self.now) - self._stood_still

    @property
    def said(self) -> list[StoredMessage]:
        """The conversation, as far as it was read."""
        return [*self.history, *self.messages]

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
        waiting = Waiting(kind="timer", since=self.now, until=until, text=text)
        self.set_status("waiting", waiting_for="timer", waiting=waiting)

    def wait_for_model(self, engine: Engine) -> None:
        """Show that the model is asked again later."""
        text = "The model gave no answer, and is asked again later."
        until = engine.next_retry_at
        waiting = Waiting(kind="model", since=self.now, until=until, text=text)
        self.change(engine=engine, waiting=waiting)
        self.save()

    def wait_for_tool_server(self, engine: Engine) -> None:
        """Show that the run begins when its tool servers can be reached."""
        text = "A server of the agent's tools can't be reached, and is tried again later."
        waiting = Waiting(kind="timer", since=self.now, until=engine.next_retry_at, text=text)
        self.change(engine=engine, waiting=waiting)
        self.save()

    def wait_for_budget(self) -> None:
        """Show that the model is asked when others below a limited run have said what they used."""
        text = "Waits for others below the same run, which have reserved what is left of its limit."
        waiting = Waiting(kind="model", since=self.now, text=text)
        self.change(waiting=waiting)
        self.save()

    def stand_still(self, waits: Sequence[OpenWait]) -> None:
        """Show that nothing goes on before somebody outside has done something."""
        if waits == self._stands_for:
            return
        self._stands_for = waits
        settles = all(wait.kind in SETTLING for wait in waits)
        segment = self.run.segment
        waiting = _describe(waits, self.now)
        self.set_status(
            "waiting",
            waiting_for=waiting.kind,
            waiting=waiting,
            segment=segment + 1 if settles else segment,
        )
        if settles:
            self._tell_wait(waiting.kind, waits, segment)
        else:
            self._report([], [])
        self._stands_still = True
        self._hold_up_thread(waits=settles)

    def go_on(self) -> None:
        """Show that the run goes on, if it stood still."""
        if self.run.status != "waiting":
            return
        self._stands_for = []
        self.set_status("running", waiting_for=None, waiting=None)
        self._report([], [])
        self._hold_up_thread(waits=False)

    def hand_over(self, call: PlannedCall, before: str, to: str) -> None:
        """Show that another agent speaks from now on."""
        self.note_speaker(to)
        self.save()
        self.emit(HandedOver, turn=call.turn, call_id=call.call_id, from_=before, to=to)

    def note_speaker(self, name: str) -> None:
        """Note who speaks, to be seen with the next save."""
        self.change(handed_over_to=None if name == self.order.agent else name)

    def add_approval(self, approval: Approval) -> None:
        """Show an approval that waits."""
        self.size.count(approval)
        self.change(approvals=[*self.run.approvals, approval])
        self._steps.keep_approval(approval)

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
        self._steps.keep_resolution(resolution)

    def add_client_call(self, call: ClientCall) -> None:
        """Show a call that waits for a client."""
        self.size.count(call)
        self.change(calls=[*self.run.calls, call])
        self._steps.keep_client_call(call)

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
        self._steps.keep_answer(answer)

    def save(self) -> None:
        """Show the run as it is now."""
        self._steps.save(self.run)

    def emit(self, kind: type[AnyEvent], *, at: Time | None = None, **fields: Any) -> None:
        """Commit the next event: of now, or of a time that is known better."""
        self._seq += 1
        event = kind(run_id=self.order.run_id, seq=self._seq, at=at or self.now, **fields)
        self._commit(event)

    def add_message(
        self, role: str, content: Content, *, message_id: str | None = None, **fields: Any
    ) -> StoredMessage:
        """Add a message to the conversation."""
        message = StoredMessage.model_validate(
            {
                "id": message_id or f"{self.order.run_id}:{len(self.messages) + 1}",
                "role": role,
                "content": content,
                "run_id": self.order.run_id,
                "created_at": self.now,
                **fields,
            }
        )
        if role != "tool":  # results side by side are counted as they come, before their messages
            self.size.count_content(content)
        self.size.count(message)
        self.messages.append(message)
        return message

    def add_said(self, said: InputMessage, message_id: str | None) -> StoredMessage:
        """Add what a caller says."""
        if said.role == "tool":
            self.size.count_content(said.content)
        return self.add_message(said.role, said.content, message_id=message_id, **rest_of(said))

    def note_answer(self, answer: ModelRecord) -> None:
        """Note that a model has taken all that was said so far, and answered."""
        self._answered = len(self.messages)
        if tokens := answer.conversation_tokens:
            self._count(tokens)

    @property
    def prompt_tokens(self) -> int | None:
        """About how long the next prompt is for a model; None if nobody has counted its beginning.

        What was said since somebody did is estimated.
        """
        if self._counted_tokens is None:
            return None
        return self._counted_tokens + estimate_tokens(self.messages[self._counted :])

    def leave_out(self, stand_in: StandIn, tokens: int) -> None:
        """Have models read less from now on.

        Args:
            stand_in: What they read in place of the first messages.
            tokens: About how long the prompt is then.
        """
        self.stand_in = stand_in
        self._count(tokens)

    def _count(self, tokens: int) -> None:
        self._counted_tokens, self._counted = tokens, len(self.messages)

    def mark_refused(self, why: str) -> None:
        """Mark what no model has answered yet: sent again, it would fail every later run, too."""
        for position in range(self._answered, len(self.messages)):
            refused = self.messages[position].model_copy(update={"refused": why})
            self.messages[position] = refused

    def retell(self, texts: Mapping[str, str]) -> None:
        """Have models read other texts, by the message's id; what clients see stays."""
        self.messages = [
            message.model_copy(update={"told": texts.get(message.id, message.told)})
            for message in self.messages
        ]
        for message_id, text in texts.items():
            self._steps.keep_told(f"message:{message_id}", text)

    async def end(self) -> Run:
        """Hand over the thread, then commit the end: who sees that finds the conversation whole.

        No second cancellation can cut it.
        """
        self.change(waiting_for=None, waiting=None, engine=None, ended_at=self.now)
        if self.order.thread_id:
            # The thread takes nothing from a run that never held it: that one leaves the line.
            with suppress(Cancelled, StepFailed):  # it is on its way; only the wait was cut
                await self._steps.release_thread(self._left_to_thread(), self.now)
        self._seq += 1
        self._commit(terminal_event(self.run, self._seq))
        self.save()
        self._steps.settle(self.run.segment, ended=True)
        said = [message.public() for message in self.messages]
        return self.run.model_copy(update={"messages": said, "origin": self.order.origin})

    def _left_to_thread(self) -> Left:
        added = [*self.history, *self.messages] if self.order.forked_from else self.messages
        if self.stand_in and not self.stand_in.lasts:
            return Left(added)
        return Left(added, self.stand_in, self.prompt_tokens)

    def _hold_up_thread(self, *, waits: bool) -> None:
        """Tell the thread whether the run waits for somebody outside, when that has changed."""
        if self.order.thread_id and waits != self._holds_up:
            self._holds_up = waits
            self._steps.hold_up_thread(waits=waits)

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

    def _tell_wait(self, kind: WaitKind, waits: Sequence[OpenWait], segment: int) -> None:
        approvals: list[Awaited] = []
        calls: list[Awaited] = []
        for wait in waits:
            approvals += wait.approvals
            calls += wait.calls
            if wait.kind != "child":
                item = Awaited(run_id=wait.run_id or self.run.run_id, id=wait.id)
                (approvals if wait.kind in _OF_PEOPLE else calls).append(item)
        self.emit(RunWaiting, segment=segment, waiting_for=kind, approvals=approvals, calls=calls)
        self._steps.settle(segment, ended=False)
        self._report(approvals, calls)

    def _report(self, approvals: list[Awaited], calls: list[Awaited]) -> None:
        """Tell the run that has called this one, when what it waits for has changed."""
        waits = bool(approvals or calls)
        if self.order.parent is None or not (waits or self._has_reported_waits):
            return
        self._has_reported_waits = waits
        report = WaitReport(
            call_id=self.order.parent.call_id,
            index=self._reports,
            at=self.now,
            approvals=approvals,
            calls=calls,
        )
        self._reports += 1
        self._steps.report_wait(report)


_OF_PEOPLE = frozenset({"approval", "input"})
_FIRST: Sequence[WaitKind] = ("client", "approval", "input", "signal", "child", "timer")
_NAMED_WAITS = 3


def _describe(waits: Sequence[OpenWait], now: Time) -> Waiting:
    """Say in one word, and in a sentence, what a run waits for."""
    kinds = {wait.kind for wait in waits}
    calls = [wait.call_id for wait in waits if wait.call_id]
    texts = list(dict.fromkeys(wait.text for wait in waits))
    named, more = texts[:_NAMED_WAITS], len(texts) - _NAMED_WAITS
    rest = f" and {more} more" if more > 0 else ""
    return Waiting(
        kind=next(kind for kind in _FIRST if kind in kinds),
        since=now,
        until=min((wait.until for wait in waits if wait.until), default=None),
        run_id=next((wait.run_id for wait in waits if wait.run_id), None),
        call_ids=calls or None,
        text=f"Waits for {'; '.join(named)}{rest}.",
    )
