"""Takes over a definition that another run has kept, where this worker can still carry it out."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from outlast.agent import Agent
from outlast.contract import RunOrder
from outlast.protocol import RunError, Time
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
    something is gone that it names, and people are asked before what today they are asked before:
    nobody gets around that by an old run.
    """
    at = datetime.now(UTC)
    name = pin.agent or order.agent
    agent = registry.get(name)
    if agent is None:
        return _failure(name, ["the agent itself"], at)
    there = _There(registry, agent)
    if missing := list(_missing(there, agent, order, pin)):
        return _failure(name, missing, at)
    begins_anew = order.forked_from is None or order.forked_from.after_turn == 0
    return pin.model_copy(
        update={
            "at": at,
            "first_turn": None,
            "tools": [there.as_asked_about(tool) for tool in pin.tools],
            "limits": limits_of(agent, order),
            "on_limit": agent.on_limit,
            "tool_choice": pin.tool_choice if begins_anew else None,
        }
    )


def _failure(name: str, missing: Sequence[str], at: Time) -> PinFailure:
    error = RunError(
        type="definition-missing",
        message=f"The agent {name} does not have any more what that definition needs: "
        f"{', '.join(missing)}. Fork the run with definition: current.",
        retryable=False,
    )
    return PinFailure(at=at, error=error)


def _missing(there: "_There", agent: Agent, order: RunOrder, pin: Pin) -> Iterator[str]:
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
        self._servers = {server.name: server for server in agent.mcp}
        asking = (tool for tool in (*agent.functions, *agent.agent_tools) if tool.needs_approval)
        self._asking = {tool.name: tool.approval_timeout for tool in asking}

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

    def as_asked_about(self, tool: PinnedTool) -> PinnedTool:
        """Return a kept tool, before whose calls people may be asked if today they may be."""
        if tool.may_need_approval or tool.kind in ("client", "built_in"):
            return tool
        server = self._servers.get(tool.server or "")
        if server is None:
            asks, timeout = tool.name in self._asking, self._asking.get(tool.name)
        else:
            asks = server.asks_before(tool.server_tool or tool.name)
            timeout = server.approval_timeout
        if not asks:
            return tool
        timeout_s = timeout.total_seconds() if timeout else None
        return tool.model_copy(update={"may_need_approval": True, "approval_timeout_s": timeout_s})
