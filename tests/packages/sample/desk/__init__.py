"""A user's project, as type checkers see it: agents, tools, resources and their tests."""

from desk.resources import lifespan
from desk.tools import approve, close, refund, stock
from outlast import Agent, Limits, ModelSettings

desk = Agent(
    name="desk",
    description="Answers customers.",
    instructions="You work for {{company}}.",
    model="openai/gpt-5.4-mini",
    tools=[approve, close, refund, stock],
    limits=Limits(max_turns=5),
    model_settings=ModelSettings(temperature=0),
)
agents: list[Agent] = [desk]

__all__ = ["agents", "lifespan"]
