"""What a run does to the world in journaled steps, as data.

Each kind knows the name of its step, what is journaled of it, and what that is when the step is
cut. A new kind is declared here and executed in `execution.py`; nothing else changes.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, Literal, TypeVar

from pydantic import JsonValue

from outlast.compaction import Compaction
from outlast.contract import ConversationMark
from outlast.hooks import HookedCall, ModelAnswer, Prompt, ToolResult
from outlast.protocol import ModelSettings, Run, Time, ToolErrorType
from outlast_worker.engine.names import (
    PIN,
    check_step,
    child_step,
    claim_step,
    compact_step,
    handoff_step,
    hook_step,
    model_step,
    output_step,
    tool_step,
    verify_step,
)
from outlast_worker.engine.records import (
    ApprovalCheck,
    ChildInput,
    CutOutcome,
    EffectClaim,
    EffectOutcome,
    EffectVerdict,
    HandoffOutcome,
    HookRecord,
    ModelFault,
    ModelOutcome,
    OutputCheck,
    Pin,
    PinFailure,
    PinnedHook,
    PinnedOutput,
    PinnedTool,
    PinOutcome,
    ServerAsks,
    ServerQuestion,
    StandIn,
    StoredMessage,
    ToolRecord,
)

T = TypeVar("T")


@dataclass(frozen=True)
class ModelCall:
    """One attempt at one turn's model call.

    Attributes:
        messages: The conversation; but for its beginning, if that is `unread`.
        unread: What comes before, which the process that asks may remember.
        stand_in: What the model reads in place of the first of all these.
        malformed: How many malformed answers came before.
        cache_key: The same for all calls of a conversation; says nothing of it.
        sums_up: Whether a summary is asked for, and not the run's next answer.
    """

    turn: int
    attempt: int
    model: str
    settings: ModelSettings
    pin: Pin
    messages: Sequence[StoredMessage]
    stream: bool
    unread: ConversationMark | None = None
    stand_in: StandIn | None = None
    malformed: int = 0
    cache_key: str = ""
    sums_up: bool = False


@dataclass(frozen=True)
class GivenAnswer:
    """What came of a question of an MCP server's: nobody may have answered it in time."""

    question: ServerQuestion
    action: Literal["accept", "decline", "cancel"]
    content: Mapping[str, JsonValue] | None = None


@dataclass(frozen=True)
class Answered:
    """What people have answered in the course of a call.

    Attributes:
        answers: All of them, in the order of the questions.
        asks: Where the call goes on with the last ones; None if it has to begin anew.
    """

    answers: tuple[GivenAnswer, ...] = ()
    asks: ServerAsks | None = None

    @property
    def latest(self) -> tuple[GivenAnswer, ...]:
        """Those with which the call goes on."""
        return self.answers[-len(self.asks.questions) :] if self.asks else ()


NOTHING_ANSWERED = Answered()


@dataclass(frozen=True)
class PlannedCall:
    """One tool call of a turn.

    Attributes:
        arguments: What is shown, checked, approved and run; they are read once.
        known: Whether the pinned definition has such a tool.
        server_tool: As it was pinned, if it is an MCP server's.
        fault: Why it is not to run, for the model, such as arguments that can't be read.
        fault_type: The same in a word.
        answered: What people have answered when its server asked.
    """

    turn: int
    call_id: str
    name: str
    arguments: Mapping[str, JsonValue]
    known: bool
    fault: str | None = None
    fault_type: ToolErrorType = "invalid_arguments"
    server_tool: PinnedTool | None = None
    answered: Answered = NOTHING_ANSWERED


class Operation(ABC, Generic[T]):
    """One step. Its name follows from constants and journaled data: a replay compares it."""

    record: ClassVar[Any]
    """The type of what is journaled, `T`."""

    @property
    @abstractmethod
    def step(self) -> str:
        """The step's name."""

    @abstractmethod
    def cancelled(self, at: Time) -> T:
        """Return what the step ends with when a cancellation breaks it off."""

    @abstractmethod
    def crashed(self, error: Exception, at: Time) -> T:
        """Return what the step ends with by a fault of ours."""


@dataclass(frozen=True)
class PinAgent(Operation[PinOutcome]):
    """Fix the agent's definition for this run.

    `speaker` is the agent that the thread remembers; null for the one that was asked. `kept` is the
    definition that another run has kept, if this one takes that over.
    """

    speaker: str | None = None
    kept: Pin | None = None
    record: ClassVar[Any] = PinOutcome

    @property
    def step(self) -> str:
        """The step's name."""
        return PIN

    def cancelled(self, at: Time) -> PinOutcome:
        """Return a pin that was never made."""
        return PinFailure.cancelled(at)

    def crashed(self, error: Exception, at: Time) -> PinOutcome:
        """Return what fails the run."""
        return PinFailure.crashed(error, at)


@dataclass(frozen=True)
class HandOver(Operation[HandoffOutcome]):
    """Fix the definition of the agent that takes the run over by a call."""

    call: PlannedCall
    to: str
    record: ClassVar[Any] = HandoffOutcome

    @property
    def step(self) -> str:
        """The step's name."""
        return handoff_step(self.call.name)

    def cancelled(self, at: Time) -> HandoffOutcome:
        """Return a pin that was never made."""
        return PinFailure.cancelled(at)

    def crashed(self, error: Exception, at: Time) -> HandoffOutcome:
        """Return what leaves the run with the agent that has it."""
        return PinFailure.crashed(error, at)


@dataclass(frozen=True)
class AskModel(Operation[ModelOutcome]):
    """Call the model once."""

    call: ModelCall
    record: ClassVar[Any] = ModelOutcome

    @property
    def step(self) -> str:
        """The step's name: attempts of a turn share it."""
        return model_step(self.call.turn)

    def cancelled(self, at: Time) -> ModelOutcome:
        """Return a call without an answer."""
        return ModelFault.cancelled(at)

    def crashed(self, error: Exception, at: Time) -> ModelOutcome:
        """Return what fails the run."""
        return ModelFault.crashed(error, at)


@dataclass(frozen=True)
class Compact(Operation[CutOutcome]):
    """Find out what of a prompt can be left out, and have a model sum that up.

    Attributes:
        call: Whose prompt, and which model sums up.
        how: Whether one does.
        is_urgent: Whether anything that is left out helps: it is too long as it is.
        halvings: How often what the model reads was halved, since it did not take it.
    """

    call: ModelCall
    how: Compaction
    is_urgent: bool
    halvings: int = 0
    record: ClassVar[Any] = CutOutcome

    def with_said(self, said: Sequence[StoredMessage]) -> "Compact":
        """Return the same of a conversation that was read."""
        return replace(self, call=replace(self.call, messages=said, unread=None))

    @property
    def step(self) -> str:
        """The step's name: attempts of a turn share it."""
        return compact_step(self.call.turn)

    def cancelled(self, at: Time) -> CutOutcome:
        """Return a call without an answer."""
        return ModelFault.cancelled(at)

    def crashed(self, error: Exception, at: Time) -> CutOutcome:
        """Return what leaves the prompt as it is."""
        return ModelFault.crashed(error, at)


@dataclass(frozen=True)
class CheckApproval(Operation[ApprovalCheck]):
    """Find out whether a person must approve a call."""

    call: PlannedCall
    record: ClassVar[Any] = ApprovalCheck

    @property
    def step(self) -> str:
        """The step's name."""
        return check_step(self.call.name)

    def cancelled(self, at: Time) -> ApprovalCheck:
        """Ask a person: nothing runs unasked, nor any more."""
        return ApprovalCheck(outcome="needed", at=at)

    def crashed(self, error: Exception, at: Time) -> ApprovalCheck:  # noqa: ARG002  # the log has it
        """Ask a person: what can't be checked does not run unasked."""
        return ApprovalCheck(outcome="needed", at=at)


@dataclass(frozen=True)
class CheckArguments(Operation[ApprovalCheck]):
    """Find out whether a call fits the parameters of a tool that a client runs."""

    call: PlannedCall
    parameters: Mapping[str, JsonValue]
    record: ClassVar[Any] = ApprovalCheck

    @property
    def step(self) -> str:
        """The step's name."""
        return check_step(self.call.name)

    def cancelled(self, at: Time) -> ApprovalCheck:
        """Ask nobody: the run has ended."""
        return ApprovalCheck(outcome="refused", at=at)

    def crashed(self, error: Exception, at: Time) -> ApprovalCheck:
        """Ask nobody what can't be checked."""
        reason = f"The arguments could not be checked: {type(error).__name__}."
        return ApprovalCheck(outcome="refused", at=at, reason=reason, error_type="internal")


@dataclass(frozen=True)
class PrepareChild(Operation[ChildInput]):
    """Read what an agent is asked that is called."""

    call: PlannedCall
    record: ClassVar[Any] = ChildInput

    @property
    def step(self) -> str:
        """The step's name."""
        return child_step(self.call.name)

    def cancelled(self, at: Time) -> ChildInput:
        """Call nobody."""
        return ChildInput(at=at, error_type="stopped")

    def crashed(self, error: Exception, at: Time) -> ChildInput:
        """Call nobody, and say why."""
        text = f"What the agent is asked could not be read: {type(error).__name__}."
        return ChildInput(at=at, fault=text, error_type="internal")


@dataclass(frozen=True)
class RunTool(Operation[ToolRecord]):
    """Run a tool call."""

    call: PlannedCall
    record: ClassVar[Any] = ToolRecord

    @property
    def step(self) -> str:
        """The step's name."""
        return tool_step(self.call.name)

    def cancelled(self, at: Time) -> ToolRecord:
        """Return a result that says that the call may have run."""
        return ToolRecord.cancelled(at)

    def crashed(self, error: Exception, at: Time) -> ToolRecord:
        """Return a result that says that the call may have run."""
        return ToolRecord.crashed(error, at)


@dataclass(frozen=True)
class RunBuiltIn(Operation[ToolRecord]):
    """Run a call of a tool that the worker brings along; it only reads.

    Attributes:
        tool: The tool, as it was pinned.
        tools: All of the run's.
    """

    call: PlannedCall
    tool: PinnedTool
    tools: Sequence[PinnedTool]
    record: ClassVar[Any] = ToolRecord

    @property
    def step(self) -> str:
        """The step's name."""
        return tool_step(self.call.name)

    def cancelled(self, at: Time) -> ToolRecord:
        """Return a result that nobody reads any more."""
        return ToolRecord.cancelled(at)

    def crashed(self, error: Exception, at: Time) -> ToolRecord:
        """Return a result that says so."""
        return ToolRecord.crashed(error, at)


@dataclass(frozen=True)
class ClaimEffect(Operation[EffectClaim]):
    """Claim a `once` call for this process."""

    call: PlannedCall
    record: ClassVar[Any] = EffectClaim

    @property
    def step(self) -> str:
        """The step's name."""
        return claim_step(self.call.name)

    def cancelled(self, at: Time) -> EffectClaim:
        """Return a claim that nobody has."""
        return EffectClaim(claim_id=None, at=at)

    def crashed(self, error: Exception, at: Time) -> EffectClaim:  # noqa: ARG002  # the log has it
        """Return a claim that nobody has."""
        return EffectClaim(claim_id=None, at=at)


@dataclass(frozen=True)
class RunOnce(Operation[EffectOutcome]):
    """Run a `once` call, if this process has claimed it; join it if it runs already.

    `timeout_s` is the pinned one, from the claim on: no answer for the call counts before.
    """

    call: PlannedCall
    claim: EffectClaim
    timeout_s: float
    record: ClassVar[Any] = EffectOutcome

    @property
    def step(self) -> str:
        """The step's name."""
        return tool_step(self.call.name)

    def cancelled(self, at: Time) -> EffectOutcome:
        """Return that nobody knows."""
        return EffectOutcome(outcome="in_doubt", at=at, why="the run was cancelled meanwhile")

    def crashed(self, error: Exception, at: Time) -> EffectOutcome:
        """Return that nobody knows."""
        why = f"it failed in the worker: {type(error).__name__}"
        return EffectOutcome(outcome="in_doubt", at=at, why=why)


@dataclass(frozen=True)
class VerifyEffect(Operation[EffectVerdict]):
    """Find out whether a call in doubt happened."""

    call: PlannedCall
    record: ClassVar[Any] = EffectVerdict

    @property
    def step(self) -> str:
        """The step's name."""
        return verify_step(self.call.name)

    def cancelled(self, at: Time) -> EffectVerdict:
        """Return that nobody knows."""
        return EffectVerdict(outcome="unknown", at=at)

    def crashed(self, error: Exception, at: Time) -> EffectVerdict:  # noqa: ARG002  # the log has it
        """Return that nobody knows."""
        return EffectVerdict(outcome="unknown", at=at)


HookSubject = Prompt | ModelAnswer | HookedCall | Run


@dataclass(frozen=True)
class CallHook(Operation[HookRecord]):
    """Call a hook.

    Attributes:
        subject: What it sees.
        result: Of `after_tool`: what came of the call.
    """

    hook: PinnedHook
    subject: HookSubject
    result: ToolResult | None = None
    record: ClassVar[Any] = HookRecord

    @property
    def step(self) -> str:
        """The step's name."""
        return hook_step(self.hook.name)

    def cancelled(self, at: Time) -> HookRecord:
        """Let nothing pass that was not looked at."""
        return HookRecord.failed("it was broken off", at)

    def crashed(self, error: Exception, at: Time) -> HookRecord:
        """Let nothing pass that was not looked at."""
        return HookRecord.failed(f"{type(error).__name__}. The worker's log says more", at)


@dataclass(frozen=True)
class CheckOutput(Operation[OutputCheck]):
    """Read a turn's answer as what it has to be."""

    turn: int
    text: str
    pinned: PinnedOutput
    record: ClassVar[Any] = OutputCheck

    @property
    def step(self) -> str:
        """The step's name."""
        return output_step(self.turn)

    def cancelled(self, at: Time) -> OutputCheck:
        """Return an answer that nobody has read."""
        return OutputCheck(at=at, faults=["The run was cancelled before the answer was read."])

    def crashed(self, error: Exception, at: Time) -> OutputCheck:
        """Return what the model can do nothing about; the run ends when it has tried again."""
        text = f"The worker could not read it: {type(error).__name__}."
        return OutputCheck(at=at, faults=[text])
