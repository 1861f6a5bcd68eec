"""The loop's `Steps` without Restate: results come from a script, and everything is written down.

A step takes its result from the script by its own name, so the same script gives the same results
again, as a journal does on replay.

For how an agent behaves there is the test kit (`outlast.testing`), which runs real tools in real
order. This double is for what it has no words for: which steps there are and in which order, what
is saved when, and a cancellation or a fault at any of them.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

from fakes.records import after
from fakes.step_parts import FakeBudget, FakeKeeping, FakePending, FakeThread
from fakes.step_script import StepScript
from outlast.contract import ClientResult, RunOrder, SteeringMessage, WaitReport
from outlast.events import AnyEvent
from outlast.protocol import Resolution, Time
from outlast_worker.engine.budget_book import GRANTED
from outlast_worker.engine.operations import (
    AskModel,
    CallHook,
    CheckApproval,
    CheckArguments,
    CheckOutput,
    ClaimEffect,
    Compact,
    HandOver,
    ModelCall,
    Operation,
    PinAgent,
    PrepareChild,
    RunBuiltIn,
    RunOnce,
    RunTool,
    VerifyEffect,
)
from outlast_worker.engine.planned_calls import PlannedCall
from outlast_worker.engine.records import (
    ApprovalCheck,
    ChildInput,
    DurableReport,
    EffectClaim,
    ForkSource,
    HookRecord,
    Pin,
    ToolRecord,
)
from outlast_worker.engine.steps import ChildEnd, Pending

_KINDS: Mapping[type[Operation[Any]], str] = {
    RunTool: "tool",
    RunBuiltIn: "tool",
    RunOnce: "once",
    CheckApproval: "check",
    CheckArguments: "fit",
    ClaimEffect: "claim",
    VerifyEffect: "verify",
    PrepareChild: "agent",
    HandOver: "handoff",
}
_AT_ONCE = (
    "reserve ",
    "grant ",
    "model ",
    "check ",
    "fit ",
    "agent ",
    "claim ",
    "once ",
    "verify ",
    "hook ",
    "output ",
    "handoff ",
    "compact ",
)


@dataclass
class FakeSteps(StepScript):
    """Plays a script, and keeps a record of what the loop did."""

    log: list[str] = field(default_factory=list[str])
    """Every step, event and save, by name, in order."""
    events: list[AnyEvent] = field(default_factory=list[AnyEvent])
    sleeps: list[float] = field(default_factory=list[float])
    calls: list[ModelCall] = field(default_factory=list[ModelCall])
    hooked: list[CallHook] = field(default_factory=list[CallHook])
    planned: list[PlannedCall] = field(default_factory=list[PlannedCall])
    reported: list[WaitReport] = field(default_factory=list[WaitReport])
    adopted: Pin | None = None
    """The definition that a fork takes over."""
    child_orders: list[RunOrder] = field(default_factory=list[RunOrder])
    compacts: list[Compact] = field(default_factory=list[Compact])

    def __post_init__(self) -> None:
        self.thread = FakeThread(self._enter, self.history, self.mark, self.speaker)
        self.budget = FakeBudget(self._enter)
        self.keep = FakeKeeping(self._enter)
        granted = {
            name.removesuffix(" granted"): word
            for name, word in self.grants.items()
            if name.endswith(" granted")
        }
        self._reserved = defaultdict(lambda: GRANTED, self.grants)
        self._granted = defaultdict(lambda: GRANTED, granted)
        self._inbox: list[SteeringMessage] = []
        self._unsaid = dict(self.said)
        self._unraised = dict(self.raising)
        self._closed = False
        self._outcomes = {call_id: iter(each) for call_id, each in self.effects.items()}

    async def read_fork(self) -> ForkSource:
        self._enter("read_fork")
        return self.forked

    def begin(self, operation: Operation[Any]) -> Pending[Any]:
        match operation:
            case PinAgent(kept=kept):
                self.adopted = kept
                return FakePending("pin")
            case AskModel(call):
                self.calls.append(call)
                return FakePending(f"model {call.turn}.{call.attempt}")
            case Compact(call):
                self.compacts.append(operation)
                return FakePending(f"compact {call.turn}.{len(self.compacts)}")
            case CallHook(hook):
                self.hooked.append(operation)
                return FakePending(f"hook {hook.name} {len(self.hooked)}")
            case CheckOutput():
                return FakePending(operation.step)
            case RunTool(call) | RunBuiltIn(call) | RunOnce(call):
                self.planned.append(call)
            case CheckApproval(call) | CheckArguments(call) | ClaimEffect(call):
                pass
            case VerifyEffect(call) | PrepareChild(call) | HandOver(call):
                pass
            case _:
                raise AssertionError(f"the script knows no {type(operation).__name__}")
        return FakePending(f"{_KINDS[type(operation)]} {call.call_id}")

    def expect_decision(self, approval_id: str) -> Pending[Resolution]:
        return FakePending(f"decision {approval_id}")

    def expect_result(self, call_id: str) -> Pending[ClientResult]:
        return FakePending(f"result {call_id}")

    def expect_message(self, index: int) -> Pending[SteeringMessage | None]:
        return FakePending(f"message {index}")

    def call_agent(self, order: RunOrder) -> Pending[ChildEnd]:
        self.child_orders.append(order)
        call_id = order.parent.call_id if order.parent else ""
        self._enter(f"call_agent {call_id}")
        return FakePending(f"child {call_id}")

    def expect_child_report(self, call_id: str, index: int) -> Pending[WaitReport]:
        return FakePending(f"child_report {call_id}.{index}")

    def report_wait(self, report: WaitReport) -> None:
        self.reported.append(report)
        self._enter("report_wait")

    async def cancel_agent(self, child: Pending[ChildEnd], at: Time) -> None:
        self._enter(f"cancel_agent {cast('FakePending', child).name}")

    def call_durable(self, call: PlannedCall, signals: Sequence[str]) -> Pending[ToolRecord]:
        self._enter(f"call_durable {call.call_id} {' '.join(signals)}".strip())
        return FakePending(f"durable {call.call_id}")

    async def cancel_durable(self, called: Pending[ToolRecord]) -> None:
        self._enter(f"cancel_durable {cast('FakePending', called).name}")

    def close_durable(self, call_id: str) -> None:
        self._enter(f"close_durable {call_id}")

    def expect_report(self, call_id: str, index: int) -> Pending[DurableReport]:
        return FakePending(f"report {call_id} {index}")

    def start_timer(self, delay: timedelta) -> Pending[None]:
        self.sleeps.append(delay.total_seconds())
        return FakePending("sleep")

    async def wait_for_any(self, pending: Sequence[Pending[Any]]) -> list[Pending[Any]]:
        by_name = {cast("FakePending", item).name: item for item in pending}
        for name in by_name:
            self._inbox += self._unsaid.pop(name, ())
        for name, item in by_name.items():
            if name.startswith("message ") and len(self._inbox) > int(name.split()[1]):
                return [item]
        name = self._next(list(by_name))
        self._enter(name)
        return [by_name[name]]

    async def result_of(self, pending: Pending[Any]) -> Any:
        kind, _, key = cast("FakePending", pending).name.partition(" ")
        match kind:
            case "pin":
                return self.pinned
            case "model":
                return self.model[len(self.calls) - 1]
            case "compact":
                return self.cuts[len(self.compacts) - 1]
            case "report":
                return self._report(*key.split())
            case "hook":
                return self._hook_record(*key.split(" "))
            case "check" | "fit":
                return self.checks.get(key) or self._check(kind, key)
            case "claim":
                return EffectClaim(claim_id="c", at=after(3))
            case "once":
                return next(self._outcomes[key])
            case "agent":
                return self.asked.get(key) or ChildInput(at=after(3), text=f"asked in {key}")
            case "message":
                return self._inbox[int(key)]
            case "sleep":
                return None
            case _:
                return self._latest(key, self._by_call[kind][key])

    def _latest(self, call_id: str, given: Any) -> Any:
        """Return the record of a call's latest step, where it has several."""
        begun = [call for call in self.planned if call.call_id == call_id]
        return given[len(begun) - 1] if isinstance(given, list) else given

    @property
    def _by_call(self) -> Mapping[str, Mapping[str, Any]]:
        """What the script has of each kind, by call id or what else names it."""
        return {
            "tool": self.tools,
            "durable": self.tools,
            "result": self.results,
            "output": self.outputs,
            "verify": self.verdicts,
            "decision": self.decisions,
            "handoff": self.handoffs,
            "child": self.children,
            "child_report": self.child_reports,
            "reserve": self._reserved,
            "grant": self._granted,
        }

    def _hook_record(self, name: str, number: str) -> HookRecord:
        of_name = [h for h in self.hooked[: int(number)] if h.hook.name == name]
        records = self.hooks.get(name, ())
        at = len(of_name) - 1
        return records[at] if at < len(records) else HookRecord(at=after(2))

    def _check(self, kind: str, key: str) -> ApprovalCheck:
        needed = kind == "check" and key not in self.unasked
        return ApprovalCheck(outcome="needed" if needed else "not_needed", at=after(3))

    async def close_decision(self, resolution: Resolution) -> Resolution:
        self._enter(f"close_decision {resolution.id}")
        return self.late.get(resolution.id, resolution)

    async def close_result(self, result: ClientResult) -> ClientResult:
        self._enter(f"close_result {result.call_id}")
        return self.late_results.get(result.call_id, result)

    async def close_inbox(self, index: int) -> SteeringMessage | None:
        self._enter("close_inbox")
        if not self._closed:
            self._inbox += self.last_words
            self._closed = True
        return await self.next_message(index)

    async def next_message(self, index: int) -> SteeringMessage | None:
        return self._inbox[index] if index < len(self._inbox) else None

    def settle(self, segment: int, *, ended: bool) -> None:
        self._enter(f"settle {segment}{' ended' if ended else ''}")

    async def partial_answer(self, turn: int) -> str:
        self._enter(f"partial {turn}")
        return self.partial

    def emit(self, event: AnyEvent) -> None:
        self.events.append(event)
        self._enter(event.type)

    def keep_definition(self, pin: Pin) -> None:
        self._enter(f"keep_definition {pin.digest}")

    async def cancelled_at(self) -> Time | None:
        self._enter("cancelled_at")
        return self.cancel_asked_at

    def _next(self, names: Sequence[str]) -> str:
        """Choose what is done first: steps in the order of the script, then timers."""
        order = ["pin", *(f"tool {call_id}" for call_id in self.tools)]
        order += [f"decision {call_id}" for call_id in self.decisions]
        order += [f"result {call_id}" for call_id in self.results]
        order += [f"child_report {report}" for report in self.child_reports]
        order += [f"child {call_id}" for call_id in self.children]
        ready = [n for n in names if n.startswith(_AT_ONCE)]
        ready += [name for name in self._reported() if name in names]
        order += [f"durable {call_id}" for call_id in self.tools]
        ready += [name for name in order if name in names]
        ready += [name for name in names if name == "sleep"]
        if not ready:
            raise AssertionError(f"the script has no result for {sorted(names)}")
        return ready[0]

    def _report(self, call_id: str, index: str) -> DurableReport:
        return self.reports[call_id][int(index)]

    def _reported(self) -> list[str]:
        return [
            f"report {call_id} {index}"
            for call_id, reports in self.reports.items()
            for index in range(len(reports))
        ]

    def _enter(self, name: str) -> None:
        self.log.append(name)
        if error := self._unraised.pop(name, None):
            raise error
