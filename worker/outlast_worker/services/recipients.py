"""Reaches the runs of a thread, also those whose agents the worker no longer has.

Restate fails whoever calls a service that it does not know, again and again. A thread must not
stand still with a removed agent's run: what is for that one is left with a courier, who waits
until the agent is back.
"""

from collections.abc import Iterable
from typing import TypeVar

from restate import Context, RunOptions

from outlast.registry import Registry
from outlast_worker.services import calls
from outlast_worker.services.calls import Call
from outlast_worker.services.serde import serde_of
from outlast_worker.services.thread_calls import Delivery
from outlast_worker.services.thread_state import ThreadRun

I = TypeVar("I")  # noqa: E741  # as in the SDK

_FIND_AGENTS = "find agents"


class Recipients:
    """The runs of one prefix's threads."""

    def __init__(self, prefix: str, registry: Registry) -> None:
        self.prefix = prefix
        self._registry = registry

    async def missing(self, ctx: Context, runs: Iterable[ThreadRun]) -> frozenset[str]:
        """Return those of the runs' agents that this worker does not have.

        A step, since another worker may have others: in a rolling release one that is new.
        """
        agents = sorted({run.agent for run in runs})
        if not agents:
            return frozenset()

        async def find() -> list[str]:
            return [agent for agent in agents if self._registry.get(agent) is None]

        options = RunOptions[list[str]](serde=serde_of(list[str]))
        return frozenset(await ctx.run_typed(_FIND_AGENTS, find, options))

    def send(
        self, ctx: Context, missing: frozenset[str], call: Call[I, None], run: ThreadRun, value: I
    ) -> None:
        """Have a run's handler called, one-way; if its agent is missing, once that is back."""
        target = calls.run_target(self.prefix, run)
        if run.agent not in missing:
            call.send(ctx, target, value)
            return
        delivery = Delivery(
            service=target.service,
            key=target.key or "",
            handler=call.name,
            body=call.write(value).decode(),
        )
        calls.DELIVER.send(ctx, calls.thread_watch_target(self.prefix), delivery)
