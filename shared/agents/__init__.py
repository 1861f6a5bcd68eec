"""The agents that both processes serve: one file each, one line here."""

from shared import Agent
from shared.agents.assistant import agent as assistant
from shared.agents.support import agent as support

agents: list[Agent] = [support, assistant]
