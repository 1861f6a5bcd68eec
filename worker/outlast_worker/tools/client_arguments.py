"""Checks what a model passes to a tool that a client runs, before any client sees it."""

from collections.abc import Mapping
from datetime import UTC, datetime

from pydantic import JsonValue

from outlast.json_schema import faults_of
from outlast_worker.engine.planned_calls import PlannedCall
from outlast_worker.engine.records import ApprovalCheck


def check_arguments(call: PlannedCall, parameters: Mapping[str, JsonValue]) -> ApprovalCheck:
    """Tell whether the arguments fit; what does not is said to the model, and nobody is asked."""
    at = datetime.now(UTC)
    faults = faults_of(parameters, dict(call.arguments))
    if not faults:
        return ApprovalCheck(outcome="not_needed", at=at)
    reason = f"The arguments of {call.name} are not valid: {'; '.join(faults)}"
    return ApprovalCheck(outcome="refused", at=at, reason=reason, error_type="invalid_arguments")
