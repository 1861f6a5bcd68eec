"""Sorts what customers write: an answer that a program reads, within narrow limits."""

from typing import Literal

from pydantic import BaseModel, Field

from outlast import Agent, Limits


class Ticket(BaseModel):
    """What a desk needs to know of a message."""

    category: Literal["order", "refund", "product", "other"]
    """What it is about."""
    urgency: Literal["low", "normal", "high"]
    """How soon somebody should look at it."""
    summary: str
    """The message in one sentence."""
    order_ids: list[str] = Field(default_factory=list, examples=[["A-1001"]])
    """The orders that it names."""


agent = Agent(
    name="triage",
    description="Sorts messages of customers for the desk.",
    instructions=(
        "You sort the messages of a furniture shop's customers. Read the message and say what it "
        "is about. Do not answer it. A damaged delivery is urgent."
    ),
    output_type=Ticket,
    output_retries=2,
    limits=Limits(max_turns=4, max_duration_s=120),
    overrides={"options", "output_schema"},
)
