"""Reads an answer as what it has to be; in a step, since the author's type may change."""

from datetime import UTC, datetime

from outlast.agent import Agent
from outlast.contract import RunOrder
from outlast.output import Output, OutputMismatch
from outlast_worker.engine.operations import CheckOutput
from outlast_worker.engine.records import OutputCheck


def check_output(agent: Agent, order: RunOrder, operation: CheckOutput) -> OutputCheck:
    """Return the output, or what is wrong with it, for the model."""
    at = datetime.now(UTC)
    try:
        output = _expected(agent, order, operation).read(operation.text)
    except OutputMismatch as mismatch:
        return OutputCheck(at=at, faults=mismatch.faults)
    return OutputCheck(at=at, output=output)


def _expected(agent: Agent, order: RunOrder, operation: CheckOutput) -> Output:
    """Return the author's type; its schema alone, if the agent has another one by now."""
    pinned = operation.pinned
    has_own_schema = order.overrides is not None and order.overrides.output_schema is not None
    if agent.output and agent.output.shape == pinned.shape and not has_own_schema:
        return agent.output
    return Output(pinned.shape, pinned.is_wrapped)
