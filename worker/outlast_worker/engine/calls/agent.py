"""Calls of agents: each is a run of its own, which the calling run waits for.

A crash of either costs the other nothing, a cancellation reaches the child, and the end of the
child is a result whatever it was: an answer, or a text that says why there is none.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from pydantic_core import to_json

from outlast.agent_tool import MAX_DEPTH, MAX_OPEN
from outlast.contract import Allowance, RunOrder, WaitReport
from outlast.events import ChildStarted
from outlast.names import child_run_id, child_thread_id
from outlast.protocol import InputMessage, Limits, ParentCall, Run, Time
from outlast_worker.engine.calls.kind import CallKind
from outlast_worker.engine.calls.turn import Turn
from outlast_worker.engine.exceptions import Cancelled
from outlast_worker.engine.open_waits import OpenWait
from outlast_worker.engine.operations import PrepareChild
from outlast_worker.engine.planned_calls import PlannedCall
from outlast_worker.engine.records import ChildInput, PinnedChild, PinnedTool, ToolRecord
from outlast_worker.engine.steps import ChildEnd, Pending

_TOO_DEEP = (
    "Agents may call each other up to {most} deep, and this run is as deep already, so {name} was "
    "not called. Answer with what you know."
)
_TOO_MANY = (
    "This run may have {most} agents at work at once, those included that they call, so {name} was "
    "not called. Call fewer at once, or answer with what you know."
)
_SETTLED = frozenset({"completed", "incomplete"})
# A cancellation ends children within moments, unless nobody is there to execute them.
_PATIENCE = timedelta(seconds=10)


@dataclass(frozen=True)
class _Child:
    call: PlannedCall
    agent: str
    run_id: str
    thread_id: str | None
    started_at: Time


class AgentCalls(CallKind):
    """Runs below this one."""

    unfinished = (
        "The run was stopped before this agent had answered. What it did until then is done."
    )

    def __init__(self, turn: Turn) -> None:
        super().__init__(turn)
        self._open: dict[Pending[ChildEnd], _Child] = {}
        self._reports: dict[Pending[ChildEnd], Pending[WaitReport]] = {}
        self._held_up: dict[str, tuple[Pending[ChildEnd], OpenWait]] = {}
        """By thread, who holds it and waits: what else is called on it is in line behind."""
        self._may_open: Mapping[str, int] = {}
        self._own_allowance: Allowance | None = None
        self._was_allowed = False
        """Whether a run was called to which that was handed down."""

    def prepare(self, calls: Sequence[PlannedCall], allowance: Allowance | None) -> None:
        """Share out among the turn's calls how many runs may be open at once, and what to use."""
        self._own_allowance = allowance if calls else None
        most = self._most_open
        self._may_open = share_out(most, [call.call_id for call in calls if not call.fault])

    def begin(self, call: PlannedCall, tool: PinnedTool) -> None:
        """Read what the agent is asked."""
        if tool.child is None:
            raise TypeError("only a tool that is an agent is of this kind")
        if len(self.turn.state.order.above or ()) >= MAX_DEPTH:
            text = _TOO_DEEP.format(most=MAX_DEPTH, name=call.name)
            return self.turn.refuse(call, ToolRecord.failed(text, "limit", self.turn.state.now))
        if call.call_id not in self._may_open:
            text = _TOO_MANY.format(most=self._most_open, name=call.name)
            return self.turn.refuse(call, ToolRecord.failed(text, "limit", self.turn.state.now))
        self.turn.tell_start(call)
        step = self.turn.steps.begin(PrepareChild(call))
        return self.turn.waits.add(step, partial(self._start, call, tool.child))

    async def stop(self, *, was_cancelled: bool) -> None:
        """Have the children end, so that nothing goes on below a run that has ended."""
        for child in () if was_cancelled else tuple(self._open):
            with suppress(Cancelled):  # which has reached that one, too
                await self.turn.steps.cancel_agent(child, self.turn.state.now)
        timer = self.turn.steps.start_timer(_PATIENCE) if self._open else None
        while self._open and timer:
            try:
                done = await self.turn.steps.wait_for_any([*self._open, timer])
                for ended in [pending for pending in self._open if pending in done]:
                    end = await self.turn.steps.result_of(ended)
                    child = self._open.pop(ended)
                    self.turn.leave(child.call, self._take(child, end))
            except Cancelled:
                continue  # each fires once
            if timer in done:
                return

    def conclude(self) -> None:
        """Take back what the called runs were allowed, if it was anything."""
        for child in self._open.values() if self._allowances else ():
            self.turn.steps.budget.close_run(child.run_id)  # nobody is there to end it
        if self._own_allowance and self._was_allowed:
            self.turn.steps.budget.close_account(self._own_allowance.account)

    @property
    def _allowances(self) -> list[Allowance]:
        own = [self._own_allowance] if self._own_allowance else []
        return [*(self.turn.state.order.allowances or ()), *own]

    @property
    def _most_open(self) -> int:
        given = self.turn.state.order.may_open
        return MAX_OPEN if given is None else given

    async def _start(self, call: PlannedCall, pinned: PinnedChild, asked: ChildInput) -> None:
        state = self.turn.state
        state.advance_clock(asked.at)
        if asked.text is None:
            text, error_type = asked.fault or self.unfinished, asked.error_type or "internal"
            failed = ToolRecord.failed(text, error_type, asked.at, told=asked.told)
            self.turn.complete(call, failed)
            return
        made = make_child_order(state.order, call, pinned, asked.text, state.now)
        order = made.model_copy(
            update={
                "may_open": self._may_open[call.call_id],
                "allowances": self._allowances or None,
            }
        )
        self._was_allowed = self._was_allowed or bool(self._own_allowance)
        pending = self.turn.steps.call_agent(order)
        child = _Child(call, pinned.agent, order.run_id, order.thread_id, asked.at)
        self._open[pending] = child
        # Whoever hears of the run may ask for it at once: so it is called before it is told.
        state.emit(
            ChildStarted, call_id=call.call_id, child_run_id=order.run_id, agent=pinned.agent
        )
        self.turn.waits.add(pending, partial(self._end, pending))
        self._expect_report(pending, 0, None)
        if held_up := self._held_up.get(child.thread_id or ""):
            self._mark(pending, _behind(held_up[1], child))

    def _expect_report(self, pending: Pending[ChildEnd], index: int, wait: OpenWait | None) -> None:
        report = self.turn.steps.expect_child_report(self._open[pending].call.call_id, index)
        self._reports[pending] = report
        self.turn.waits.add(report, partial(self._hear, pending, index), wait)

    async def _hear(self, pending: Pending[ChildEnd], index: int, report: WaitReport) -> None:
        """Note that a child waits for somebody outside, or goes on."""
        self.turn.state.advance_clock(report.at)
        wait = _wait_for(self._open[pending], report)
        self.turn.waits.mark(pending, wait)
        self._expect_report(pending, index + 1, wait)
        if report.holds_up_line:
            self._hold_up_line(pending, wait)

    def _hold_up_line(self, holder: Pending[ChildEnd], wait: OpenWait | None) -> None:
        """Have those in line for the same thread wait with a child, or no longer."""
        thread_id = self._open[holder].thread_id
        if thread_id is None:
            return
        if wait:
            self._held_up[thread_id] = (holder, wait)
        elif self._held_up.get(thread_id, (None,))[0] is holder:
            del self._held_up[thread_id]
        else:
            return
        for pending, child in self._open.items():
            if pending is not holder and child.thread_id == thread_id:
                self._mark(pending, wait and _behind(wait, child))

    def _mark(self, pending: Pending[ChildEnd], wait: OpenWait | None) -> None:
        self.turn.waits.mark(pending, wait)
        self.turn.waits.mark(self._reports[pending], wait)

    async def _end(self, pending: Pending[ChildEnd], end: ChildEnd) -> None:
        self._hold_up_line(pending, None)
        child = self._open.pop(pending)
        self.turn.waits.drop(self._reports.pop(pending))
        self.turn.complete(child.call, self._take(child, end))

    def _take(self, child: _Child, end: ChildEnd) -> ToolRecord:
        """Count what a child has used, and return what came of its call."""
        state = self.turn.state
        if self._allowances and not _has_settled(end):
            self.turn.steps.budget.close_run(child.run_id)
        if end.run:
            state.change(usage=state.run.usage + end.run.usage)
        ended_at = (end.run and end.run.ended_at) or state.now
        text, is_error = _result(child.agent, end)
        return ToolRecord(
            output=text,
            is_error=is_error,
            started_at=child.started_at,
            ended_at=max(ended_at, child.started_at),
            error_type="child" if is_error else None,
        )


def make_child_order(
    order: RunOrder, call: PlannedCall, pinned: PinnedChild, text: str, at: Time
) -> RunOrder:
    """Make the order of a run that a call of another one is."""
    thread_id = None
    if pinned.own_thread:
        beside = order.thread_id or order.run_id
        thread_id = child_thread_id(pinned.agent, call.name, beside)
    return RunOrder(
        run_id=child_run_id(pinned.agent, order.run_id, call.call_id),
        tenant=order.tenant,
        agent=pinned.agent,
        input=[InputMessage(role="user", content=text)],
        thread_id=thread_id,
        admission="join" if thread_id else "none",
        stream=order.stream,
        context=order.context if pinned.gets_context else {},
        metadata=order.metadata,
        limits=Limits(),
        after_s=0,
        created_at=at,
        body_hash="",
        repeatable=False,
        trace=order.trace,
        parent=ParentCall(run_id=order.run_id, call_id=call.call_id),
        above=[*(order.above or ()), order.run_id],
        sticky=pinned.is_sticky if thread_id else None,
    )


def share_out(most: int, call_ids: Sequence[str]) -> Mapping[str, int]:
    """Say how many runs may be open below each of these calls, and leave out those too many.

    A call's own run is counted, so that no more are open in all, whatever the called runs do and
    whoever is lost meanwhile: nobody has to count together.
    """
    allowed = call_ids[:most]
    if not allowed:
        return {}
    each, more = divmod(most - len(allowed), len(allowed))
    return {call_id: each + (index < more) for index, call_id in enumerate(allowed)}


def _wait_for(child: _Child, report: WaitReport) -> OpenWait | None:
    if not (report.approvals or report.calls):
        return None
    return OpenWait(
        kind="child",
        id=child.call.call_id,
        text=f"the agent {child.agent}, which waits itself",
        call_id=child.call.call_id,
        run_id=child.run_id,
        approvals=tuple(report.approvals),
        calls=tuple(report.calls),
    )


def _behind(wait: OpenWait, child: _Child) -> OpenWait:
    """Return for what one waits that is in line behind another one, which asks itself."""
    call_id = child.call.call_id
    return replace(wait, id=call_id, call_id=call_id, approvals=(), calls=())


def _has_settled(end: ChildEnd) -> bool:
    """Tell whether a run has said what its model calls used: one that was cut could not."""
    return not end.was_killed and end.run is not None and end.run.status in _SETTLED


def _result(agent: str, end: ChildEnd) -> tuple[str, bool]:
    """Return what the calling model reads, and whether that is an error."""
    run = end.run
    if end.was_killed or run is None:
        return f"The agent {agent} was killed in Restate before it had answered.", True
    if run.status == "completed":
        return _text_of(run), False
    said = f" It had said: {text}" if (text := _text_of(run)) else ""
    match run.status:
        case "incomplete":
            return f"The agent {agent} stopped before its end: {run.incomplete_reason}.{said}", True
        case "failed":
            why = f"{run.error.type}: {run.error.message}" if run.error else "nobody knows why"
            return f"The agent {agent} failed: {why}", True
        case _:
            return f"The agent {agent} was cancelled.{said}", True


def _text_of(run: Run) -> str:
    if run.output is None:
        return ""
    return run.output if isinstance(run.output, str) else to_json(run.output).decode()
