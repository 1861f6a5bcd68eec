"""Does what a run's operations say, in this process: the one place where steps have effects."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from outlast.agent import Agent
from outlast.contract import ConversationMark, RunOrder
from outlast.errors import OutlastError
from outlast.registry import Registry
from outlast.run_context import RunContext
from outlast.tool_context import ProgressReport, ToolContext
from outlast_worker.adopting import adopt_pin
from outlast_worker.contexts import run_context, tool_context
from outlast_worker.engine.offered import offered_tools
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
from outlast_worker.engine.prompt_size import estimate_tokens
from outlast_worker.engine.records import (
    CallPrice,
    CutOutcome,
    EffectClaim,
    EffectOutcome,
    EffectVerdict,
    Forgotten,
    HandoffOutcome,
    ModelOutcome,
    ModelRecord,
    Pin,
    PinOutcome,
    StoredMessage,
)
from outlast_worker.hooks import HookCaller
from outlast_worker.models.client import ModelClient
from outlast_worker.models.hearing import Preview
from outlast_worker.output import check_output
from outlast_worker.pin import pin_agent, without_price
from outlast_worker.settings import WorkerSettings
from outlast_worker.summaries import make_shorter
from outlast_worker.tools.agent_input import check_handoff, read_child_input
from outlast_worker.tools.built_in import run_built_in
from outlast_worker.tools.client_arguments import check_arguments
from outlast_worker.tools.effects import Effects
from outlast_worker.tools.runner import ToolRunner

Remember = Callable[[ConversationMark], Sequence[StoredMessage] | None]


class AgentMissing(OutlastError):
    """A run was handed over to an agent that this worker does not have."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The run was handed over to the agent {name}, which this worker does not have. It "
            "goes on as soon as a worker has it again."
        )


@dataclass(frozen=True)
class Execution:
    """Of one run's operations.

    Attributes:
        remember: Returns what was said on the run's thread before, if this process knows it.
        preview: Begins to show a turn's answer as it comes.
        reporter: Returns what a call of this id tells how far it is.
    """

    order: RunOrder
    agent: Agent
    registry: Registry
    settings: WorkerSettings
    model: ModelClient
    tools: ToolRunner
    effects: Effects
    resources: object
    remember: Remember
    preview: Callable[[int], Preview]
    reporter: Callable[[str], ProgressReport]

    async def execute(self, operation: Operation[Any]) -> Any:
        """Do it, and return what is to be journaled."""
        match operation:
            case PinAgent() | HandOver():
                return await self._fix_definition(operation)
            case AskModel() | Compact():
                return await self._ask_model(operation)
            case CheckApproval(call):
                return await self.tools.check(self.agent, call, self.tool_context(call))
            case CheckArguments(call, parameters):
                return check_arguments(call, parameters)
            case PrepareChild(call):
                return read_child_input(self.agent, self.registry, call)
            case RunTool(call):
                return await self.tools.execute(self.agent, call, self.tool_context(call))
            case RunBuiltIn():
                return run_built_in(self.agent, operation)
            case ClaimEffect() | RunOnce() | VerifyEffect():
                return await self._execute_once(operation)
            case CallHook():
                return await HookCaller(self.agent, self.tools, self._context).call(operation)
            case CheckOutput():
                return check_output(self.agent, self.order, operation)
            case _:
                raise TypeError(f"nobody executes {type(operation).__name__}")

    async def _ask_model(self, operation: AskModel | Compact) -> ModelOutcome | CutOutcome:
        call = operation.call
        said = self._whole_conversation(call)
        if said is None:
            return Forgotten()
        if isinstance(operation, Compact):
            return await make_shorter(operation, said, self.model)
        # What was found stays offered, even if the search itself is left out.
        tools = offered_tools(call.pin.tools, said, call.settings.tool_choice)
        pin = call.pin.model_copy(update={"tools": tools})
        read = call.stand_in.apply(said) if call.stand_in else said
        call = replace(call, pin=pin, messages=read, unread=None, stand_in=None)
        outcome = await self.model.complete(call, partial(self.preview, call.turn))
        if isinstance(outcome, ModelRecord) and not outcome.usage.input_tokens:
            outcome = outcome.model_copy(update={"estimated_tokens": estimate_tokens(read)})
        return outcome

    def _whole_conversation(self, call: ModelCall) -> Sequence[StoredMessage] | None:
        """Return what was said so far; None if nobody here remembers its beginning."""
        if not call.unread:
            return call.messages
        before = self.remember(call.unread)
        return None if before is None else [*before, *call.messages]

    def played_by(self, name: str | None) -> "Execution":
        """Return the execution of what follows when an agent has taken the run over.

        Args:
            name: The agent; None for the one that was asked.

        Raises:
            AgentMissing: This worker does not have it.
        """
        name = name or self.order.agent
        if name == self.agent.name:
            return self
        agent = self.registry.get(name)
        if agent is None:
            raise AgentMissing(name)
        return replace(self, agent=agent)

    async def _fix_definition(self, operation: PinAgent | HandOver) -> HandoffOutcome:
        """Fix the definition of who speaks from now on."""
        if isinstance(operation, HandOver):
            call, to = operation.call, operation.to
            if refused := check_handoff(self.agent, self.registry, call, to):
                return refused
            return await self.played_by(to).pin(first_turn=call.turn + 1)
        if operation.kept:
            return await self._checked(adopt_pin(self.registry, self.order, operation.kept))
        may_speak = {agent.name for agent in self.registry.teams.speakers_of(self.agent)}
        speaker = operation.speaker if operation.speaker in may_speak else None
        return await self.played_by(speaker).pin()

    async def pin(self, first_turn: int | None = None) -> PinOutcome:
        """Fix the definition of this agent; `first_turn` is its own, if it takes a run over."""
        context = self._context
        listings = await self.tools.list_of_servers(self.agent, context)
        pin = await pin_agent(
            self.registry, self.agent, self.order, self.settings, context, listings, first_turn
        )
        return await self._checked(pin)

    async def _checked(self, pin: PinOutcome) -> PinOutcome:
        """Add what is reserved by; refuse a definition whose cost is limited and not known."""
        if not isinstance(pin, Pin):
            return pin
        allowed = [each.cost_usd for each in self.order.allowances or ()]
        limits = [cost for cost in (pin.limits.max_cost_usd, *allowed) if cost is not None]
        for model in pin.all_models if limits else ():
            if not await self.model.knows_price(model):
                return without_price(pin, model, min(limits))
        is_reserved = any(cost is not None for cost in allowed)
        return pin.model_copy(update={"prices": self._prices(pin)}) if is_reserved else pin

    def _prices(self, pin: Pin) -> dict[str, CallPrice]:
        """Return what the run's model calls cost at most, as far as that is known beforehand."""
        found = {model: self.model.dearest_price(model) for model in pin.all_models}
        return {
            model: CallPrice(input=price[0], output=price[1])
            for model, price in found.items()
            if price
        }

    async def _execute_once(
        self, operation: ClaimEffect | RunOnce | VerifyEffect
    ) -> EffectClaim | EffectOutcome | EffectVerdict:
        match operation:
            case ClaimEffect(call):
                return self.effects.claim(self.order.run_id, _hash_of(call))
            case RunOnce(call, claim, timeout_s):
                return await self._run_once(call, claim, timeout_s)
            case VerifyEffect(call):
                return await self.tools.verify(self.agent, call, self.tool_context(call))

    async def _run_once(
        self, call: PlannedCall, claim: EffectClaim, timeout_s: float
    ) -> EffectOutcome:
        if claim.arguments_hash != _hash_of(call):
            raise ValueError(f"the call {call.call_id} is not the one that was claimed")
        begin = partial(self.tools.execute_once, self.agent, call, self.tool_context(call))
        return await self.effects.run(claim, timeout_s, begin)

    def tool_context(self, call: PlannedCall) -> ToolContext:
        """Return what a tool may know of a call."""
        known = tool_context(self._context, call.turn, call.call_id)
        return replace(known, on_progress=self.reporter(call.call_id))

    @property
    def _context(self) -> RunContext:
        return run_context(self.order, self.agent, self.resources)


def _hash_of(call: PlannedCall) -> str:
    arguments = json.dumps(dict(call.arguments), sort_keys=True)
    return hashlib.sha256(arguments.encode()).hexdigest()[:32]
