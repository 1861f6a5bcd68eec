"""Reads what a model says to agents: to those that it calls, and to those that take over."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar

from pydantic import ValidationError

from outlast.agent import Agent
from outlast.logging import get_logger
from outlast.protocol import ToolErrorType
from outlast.registry import Registry
from outlast_worker.engine.planned_calls import PlannedCall
from outlast_worker.engine.records import ChildInput, HandoffRefused
from outlast_worker.text import repair_surrogates
from outlast_worker.tools.author_code import call_safely, kind_of, text_of

T = TypeVar("T")
_logger = get_logger()


class _Fault(NamedTuple):
    """Why a call can't be read. It says no more to clients than to say."""

    error_type: ToolErrorType
    fault: str
    told: str | None = None


def read_child_input(agent: Agent, registry: Registry, call: PlannedCall) -> ChildInput:
    """Return what an agent is asked that is called as a tool, or why nobody can be asked."""
    at = datetime.now(UTC)
    tool = next((tool for tool in agent.agent_tools if tool.name == call.name), None)
    if tool is None or registry.get(tool.agent.name) is None:
        fault = f"The agent behind {call.name!r} is not there any more."
        return ChildInput(at=at, fault=fault, error_type="unknown_tool")
    text = _read(call, tool.render)
    if isinstance(text, _Fault):
        return ChildInput(at=at, **text._asdict())
    return ChildInput(at=at, text=text)


def check_handoff(
    agent: Agent, registry: Registry, call: PlannedCall, to: str
) -> HandoffRefused | None:
    """Return why nobody takes over by a call; None if somebody may."""
    at = datetime.now(UTC)
    handoff = next((each for each in agent.transfers if each.name == call.name), None)
    if handoff is None or registry.get(to) is None:
        fault = f"The agent {to} is not there any more, so it can't take over."
        return HandoffRefused(at=at, fault=fault, error_type="handoff")
    fault = _read(call, handoff.check)
    return HandoffRefused(at=at, **fault._asdict()) if fault else None


def _read(call: PlannedCall, read: Callable[..., T]) -> T | _Fault:
    try:
        return call_safely(read, call.arguments)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'arguments'}: {fault['msg']}"
            for fault in error.errors(include_url=False)
        )
        told = repair_surrogates(f"The arguments of {call.name} are not valid: {faults}.")
        return _Fault("invalid_arguments", told)
    except Exception as error:  # an author's validators may raise anything
        _logger.exception("agent_input_failed", tool=call.name)
        failed = f"What {call.name} is asked can't be read: {kind_of(error)}"
        shown, told = f"{failed}. The worker's log says more.", f"{failed}: {text_of(error)}"
        return _Fault("tool_error", shown, told)
