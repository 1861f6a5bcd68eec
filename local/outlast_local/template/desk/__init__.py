"""The agents that app and worker serve: one file each, one line here."""

from desk.orders import agent as orders
from desk.resources import lifespan
from desk.stock import agent as stock
from outlast import Agent

__all__ = ["agents", "lifespan"]

agents: list[Agent] = [stock, orders]
