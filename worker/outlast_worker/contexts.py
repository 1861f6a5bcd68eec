"""What an author's functions may know of the run that they are called for."""

from outlast.agent import Agent
from outlast.contract import RunOrder
from outlast.run_context import RunContext
from outlast.tool_context import ToolContext


def run_context(order: RunOrder, agent: Agent, resources: object) -> RunContext:
    """Return what hooks, and instructions that are a function, may know."""
    return RunContext(
        run_id=order.run_id,
        thread_id=order.thread_id,
        tenant=order.tenant,
        agent=agent.name,
        context=order.context,
        metadata=order.metadata,
        resources=resources,
    )


def tool_context(run: RunContext, turn: int, call_id: str) -> ToolContext:
    """Return what a tool may know of a call; nobody hears of its progress."""
    return ToolContext(
        **vars(run), turn=turn, call_id=call_id, idempotency_key=f"{run.run_id}:{call_id}"
    )
