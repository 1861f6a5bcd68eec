"""The front after somebody has removed all whom it handed over to. `AGENTS=fakes.front_alone`."""

from outlast import Agent

agents = [Agent(name="front", instructions="You are alone.")]
