"""All of this worker's services."""

from restate import Service, VirtualObject, Workflow

from outlast_worker.deps import Dependencies
from outlast_worker.services.budget import build_budget
from outlast_worker.services.durable_tools import build_durable_tools
from outlast_worker.services.recipients import Recipients
from outlast_worker.services.run import build_agent
from outlast_worker.services.thread import build_thread
from outlast_worker.services.thread_watch import build_thread_watch
from outlast_worker.services.webhook_watch import build_webhook_watch
from outlast_worker.services.webhooks import build_webhooks


def build_services(dependencies: Dependencies) -> list[Workflow | VirtualObject | Service]:
    """Make them."""
    recipients = Recipients(dependencies.settings.service_prefix, dependencies.registry)
    agents = [build_agent(agent, dependencies) for agent in dependencies.registry]
    durable = [build_durable_tools(agent, dependencies) for agent in dependencies.registry]
    agents += [workflow for workflow in durable if workflow]
    threads = [build_thread(recipients), build_thread_watch(recipients)]
    webhooks = [build_webhooks(dependencies), build_webhook_watch(dependencies)]
    budget = build_budget(dependencies.settings.service_prefix)
    return [*agents, budget, *threads, *webhooks]
