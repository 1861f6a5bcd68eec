"""An agent with hooks, and tools that they look at."""

from collections.abc import Callable
from typing import Any

from outlast import Agent, HookedCall, RunContext, before_tool, tool
from outlast.testing import RunResult, run_in_memory, text

PAID: list[int] = []


@tool
async def pay(cents: int) -> str:
    """Pay.

    Args:
        cents: How much.
    """
    PAID.append(cents)
    return f"paid {cents} to card 4711"


@tool(needs_approval=lambda cents: cents > 100)
async def pay_much(cents: int) -> str:
    """Pay, if a person agrees to what is much.

    Args:
        cents: How much.
    """
    return await pay(cents)


def an_agent(*hooks: Any) -> Agent:
    return Agent(name="desk", instructions="Help.", tools=[pay, pay_much], hooks=hooks)


async def run(hooks: Any, *model: Any, said: str = "Pay.", **options: Any) -> RunResult:
    agent = an_agent(*hooks) if isinstance(hooks, list | tuple) else an_agent(hooks)
    return await run_in_memory(agent, said, model=model or [text("Done.")], **options)


def before_pay(verdict: Callable[[HookedCall], Any], **options: Any) -> Any:
    @before_tool(**options)
    def look(call: HookedCall, _context: RunContext) -> Any:
        return verdict(call)

    return look
