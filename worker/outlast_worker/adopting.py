"""Takes over a definition that another run has kept, where this worker can still carry it out."""

from collections.abc import Iterator
from datetime import UTC, datetime

from outlast.agent import Agent
from outlast.contract import RunOrder
from outlast.protocol import RunError
from outlast.registry import Registry
from outlast_worker.engine.records import (
    Pin,
    PinFailure,
    PinnedTool,
    PinOutcome,
    ToolKind,
)
from outlast_worker.pin import kind_of, limits_of


def adopt_pin(registry: Registry, order: RunOrder, pin: Pin) -> PinOutcome:
    """Return a kept definition for another run, which stops where its order and the agent say.

    Its code is the worker's of today, as for a run that goes on over a deploy. So it fails where
    something is gone that it names.
    """
    at = datetime.now(UTC)
    name = pin.agent or order.agent
    agent = registry.get(name)
    missing = ["the agent itself"] if agent is None else list(_missing(registry, agent, order, pin))
    if agent is None or missing:
        error = RunError(
            type="definition-missing",
            message=f"The agent {name} does not have any more what that definition needs: "
            f"{', '.join(missing)}. Fork the run with definition: current.",
            retryable=False,
        )
        return PinFailure(at=at, error=error)
    begins_anew = order.forked_from is None or order.forked_from.after_turn == 0
    return pin.model_copy(
        update={
            "at": at,
            "first_turn": None,
            "limits": limits_of(agent, order),
            "on_limit": agent.on_limit,
            "tool_choice": pin.tool_choice if begins_anew else None,
        }
    )


def _missing(registry: Registry, agent: Agent, order: RunOrder, pin: Pin) -> Iterator[str]:
    there = _There(registry, agent)
    for tool in pin.tools:
        if not there.has(tool):
            yield f"the tool {tool.name}"
    hooks = {(hook.point, hook.name) for hook in agent.hooks}
    for hook in pin.hooks or ():
        if (hook.point, hook.name) not in hooks:
            yield f"the hook {hook.name}"
    of_order = order.overrides and order.overrides.output_schema
    if pin.output and of_order is None and agent.output is None:
        yield "its output_type"


class _There:
    """What an agent has now."""

    def __init__(self, registry: Registry, agent: Agent) -> None:
        self._registry = registry
        self._kinds: dict[str, ToolKind] = {tool.name: kind_of(tool) for tool in agent.functions}
        self._called = {tool.name: tool.agent.name for tool in agent.agent_tools}
        self._handoffs = {handoff.name for handoff in agent.transfers}
        self._servers = {server.name for server in agent.mcp}

    def has(self, tool: PinnedTool) -> bool:
        """Tell whether calls of a kept tool can be carried out as it was kept."""
        if tool.server is not None:
            return tool.server in self._servers
        match tool.kind:
            case "client" | "built_in":  # a skill that is gone is told to the model that reads it
                return True
            case "handoff":
                return tool.name in self._handoffs
            case "agent":
                child = tool.child.agent if tool.child else ""
                return self._called.get(tool.name) == child and child in self._registry.names()
            case kind:
                return self._kinds.get(tool.name) == kind
