"""An agent's workflow: what it does before the loop, and whose steps it plays."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from fakes.orders import order
from fakes.records import answer
from fakes.steps import FakeSteps
from outlast import Agent, tool
from outlast.protocol import Run
from outlast.registry import Registry
from outlast_worker.deps import StepsFactory
from outlast_worker.main import make_dependencies
from outlast_worker.services.run import build_agent
from outlast_worker.settings import WorkerSettings


class Context:
    """Notes what is handed to Restate."""

    def __init__(self) -> None:
        self.log: list[tuple[str, str]] = []

    def request(self) -> Any:
        return SimpleNamespace(headers={})

    def promise(self, name: str, serde: Any) -> "Context":
        self.log.append(("promise", name))
        return self

    def resolve(self, value: str) -> None:
        self.log.append(("resolve", value))

    def set(self, key: str, _value: Any, serde: Any) -> None:
        self.log.append(("set", key))


async def run_with(make_steps: StepsFactory, context: Context) -> Run:
    agent = Agent(name="support", instructions="Help.")
    registry = Registry([agent], default_model="openai/x")
    dependencies = replace(make_dependencies(WorkerSettings(), registry), make_steps=make_steps)
    workflow: Any = build_agent(agent, dependencies).handlers["run"]
    return await workflow.fn(context, order().model_dump_json().encode())


async def test_steps_come_from_the_dependencies() -> None:
    """A test may put its own steps, or a wrapper of the real ones, under a run."""
    run = await run_with(lambda *_: FakeSteps(model=[answer("Done.")]), Context())
    assert (run.status, run.output) == ("completed", "Done.")


async def test_a_run_is_accepted_first() -> None:
    """Before anything else a run says by which request it was started, and what it was."""
    context, logged = Context(), list[tuple[str, str]]()

    def make_steps(*_: Any) -> FakeSteps:
        logged.extend(context.log)
        return FakeSteps(model=[answer("Done.")])

    await run_with(make_steps, context)
    assert logged == [
        ("promise", "accepted"),
        ("resolve", "h"),
        ("set", "order"),
        ("set", "metadata"),
    ]


def test_steps_of_who_takes_over() -> None:
    """A run is given the time that the longest step takes of anybody who may speak in it."""

    @tool(timeout=timedelta(hours=2))
    async def search() -> str:
        """Search."""
        return ""

    slow = Agent(name="slow", description="Searches.", instructions="Search.", tools=[search])
    desk = Agent(name="desk", instructions="Ask.", handoffs=[slow])
    other = Agent(name="other", instructions="Ask.")
    dependencies = make_dependencies(WorkerSettings(), Registry([desk, slow, other], "openai/x"))
    longest, usual = (
        build_agent(agent, dependencies).abort_timeout or timedelta(0) for agent in (desk, other)
    )
    assert longest > timedelta(hours=2) > usual
