"""A companion that one talks to for months: what was said long ago is summed up by itself."""

from outlast import Agent

agent = Agent(
    name="companion",
    description="Keeps you company, and remembers what you told it.",
    instructions="You keep somebody company. Be warm and brief; come back to what they told you.",
    # So small that a few messages show what happens; without it the model's own window counts.
    context_window=1_000,
)
