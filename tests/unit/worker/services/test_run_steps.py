"""What `RestateSteps` hands to Restate: closures that never raise."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from fakes.orders import order
from fakes.records import NOON, model_call, pin
from outlast import Agent
from outlast.registry import Registry
from outlast_worker.conversations import Conversations
from outlast_worker.engine.operations import AskModel, CheckApproval, RunTool
from outlast_worker.engine.planned_calls import PlannedCall
from outlast_worker.engine.records import ApprovalCheck, ModelFault, ToolRecord
from outlast_worker.execution import AgentMissing
from outlast_worker.inflight import Inflight
from outlast_worker.live.hub import LiveHub
from outlast_worker.services.run_steps import RestateSteps
from outlast_worker.tools.effects import Effects

ORDER = order(run_id="support.a", input=[])


class Context:
    """Keeps the closure of the last step, and state."""

    closure: Any = None

    def __init__(self) -> None:
        self.kept: list[str] = []

    def set(self, key: str, _value: Any, **_: Any) -> None:
        self.kept.append(key)

    def run_typed(self, _name: str, closure: Any, _options: Any) -> None:
        self.closure = closure


class Failing:
    """Parts with a fault of our own."""

    async def complete(self, *_: Any) -> None:
        raise LookupError("a bug")

    check = execute = complete


class Unwritable:
    """Parts whose records can't be written."""

    async def execute(self, *_: Any) -> ToolRecord:
        return ToolRecord(output="\ud83d", is_error=False, started_at=NOON, ended_at=NOON)


def steps_with(broken: Any) -> tuple[Context, RestateSteps]:
    effects = Effects()
    agent = Agent(name="support", instructions="Help.")
    dependencies = SimpleNamespace(
        registry=Registry([agent], "openai/x"),
        settings=SimpleNamespace(service_prefix=""),
        model=broken,
        tools=broken,
        conversations=Conversations(1_000_000),
        effects=effects,
        inflight=Inflight(effects),
        live=LiveHub(0),
        resources=None,
    )
    context = Context()
    return context, RestateSteps(cast("Any", context), ORDER, agent, cast("Any", dependencies))


@pytest.mark.parametrize("kind", ["model", "tool", "check"])
async def test_a_fault_of_our_own(kind: str) -> None:
    """It gives a record like any other, once: Restate would repeat a closure that raises."""
    context, steps = steps_with(Failing())
    call = PlannedCall(turn=1, call_id="1.0", name="pay", arguments={}, known=True)
    match kind:
        case "model":
            call = model_call()
            steps.begin(AskModel(call))
        case "tool":
            steps.begin(RunTool(call))
        case _:
            steps.begin(CheckApproval(call))
    with capture_logs() as logs:
        record = await context.closure()
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["step_failed"]
    match record:
        case ModelFault():
            assert (record.error.type, record.retry_after_s) == ("internal", None)
        case ToolRecord():
            assert record.is_error
            assert "LookupError" in record.output
        case _:
            assert isinstance(record, ApprovalCheck)
            assert record.outcome == "needed"


async def test_a_record_that_can_not_be_written() -> None:
    """It is replaced by one that can: the tool is not run again."""
    context, steps = steps_with(Unwritable())
    call = PlannedCall(turn=1, call_id="1.0", name="pay", arguments={}, known=True)
    steps.begin(RunTool(call))
    record = await context.closure()
    assert record.is_error
    assert "It may have run" in record.output


def test_an_agent_that_this_worker_does_not_have() -> None:
    """The attempt fails, and says for what: Restate repeats it until a worker has the agent."""
    context, steps = steps_with(Failing())
    steps.keep_definition(pin())
    with pytest.raises(AgentMissing, match="the agent billing, which this worker does not have"):
        steps.keep_definition(pin().model_copy(update={"agent": "billing"}))
    assert context.kept == ["definition"]
