"""A concierge who knows the time of day: instructions that a function makes for each run."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from outlast import Agent, RunContext, ToolError, tool


async def instructions(context: RunContext) -> str:
    """Say where the guest is, and what time it is there."""
    zone = str(context.context.get("time_zone", "UTC"))
    try:
        now = datetime.now(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError):  # nobody knows it, on this machine at least
        zone, now = "UTC", datetime.now(UTC)
    return (
        "You are the concierge of a hotel. "
        f"It is {now:%H:%M on %A, %d %B %Y} where the guest is ({zone}). "
        "Answer briefly, in the language of the question."
    )


@tool(effect="read")
async def find_opening_hours(place: str) -> str:
    """Find out when a place is open.

    Args:
        place: One of `breakfast`, `pool` and `spa`.
    """
    hours = {"breakfast": "07:00 to 10:30", "pool": "06:00 to 22:00", "spa": "10:00 to 20:00"}
    if place not in hours:
        raise ToolError(f"There is no {place} here; there are breakfast, pool and spa.")
    return hours[place]


agent = Agent(
    name="concierge",
    description="Answers a hotel's guests; knows the time where they are.",
    instructions=instructions,
    tools=[find_opening_hours],
)
