"""What every run of this process shares."""

from collections.abc import Callable
from dataclasses import dataclass

from restate import WorkflowContext

from outlast.agent import Agent
from outlast.contract import RunOrder
from outlast.registry import Registry
from outlast_worker.conversations import Conversations
from outlast_worker.engine.steps import Steps
from outlast_worker.inflight import Inflight
from outlast_worker.live.hub import LiveHub
from outlast_worker.mcp.tools import McpTools
from outlast_worker.models.client import ModelClient
from outlast_worker.settings import WorkerSettings
from outlast_worker.tools.effects import Effects
from outlast_worker.tools.runner import ToolRunner
from outlast_worker.webhooks.sender import WebhookSender

StepsFactory = Callable[[WorkflowContext, RunOrder, Agent, "Dependencies"], Steps]
"""Makes the steps of one attempt at one run. A test may wrap what it makes."""


@dataclass(frozen=True)
class Dependencies:
    """Made once, in `main`."""

    settings: WorkerSettings
    registry: Registry
    model: ModelClient
    tools: ToolRunner
    effects: Effects
    servers: McpTools
    inflight: Inflight
    live: LiveHub
    conversations: Conversations
    webhooks: WebhookSender
    make_steps: StepsFactory
    resources: object = None
    """What the agents' lifespan yields, while the worker serves."""
