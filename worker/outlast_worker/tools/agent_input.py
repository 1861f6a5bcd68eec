"""Reads what an agent is asked that another one calls as a tool."""

from datetime import UTC, datetime

from pydantic import ValidationError

from outlast.agent import Agent
from outlast.logging import get_logger
from outlast.registry import Registry
from outlast_worker.engine.operations import PlannedCall
from outlast_worker.engine.records import ChildInput
from outlast_worker.text import repair_surrogates
from outlast_worker.tools.author_code import call_safely, kind_of, text_of

_logger = get_logger()


def read_child_input(agent: Agent, registry: Registry, call: PlannedCall) -> ChildInput:
    """Return what is asked, or why nobody can be asked. It says no more to clients than to say."""
    at = datetime.now(UTC)
    tool = next((tool for tool in agent.agent_tools if tool.name == call.name), None)
    if tool is None or registry.get(tool.agent.name) is None:
        fault = f"The agent behind {call.name!r} is not there any more."
        return ChildInput(at=at, fault=fault, error_type="unknown_tool")
    try:
        text = call_safely(tool.render, call.arguments)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'arguments'}: {fault['msg']}"
            for fault in error.errors(include_url=False)
        )
        fault = repair_surrogates(f"The arguments of {call.name} are not valid: {faults}.")
        return ChildInput(at=at, fault=fault, error_type="invalid_arguments")
    except Exception as error:  # an author's validators may raise anything
        _logger.exception("child_input_failed", tool=call.name)
        failed = f"What {call.name} is asked can't be read: {kind_of(error)}"
        shown, told = f"{failed}. The worker's log says more.", f"{failed}: {text_of(error)}"
        return ChildInput(at=at, fault=shown, told=told, error_type="tool_error")
    return ChildInput(at=at, text=text)
