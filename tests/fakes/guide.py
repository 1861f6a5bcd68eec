"""An agent whose tools clients run: its own, and those that callers bring along."""

from datetime import timedelta

from pydantic import BaseModel, Field

from fakes.bank import send
from outlast import Agent, client_tool


class Place(BaseModel):
    """What to look for."""

    of: str = Field(description="Whom to find.")


agent = Agent(
    name="guide",
    instructions="Guide.",
    tools=[
        client_tool("locate", "Find where somebody is.", Place),
        client_tool("locate_soon", "The same, at once.", Place, timeout=timedelta(seconds=1)),
        send,
    ],
    overrides={"client_tools"},
)
