"""The pin: the definition of an agent that one run keeps to its end."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from outlast.agent import DEFAULT_MAX_TURNS, Agent
from outlast.agent_tool import AgentTool
from outlast.client_tool import ClientTool
from outlast.contract import RunOrder
from outlast.handoff import Handoff
from outlast.logging import get_logger
from outlast.output import Output
from outlast.overrides import (
    Fault,
    as_far_as_allowed,
    faults_of,
    faults_of_choice,
    taken_names,
)
from outlast.protocol import ClientToolSpec, Limits, ModelCallOptions, Overrides, RunError, Time
from outlast.registry import Registry
from outlast.run_context import RunContext
from outlast.tool import AnyTool
from outlast_worker.engine.records import (
    Pin,
    PinFailure,
    PinnedChild,
    PinnedCompaction,
    PinnedHook,
    PinnedOutput,
    PinnedTool,
    PinOutcome,
    ToolKind,
)
from outlast_worker.instructions import NoInstructions, make_instructions
from outlast_worker.mcp.tools import Listing
from outlast_worker.models.prices import window_tokens
from outlast_worker.settings import WorkerSettings
from outlast_worker.tools.built_in import pin_built_in
from outlast_worker.tools.skills import tell_skills

_logger = get_logger()
_ALWAYS_ENDS = Limits(max_turns=DEFAULT_MAX_TURNS)


async def pin_agent(
    registry: Registry,
    agent: Agent,
    order: RunOrder,
    settings: WorkerSettings,
    context: RunContext,
    listings: Sequence[Listing] = (),
    first_turn: int | None = None,
) -> PinOutcome:
    """Render an agent's definition for this run, with what its servers have now.

    Args:
        registry: Knows the agents.
        agent: Who speaks from now on: the one that was asked, or one that takes the run over.
        order: What was asked for.
        settings: The worker's.
        context: What the agent's functions may know of the run.
        listings: What its servers have.
        first_turn: The agent's first one, if it takes over a run that goes on.
    """
    at = datetime.now(UTC)
    asked = _asked(agent, order, first_turn)
    if faults := faults_of(agent, asked):  # the app knows another definition
        return _refused(faults, at)
    if missing := [each.fault for each in listings if each.fault and each.server.required]:
        error = RunError(type="tool-server-unavailable", message=missing[0], retryable=True)
        return PinFailure(at=at, error=error, retry_for_s=settings.model_retry_for_s)
    output, tools = _output(agent, asked), _tools(registry, agent, asked, listings)
    if faults := faults_of_choice(agent, asked, {tool.name for tool in tools}):
        if agent.name == order.agent:
            return _refused(faults, at)
        asked = asked.model_copy(update={"tool_choice": None})
    options = asked.options or ModelCallOptions()
    try:
        instructions = await make_instructions(agent, context)
    except NoInstructions as failed:
        return PinFailure(at=at, error=failed.error)
    return Pin(
        at=at,
        agent=None if agent.name == order.agent else agent.name,
        first_turn=first_turn,
        digest=registry.agent_digest(agent),
        instructions="\n\n".join(
            filter(None, [instructions, tell_skills(agent.known_skills), asked.instructions])
        ),
        model=registry.model_of(agent),
        model_settings=agent.model_settings.override(options.model_dump()),
        tools=tools,
        limits=limits_of(agent, order),
        on_limit=agent.on_limit,
        model_retry_for_s=settings.model_retry_for_s,
        fallbacks=list(agent.fallbacks),
        fallback_after_s=settings.fallback_after_s,
        fallback_on_refusal=agent.fallback_on_refusal,
        keep_reasoning=agent.keep_reasoning or None,
        tool_choice=asked.tool_choice,
        hooks=[PinnedHook(point=hook.point, name=hook.name) for hook in agent.hooks] or None,
        output=output,
        compaction=_compaction(registry, agent),
    )


def _compaction(registry: Registry, agent: Agent) -> PinnedCompaction | None:
    if agent.compaction is None:
        return None
    windows = {model: window_tokens(model) for model in registry.models_of(agent)}
    if (given := agent.context_window) is not None:
        windows = {model: window or given for model, window in windows.items()}
        windows[registry.model_of(agent)] = given
    return PinnedCompaction(
        how=agent.compaction,
        at=agent.compact_at,
        windows={model: window for model, window in windows.items() if window},
        model=agent.compaction_model,
    )


def limits_of(agent: Agent, order: RunOrder) -> Limits:
    """Return where a run stops: of the agent's limits and the order's the lower ones count."""
    return _ALWAYS_ENDS.model_copy(update=agent.limits.given).lowered_to(order.limits)


def _asked(agent: Agent, order: RunOrder, first_turn: int | None) -> Overrides:
    """Return what is to be otherwise than the agent says; of one that takes over what it allows."""
    asked = order.overrides or Overrides()
    if first_turn:  # the choice is for the run's first answer alone
        asked = asked.model_copy(update={"tool_choice": None})
    return asked if agent.name == order.agent else as_far_as_allowed(agent, asked)


def _refused(faults: Sequence[Fault], at: Time) -> PinFailure:
    told = "; ".join(f"{name}: {why}" for name, why in faults)
    message = f"The run can't be otherwise than its agent: {told}."
    return PinFailure(
        at=at, error=RunError(type="override-refused", message=message, retryable=False)
    )


def _tools(
    registry: Registry, agent: Agent, asked: Overrides, listings: Sequence[Listing]
) -> list[PinnedTool]:
    client_tools = asked.client_tools or ()
    taken = taken_names(agent, asked) | {tool.name for tool in client_tools}
    tools = [
        *(_deferring(_pin_tool(tool), is_deferred=agent.defers(tool)) for tool in agent.tools),
        *(_pin_handoff(registry, handoff) for handoff in agent.transfers),
        *(_pin_client_tool(tool, tool.timeout_s) for tool in client_tools),
        *_of_servers(agent, listings, taken),
    ]
    return [*tools, *pin_built_in(agent, tools)]


def _deferring(tool: PinnedTool, *, is_deferred: bool) -> PinnedTool:
    return tool.model_copy(update={"deferred": True}) if is_deferred else tool


def _output(agent: Agent, asked: Overrides) -> PinnedOutput | None:
    own = asked.output_schema
    output = agent.output if own is None else Output.of_schema(own)
    return output and PinnedOutput(
        shape=dict(output.shape), is_wrapped=output.is_wrapped, retries=agent.output_retries
    )


def _pin_tool(tool: AnyTool | ClientTool | AgentTool) -> PinnedTool:
    if isinstance(tool, ClientTool):
        return _pin_client_tool(tool, tool.timeout.total_seconds())
    if isinstance(tool, AgentTool):
        return _pin_agent_tool(tool)
    is_once = tool.effect == "once"
    return PinnedTool(
        name=tool.name,
        description=tool.description,
        parameters=dict(tool.parameters),
        kind=kind_of(tool),
        signals=sorted(tool.signals) or None,
        **_approval_of(tool),
        timeout_s=tool.timeout.total_seconds() if is_once else None,
        verifies=tool.verify is not None,
    )


def _pin_agent_tool(tool: AgentTool) -> PinnedTool:
    return PinnedTool(
        name=tool.name,
        description=tool.description,
        parameters=dict(tool.parameters),
        kind="agent",
        child=PinnedChild(
            agent=tool.agent.name,
            own_thread=tool.thread == "own",
            gets_context=tool.context,
            is_sticky=tool.agent.sticky_handoff or None,
        ),
        **_approval_of(tool),
    )


def _approval_of(tool: AnyTool | AgentTool) -> dict[str, Any]:
    timeout = tool.approval_timeout
    return {
        "may_need_approval": bool(tool.needs_approval),
        "approval_timeout_s": timeout.total_seconds() if timeout else None,
    }


def _pin_handoff(registry: Registry, handoff: Handoff) -> PinnedTool:
    return PinnedTool(
        name=handoff.name,
        description=registry.teams.told_of(handoff),
        parameters=dict(handoff.parameters),
        kind="handoff",
        hands_over_to=handoff.target,
    )


def _pin_client_tool(tool: ClientTool | ClientToolSpec, timeout_s: float) -> PinnedTool:
    return PinnedTool(
        name=tool.name,
        description=tool.description,
        parameters=dict(tool.parameters),
        kind="client",
        timeout_s=timeout_s,
    )


def _of_servers(agent: Agent, listings: Sequence[Listing], taken: set[str]) -> list[PinnedTool]:
    """Return the servers' tools, but those whose names are taken: by a server before, too."""
    pinned: list[PinnedTool] = []
    for listing in listings:
        server = listing.server.name
        if listing.fault:
            _logger.warning("mcp_server_left_out", server=server, reason=listing.fault)
        for tool in listing.tools:
            if tool.name in taken:
                _logger.warning("mcp_tool_left_out", server=server, tool=tool.name, taken=True)
                continue
            taken.add(tool.name)
            own = listing.server.defers(tool.server_tool or tool.name)
            is_deferred = agent.search_tools if own is None else own
            pinned.append(_deferring(tool, is_deferred=is_deferred))
    return pinned


def without_price(pin: Pin, model: str, max_cost_usd: float) -> PinFailure:
    """Return what a run ends with whose cost is limited and would not be known."""
    price = '{"input": 0.2, "output": 0.6}'
    message = (
        f"The run may cost {max_cost_usd} US dollars, and nobody knows what "
        f"{model} costs. Set MODEL_PRICES={{{json.dumps(model)}: {price}}} for the worker, "
        "in US dollars for a million tokens, or limit max_tokens instead."
    )
    error = RunError(type="price-unknown", message=message, retryable=False)
    return PinFailure(at=pin.at, error=error)


def kind_of(tool: AnyTool) -> ToolKind:
    """Return how calls of a function are carried out."""
    if tool.durable:
        return "durable"
    return "once" if tool.effect == "once" else "function"
