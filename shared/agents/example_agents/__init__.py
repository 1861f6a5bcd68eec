"""The agents that both processes serve: one file each, one line here."""

from example_agents.assistant import agent as assistant
from example_agents.bookkeeper import agent as bookkeeper
from example_agents.cashier import agent as cashier
from example_agents.companion import agent as companion
from example_agents.concierge import agent as concierge
from example_agents.desk import agent as desk
from example_agents.guide import agent as guide
from example_agents.handbook import agent as handbook
from example_agents.office import agent as office
from example_agents.shipping import agent as shipping
from example_agents.support import agent as support
from example_agents.translator import agent as translator
from example_agents.triage import agent as triage
from example_agents.warehouse import agent as warehouse
from outlast import Agent

agents: list[Agent] = [
    support,
    desk,
    assistant,
    concierge,
    bookkeeper,
    guide,
    cashier,
    triage,
    warehouse,
    translator,
    shipping,
    handbook,
    office,
    companion,
]
