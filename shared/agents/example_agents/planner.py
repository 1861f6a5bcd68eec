"""A planner of days in cities, who has a scout look at each of them: an agent as a tool."""

from outlast import Agent, ToolError, tool

_SIGHTS = {
    "lisbon": ["the castle of São Jorge", "tram 28", "the Gulbenkian museum"],
    "porto": ["the Livraria Lello", "the cellars of Gaia", "the Serralves park"],
    "ulm": ["the minster, whose spire has 768 steps", "the fishermen's quarter"],
}


@tool(effect="read")
async def list_sights(city: str) -> list[str]:
    """List what there is to see in a city.

    Args:
        city: One of `Lisbon`, `Porto` and `Ulm`.
    """
    sights = _SIGHTS.get(city.lower())
    if sights is None:
        raise ToolError(f"Nobody was in {city} yet; there are Lisbon, Porto and Ulm.")
    return sights


scout = Agent(
    name="scout",
    description="Knows what there is to see in a city. Ask about one city at a time.",
    instructions="You tell what there is to see in a city. Look it up, and answer in a sentence.",
    tools=[list_sights],
)

agent = Agent(
    name="planner",
    description="Plans days in cities.",
    instructions="You plan days in cities. Ask the scout about each city; several at once is fine.",
    tools=[scout.as_tool()],
)
