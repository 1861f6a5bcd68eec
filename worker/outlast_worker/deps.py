"""What every run of this process shares."""

from dataclasses import dataclass

from outlast.registry import Registry
from outlast_worker.inflight import Inflight
from outlast_worker.live.hub import LiveHub
from outlast_worker.models.client import ModelClient
from outlast_worker.settings import WorkerSettings
from outlast_worker.tools.runner import ToolRunner


@dataclass(frozen=True)
class Dependencies:
    """Made once, in `main`."""

    settings: WorkerSettings
    registry: Registry
    model: ModelClient
    tools: ToolRunner
    inflight: Inflight
    live: LiveHub
    resources: object = None
    """What the agents' lifespan yields, while the worker serves."""
