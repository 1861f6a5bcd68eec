"""A guide who asks where the user is: a tool that the user's own app runs."""

from datetime import timedelta

from pydantic import BaseModel, Field

from outlast import Agent, client_tool, tool


class Precision(BaseModel):
    """How exactly the place is needed."""

    city_only: bool = Field(default=True, description="Whether the name of the city is enough.")


find_user = client_tool(
    "find_user",
    "Find out where the user is. Their app may refuse to tell.",
    Precision,
    timeout=timedelta(minutes=15),
)


@tool(effect="read")
async def find_sights(city: str) -> list[str]:
    """Find what there is to see in a city.

    Args:
        city: Its English name.
    """
    sights = {"Berlin": ["Museum Island", "Tempelhof Field"], "Rome": ["Pantheon", "Trastevere"]}
    return sights.get(city, [])


agent = Agent(
    name="guide",
    description="Says what there is to see where the user is.",
    instructions="Say what there is to see where the user is. Ask their app for the place first.",
    tools=[find_user, find_sights],
    overrides={"options", "client_tools"},
)
