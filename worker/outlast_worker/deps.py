"""What every run of this process shares."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from outlast.registry import Registry
from outlast_worker.engine.operations import ModelCall
from outlast_worker.engine.records import ModelOutcome
from outlast_worker.inflight import Inflight
from outlast_worker.live.hub import LiveAnswer, LiveHub
from outlast_worker.settings import WorkerSettings
from outlast_worker.tools.runner import ToolRunner


class ModelClient(Protocol):
    """Calls models. A cancelled task aborts the provider's request."""

    async def complete(self, call: ModelCall, preview: Callable[[], LiveAnswer]) -> ModelOutcome:
        """Call the model once and return its whole answer, or why there is none.

        Args:
            call: What to ask.
            preview: Begins to show a streamed answer as it comes, again for each attempt.
        """
        ...


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
