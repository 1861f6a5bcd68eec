"""An agent that each version of Outlast can declare: nothing here is newer than the oldest."""

from outlast import Agent, tool


@tool(needs_approval=True)
async def pay(cents: int) -> str:
    """Pay.

    Args:
        cents: How much.
    """
    return f"paid {cents}"


@tool
async def note(text: str) -> str:
    """Note.

    Args:
        text: What to note.
    """
    return f"noted {text}"


agents = [
    Agent(
        name="teller",
        instructions="Pay what is asked for.",
        model="openai/scripted",
        tools=[pay, note],
    )
]
