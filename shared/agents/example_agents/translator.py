"""A translator: how its model is asked, and which other one steps in."""

from outlast import Agent, ModelSettings

agent = Agent(
    name="translator",
    description="Translates into the language of the run's context.",
    instructions="Translate what the user says into {{language|English}}. Say nothing else.",
    fallbacks=["groq/llama-3.3-70b-versatile", "openrouter/anthropic/claude-sonnet-4.5"],
    model_settings=ModelSettings(max_output_tokens=4000),
)
