"""A plain assistant: a conversation, no tools."""

from outlast import Agent

agent = Agent(
    name="assistant",
    description="Answers questions and keeps up a conversation.",
    instructions="You are a helpful assistant. Answer in the language of the question, briefly.",
    overrides={"instructions", "options"},
)
