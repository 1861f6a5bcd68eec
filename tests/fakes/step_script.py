"""What the steps of a run in the loop give, as a test writes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fakes.records import pin
from outlast.contract import ClientResult, ConversationMark, SteeringMessage, WaitReport
from outlast.protocol import Resolution, Time
from outlast_worker.engine.budget_book import BudgetAnswer
from outlast_worker.engine.records import (
    ApprovalCheck,
    ChildInput,
    CutOutcome,
    DurableReport,
    EffectOutcome,
    EffectVerdict,
    ForkSource,
    HandoffOutcome,
    HookRecord,
    ModelOutcome,
    OutputCheck,
    PinOutcome,
    StoredMessage,
    ToolRecord,
)
from outlast_worker.engine.steps import ChildEnd


@dataclass
class StepScript:
    """Results, by what they are of.

    Args:
        model: What each model call gives, in order.
        tools: What tool calls give, by call id; a turn's calls end in the order given here. Of a
            call that goes on with answers one record for each of its steps.
        reports: What calls of durable tools tell before they end, by call id.
        unasked: Calls that need no approval after all, by call id.
        hooks: What hooks return, by name and in order; else they let all pass.
        checks: What checks of calls give instead, by call id.
        outputs: What answers come to, by turn.
        decisions: What people decide, by call id; without one, the approval expires.
        late: Decisions that come just before the run gives up waiting for them.
        said: What people say to the run while it waits for the step of this name.
        last_words: What they say just before it ends.
        raising: What a step raises instead, the first time, by its name in `log`.
        history: The conversation on the thread so far.
        mark: Which conversation that is, if the worker may remember it.
        forked: What a fork goes on from.
        effects: What `once` calls come to, by call id, one for each claim.
        verdicts: What `verify` finds out, by call id.
        results: What clients send, by call id; without one, the call expires.
        late_results: Results that come just before the run gives up waiting for them.
        cuts: What comes of making a prompt shorter, each time.
        asked: What is read of calls of agents, by call id; by default that it can be asked.
        grants: What comes of model calls that have to be asked for, by turn and attempt (`1.1`);
            else they may be made. What comes of one that waits: `1.1 granted`.
        child_reports: What called agents' runs tell of their waits, by call id and index (`1.0.0`).
        children: How called agents' runs end, by call id, in this order.
        speaker: Whom the thread remembers.
        handoffs: What handoffs come to, by call id.
    """

    model: Sequence[ModelOutcome] = ()
    tools: Mapping[str, ToolRecord | Sequence[ToolRecord]] = field(
        default_factory=dict[str, ToolRecord | Sequence[ToolRecord]]
    )
    reports: Mapping[str, Sequence[DurableReport]] = field(
        default_factory=dict[str, Sequence[DurableReport]]
    )
    unasked: Sequence[str] = ()
    checks: Mapping[str, ApprovalCheck] = field(default_factory=dict[str, ApprovalCheck])
    hooks: Mapping[str, Sequence[HookRecord]] = field(
        default_factory=dict[str, Sequence[HookRecord]]
    )
    outputs: Mapping[str, OutputCheck] = field(default_factory=dict[str, OutputCheck])
    decisions: Mapping[str, Resolution] = field(default_factory=dict[str, Resolution])
    late: Mapping[str, Resolution] = field(default_factory=dict[str, Resolution])
    said: Mapping[str, Sequence[SteeringMessage]] = field(
        default_factory=dict[str, Sequence[SteeringMessage]]
    )
    last_words: Sequence[SteeringMessage] = ()
    raising: Mapping[str, Exception] = field(default_factory=dict[str, Exception])
    history: Sequence[StoredMessage] = ()
    mark: ConversationMark | None = None
    forked: ForkSource = field(default_factory=ForkSource)
    effects: Mapping[str, Sequence[EffectOutcome]] = field(
        default_factory=dict[str, Sequence[EffectOutcome]]
    )
    verdicts: Mapping[str, EffectVerdict] = field(default_factory=dict[str, EffectVerdict])
    results: Mapping[str, ClientResult] = field(default_factory=dict[str, ClientResult])
    late_results: Mapping[str, ClientResult] = field(default_factory=dict[str, ClientResult])
    cuts: Sequence[CutOutcome] = ()
    asked: Mapping[str, ChildInput] = field(default_factory=dict[str, ChildInput])
    grants: Mapping[str, BudgetAnswer] = field(default_factory=dict[str, BudgetAnswer])
    child_reports: Mapping[str, WaitReport] = field(default_factory=dict[str, WaitReport])
    children: Mapping[str, ChildEnd] = field(default_factory=dict[str, ChildEnd])
    speaker: str | None = None
    handoffs: Mapping[str, HandoffOutcome] = field(default_factory=dict[str, HandoffOutcome])
    pinned: PinOutcome = field(default_factory=pin)
    cancel_asked_at: Time | None = None
    partial: str = ""
