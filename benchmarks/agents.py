"""The agents that are measured: `AGENTS=benchmarks.agents`."""

from outlast import Agent, Limits, tool


@tool
async def lookup(query: str) -> str:
    """Look up an item.

    Args:
        query: What to look for.
    """
    return f"value of {query}"


@tool(needs_approval=True)
async def pay(cents: int) -> str:
    """Pay.

    Args:
        cents: How much.
    """
    return f"paid {cents}"


agents = [
    Agent(
        name=name,
        instructions="You are a helpful agent.",
        model="openai/bench",
        tools=tools,
        limits=Limits(max_turns=500),
    )
    for name, tools in {"plain": [lookup], "careful": [lookup, pay]}.items()
]
agents.append(
    Agent(
        name="compacting",
        instructions="You are a helpful agent.",
        model="openai/bench",
        context_window=20_000,
    )
)
