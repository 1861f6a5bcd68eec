"""The worker, with all its model calls sent to one provider: the scripted one of tests.

An agent keeps the model it names, `anthropic/…` or any other; only the way there is another one.

    python -m outlast_local.testing.worker
"""

import sys
from collections.abc import Callable
from dataclasses import replace

from outlast.registry import Registry
from outlast_worker.__main__ import main
from outlast_worker.engine.operations import ModelCall
from outlast_worker.engine.records import ModelOutcome
from outlast_worker.main import make_dependencies
from outlast_worker.models.client import ModelClient
from outlast_worker.models.hearing import Preview
from outlast_worker.server import serve, stop_on_signals
from outlast_worker.settings import WorkerSettings


class OneProvider:
    """A `ModelClient` that asks the provider `openai` for the models of all of them."""

    def __init__(self, client: ModelClient) -> None:
        self._client = client

    async def load(self) -> None:
        """Get ready what takes long."""
        await self._client.load()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def knows_price(self, model: str) -> bool:
        """Tell whether it will be known what calls of a model cost."""
        return await self._client.knows_price(model)

    async def complete(self, call: ModelCall, preview: Callable[[], Preview]) -> ModelOutcome:
        """Call the model once."""
        model = f"openai/{call.model.partition('/')[2]}"
        return await self._client.complete(replace(call, model=model), preview)


async def serve_scripted(settings: WorkerSettings, registry: Registry) -> None:
    """Serve until a signal says to stop."""
    dependencies = make_dependencies(settings, registry)
    scripted = replace(dependencies, model=OneProvider(dependencies.model))
    await serve(scripted, stop_on_signals())


if __name__ == "__main__":
    sys.exit(main(serve_scripted))
