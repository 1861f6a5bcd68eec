"""What a run does in steps: their names, which runs in flight replay, and what a cut one is."""

from typing import Any, cast

import pytest
from pydantic import TypeAdapter

from fakes.records import after, model_call
from outlast.hooks import HookedCall
from outlast_worker.engine.names import partial_answer_step
from outlast_worker.engine.operations import (
    AskModel,
    CallHook,
    CallOperation,
    CheckApproval,
    CheckArguments,
    CheckOutput,
    ClaimEffect,
    Compact,
    HandOver,
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
    EffectClaim,
    EffectOutcome,
    EffectVerdict,
    HookRecord,
    ModelFault,
    OutputCheck,
    PinFailure,
    PinnedHook,
    PinnedOutput,
    PinnedTool,
    ToolRecord,
)
from outlast_worker.tools.durable import Step, TryStep

MODEL_CALL = model_call(turn=3, attempt=2)
CALL = PlannedCall(turn=3, call_id="3.1", name="pay", arguments={}, known=True)
HOOKED = HookedCall(turn=3, call_id="3.1", name="pay", arguments={})
BUILT_IN = PinnedTool(name="pay", description="…", parameters={}, kind="built_in")
LONG = PlannedCall(turn=1, call_id="1.0", name="x" * 200, arguments={}, known=False)

NAMES: list[tuple[Operation[Any], str]] = [
    (PinAgent(), "pin"),
    (HandOver(CALL, "billing"), "handoff pay"),
    (AskModel(MODEL_CALL), "model 3"),
    (Compact(MODEL_CALL, "summary", is_urgent=True), "compact 3"),
    (CheckApproval(CALL), "check pay"),
    (RunTool(CALL), "tool pay"),
    (CheckArguments(CALL, {}), "check pay"),
    (CallHook(PinnedHook(point="before_tool", name="mask"), HOOKED), "hook mask"),
    (ClaimEffect(CALL), "claim pay"),
    (RunOnce(CALL, EffectClaim(claim_id="c", at=after(1)), 5), "tool pay"),
    (VerifyEffect(CALL), "verify pay"),
    (CheckOutput(3, "{}", PinnedOutput(shape={}, is_wrapped=False, retries=2)), "output 3"),
    (PrepareChild(CALL), "agent pay"),
    (RunBuiltIn(CALL, BUILT_IN, [BUILT_IN]), "tool pay"),
    (CheckApproval(LONG), "check " + "x" * 74),
    (RunTool(LONG), "tool " + "x" * 75),
    (TryStep(Step(cast("Any", None), "weigh", len, (), {})), "step weigh"),
]


@pytest.mark.parametrize(("operation", "name"), NAMES)
def test_names(operation: Operation[Any], name: str) -> None:
    """A replay compares them: another name needs another journal version."""
    assert operation.step == name


def test_the_name_of_a_partial_answer() -> None:
    """The one step that is read after a cancellation has a fixed name, too."""
    assert partial_answer_step(3) == "partial 3"


def test_every_operation_is_pinned() -> None:
    """A new kind of step is named here, too."""
    kinds = {*Operation.__subclasses__(), *CallOperation.__subclasses__()} - {CallOperation}
    assert kinds == {type(operation) for operation, _ in NAMES}


@pytest.mark.parametrize("operation", [operation for operation, _ in NAMES[:-2]])
@pytest.mark.parametrize("cut", ["cancelled", "crashed"])
def test_what_is_cut_is_journaled(operation: Operation[Any], cut: str) -> None:
    """It has the time at which it was cut, and can be read again as what the step gives."""
    record = (
        operation.cancelled(after(5))
        if cut == "cancelled"
        else operation.crashed(LookupError("a bug"), after(5))
    )
    adapter = TypeAdapter[Any](operation.record)
    assert adapter.validate_json(adapter.dump_json(record)) == record
    match record:
        case PinFailure():
            assert (record.at, record.error.type) == (after(5), "internal")
        case ModelFault():
            assert (record.started_at, record.ended_at) == (after(5), after(5))
            assert (record.retry_after_s is None) == (cut == "crashed")
        case OutputCheck():
            assert (record.at, record.output, bool(record.faults)) == (after(5), None, True)
        case EffectClaim():
            assert (record.at, record.claim_id) == (after(5), None)
        case EffectOutcome():
            assert (record.at, record.outcome) == (after(5), "in_doubt")
        case EffectVerdict():
            assert (record.at, record.outcome) == (after(5), "unknown")
        case ApprovalCheck():
            needed = isinstance(operation, CheckApproval)
            assert (record.at, record.outcome) == (after(5), "needed" if needed else "refused")
        case HookRecord():
            assert (record.at, record.verdict) == (after(5), "failed")
        case ChildInput():
            assert (record.at, record.text) == (after(5), None)
        case _:
            assert isinstance(record, ToolRecord)
            assert (record.started_at, record.is_error) == (after(5), True)
            assert "may have run" in record.output


def test_a_crash_is_named() -> None:
    """The error's kind is told, and not what it says: that may hold anything."""
    fault = AskModel(MODEL_CALL).crashed(LookupError("a secret"), after(5))
    assert isinstance(fault, ModelFault)
    assert "LookupError" in fault.error.message
    assert "secret" not in fault.error.message
