"""Plays the odd answers of `model-quirks.json` through the engine's loop, over either client."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fakes.orders import order
from fakes.raw_server import RawServer
from outlast import Agent, tool
from outlast.contract import RunOrder
from outlast.protocol import Run
from outlast.registry import Registry
from outlast_worker.engine.loop import AgentLoop
from outlast_worker.engine.operations import ModelCall
from outlast_worker.engine.records import ModelFault, ModelOutcome
from outlast_worker.execution import Execution
from outlast_worker.models.apis import make_apis
from outlast_worker.models.client import FailoverClient
from outlast_worker.settings import Provider, WorkerSettings
from outlast_worker.testing.client_results import ClientResults
from outlast_worker.testing.decisions import Decisions
from outlast_worker.testing.live_recorder import LiveRecorder
from outlast_worker.testing.memory_steps import MemorySteps
from outlast_worker.tools.effects import Effects
from outlast_worker.tools.runner import ToolRunner
from unit.worker.models.asking import SETTINGS, Client

CASES: Sequence[dict[str, Any]] = json.loads(
    (Path(__file__).parents[3] / "fixtures" / "model-quirks.json").read_text()
)["cases"]
_TIMEOUT_S = 10


@tool
def add(a: int, b: int) -> int:
    """Add two numbers.

    Args:
        a: One.
        b: The other.
    """
    return a + b


@tool
def echo(text: str) -> str:
    """Say it again.

    Args:
        text: What to say.
    """
    return text


@tool
def empty() -> str:
    """Do nothing."""
    return ""


AGENT = Agent(name="odd", instructions="Help.", model="openai/x", tools=[add, echo, empty])


@dataclass
class Played:
    """What became of a case."""

    run: Run
    server: RawServer
    waits_s: list[float] = field(default_factory=list[float])
    """How long the run waited before each further request."""


@dataclass
class _Watched:
    """A `ModelClient` that notes the waits between attempts."""

    client: FailoverClient
    waits_s: list[float]

    async def load(self) -> None:
        await self.client.load()

    async def close(self) -> None:
        await self.client.close()

    async def knows_price(self, model: str) -> bool:
        return await self.client.knows_price(model)

    def dearest_price(self, model: str) -> tuple[float, float] | None:
        return self.client.dearest_price(model)

    async def complete(self, call: ModelCall, preview: Any) -> ModelOutcome:
        outcome = await self.client.complete(call, preview)
        if isinstance(outcome, ModelFault) and outcome.retry_after_s is not None:
            self.waits_s.append(outcome.retry_after_s)
        return outcome


async def play(answers: Sequence[Sequence[Any]], client: Client) -> Played:
    """Run an agent whose model answers so."""
    server = RawServer(answers)
    async with server.serving():
        providers = {"openai": Provider(base_url=server.url)}
        apis = make_apis(SETTINGS[client], providers, _TIMEOUT_S, _TIMEOUT_S)
        waits_s: list[float] = []
        watched = _Watched(FailoverClient(apis, providers, _TIMEOUT_S), waits_s)
        try:
            run = await _run(watched)
        finally:
            await watched.close()
    return Played(run, server, waits_s)


async def _run(client: _Watched) -> Run:
    ordered = order(agent=AGENT.name, created_at=datetime.now(UTC), stream=True)
    live = LiveRecorder(ordered.run_id)
    settings = WorkerSettings.model_construct(model_retry_for_s=20)
    tools = ToolRunner(4)
    execution = Execution(
        order=ordered,
        agent=AGENT,
        registry=Registry([AGENT], "openai/x"),
        settings=settings,
        model=client,
        tools=tools,
        effects=Effects(),
        resources=None,
        remember=lambda _: None,
        preview=live.preview,
        reporter=live.reporter,
    )
    steps = MemorySteps(execution, Decisions({}), ClientResults({}), {}, [], _call_nobody)
    try:
        return await AgentLoop(steps, ordered).run()
    finally:
        await steps.stop()
        tools.close()


async def _call_nobody(order: RunOrder) -> Run:
    raise AssertionError(f"this agent calls no other one, {order.agent} neither")
