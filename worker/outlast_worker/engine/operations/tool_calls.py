"""Steps of a tool call: it is checked, prepared, run, and looked into when in doubt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import JsonValue

from outlast.protocol import Time
from outlast_worker.engine.names import check_step, child_step, claim_step, tool_step, verify_step
from outlast_worker.engine.operations.operation import CallOperation, NameStep
from outlast_worker.engine.records import (
    ApprovalCheck,
    ChildInput,
    EffectClaim,
    EffectOutcome,
    EffectVerdict,
    PinnedTool,
    ToolRecord,
)


@dataclass(frozen=True)
class CheckApproval(CallOperation[ApprovalCheck]):
    """Find out whether a person must approve a call."""

    record: ClassVar[Any] = ApprovalCheck
    name_step: ClassVar[NameStep] = check_step

    def cancelled(self, at: Time) -> ApprovalCheck:
        """Ask a person: nothing runs unasked, nor any more."""
        return ApprovalCheck(outcome="needed", at=at)

    def crashed(self, error: Exception, at: Time) -> ApprovalCheck:  # noqa: ARG002  # the log has it
        """Ask a person: what can't be checked does not run unasked."""
        return ApprovalCheck(outcome="needed", at=at)


@dataclass(frozen=True)
class CheckArguments(CallOperation[ApprovalCheck]):
    """Find out whether a call fits the parameters of a tool that a client runs."""

    parameters: Mapping[str, JsonValue]
    record: ClassVar[Any] = ApprovalCheck
    name_step: ClassVar[NameStep] = check_step

    def cancelled(self, at: Time) -> ApprovalCheck:
        """Ask nobody: the run has ended."""
        return ApprovalCheck(outcome="refused", at=at)

    def crashed(self, error: Exception, at: Time) -> ApprovalCheck:
        """Ask nobody what can't be checked."""
        reason = f"The arguments could not be checked: {type(error).__name__}."
        return ApprovalCheck(outcome="refused", at=at, reason=reason, error_type="internal")


@dataclass(frozen=True)
class PrepareChild(CallOperation[ChildInput]):
    """Read what an agent is asked that is called."""

    record: ClassVar[Any] = ChildInput
    name_step: ClassVar[NameStep] = child_step

    def cancelled(self, at: Time) -> ChildInput:
        """Call nobody."""
        return ChildInput(at=at, error_type="stopped")

    def crashed(self, error: Exception, at: Time) -> ChildInput:
        """Call nobody, and say why."""
        text = f"What the agent is asked could not be read: {type(error).__name__}."
        return ChildInput(at=at, fault=text, error_type="internal")


@dataclass(frozen=True)
class RunTool(CallOperation[ToolRecord]):
    """Run a tool call."""

    record: ClassVar[Any] = ToolRecord
    name_step: ClassVar[NameStep] = tool_step

    def cancelled(self, at: Time) -> ToolRecord:
        """Return a result that says that the call may have run."""
        return ToolRecord.cancelled(at)

    def crashed(self, error: Exception, at: Time) -> ToolRecord:
        """Return a result that says that the call may have run."""
        return ToolRecord.crashed(error, at)


@dataclass(frozen=True)
class RunBuiltIn(CallOperation[ToolRecord]):
    """Run a call of a tool that the worker brings along; it only reads.

    Attributes:
        tool: The tool, as it was pinned.
        tools: All of the run's.
    """

    tool: PinnedTool
    tools: Sequence[PinnedTool]
    record: ClassVar[Any] = ToolRecord
    name_step: ClassVar[NameStep] = tool_step

    def cancelled(self, at: Time) -> ToolRecord:
        """Return a result that nobody reads any more."""
        return ToolRecord.cancelled(at)

    def crashed(self, error: Exception, at: Time) -> ToolRecord:
        """Return a result that says so."""
        return ToolRecord.crashed(error, at)


@dataclass(frozen=True)
class ClaimEffect(CallOperation[EffectClaim]):
    """Claim a `once` call for this process."""

    record: ClassVar[Any] = EffectClaim
    name_step: ClassVar[NameStep] = claim_step

    def cancelled(self, at: Time) -> EffectClaim:
        """Return a claim that nobody has."""
        return EffectClaim(claim_id=None, at=at)

    def crashed(self, error: Exception, at: Time) -> EffectClaim:  # noqa: ARG002  # the log has it
        """Return a claim that nobody has."""
        return EffectClaim(claim_id=None, at=at)


@dataclass(frozen=True)
class RunOnce(CallOperation[EffectOutcome]):
    """Run a `once` call, if this process has claimed it; join it if it runs already.

    `timeout_s` is the pinned one, from the claim on: no answer for the call counts before.
    """

    claim: EffectClaim
    timeout_s: float
    record: ClassVar[Any] = EffectOutcome
    name_step: ClassVar[NameStep] = tool_step

    def cancelled(self, at: Time) -> EffectOutcome:
        """Return that nobody knows."""
        return EffectOutcome(outcome="in_doubt", at=at, why="the run was cancelled meanwhile")

    def crashed(self, error: Exception, at: Time) -> EffectOutcome:
        """Return that nobody knows."""
        why = f"it failed in the worker: {type(error).__name__}"
        return EffectOutcome(outcome="in_doubt", at=at, why=why)


@dataclass(frozen=True)
class VerifyEffect(CallOperation[EffectVerdict]):
    """Find out whether a call in doubt happened."""

    record: ClassVar[Any] = EffectVerdict
    name_step: ClassVar[NameStep] = verify_step

    def cancelled(self, at: Time) -> EffectVerdict:
        """Return that nobody knows."""
        return EffectVerdict(outcome="unknown", at=at)

    def crashed(self, error: Exception, at: Time) -> EffectVerdict:  # noqa: ARG002  # the log has it
        """Return that nobody knows."""
        return EffectVerdict(outcome="unknown", at=at)
