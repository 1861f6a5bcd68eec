"""The runs of one test: an agent's, and those of the agents that it calls."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from pydantic import JsonValue, SecretStr

from outlast.agent import Agent
from outlast.contract import RunOrder
from outlast.protocol import Run
from outlast.providers import provider_of
from outlast.registry import Registry
from outlast_worker.engine.loop import AgentLoop
from outlast_worker.engine.records import StoredMessage
from outlast_worker.execution import Execution
from outlast_worker.mcp.sessions import McpSessions
from outlast_worker.mcp.tools import McpTools
from outlast_worker.models.client import FailoverClient
from outlast_worker.settings import Provider, ProviderKey, WorkerSettings
from outlast_worker.testing.budget import MemoryBudget
from outlast_worker.testing.client_results import ClientResults
from outlast_worker.testing.decisions import Decisions
from outlast_worker.testing.live_recorder import LiveRecorder
from outlast_worker.testing.memory_steps import MemorySteps
from outlast_worker.testing.result import RunResult
from outlast_worker.testing.scripted_model import Script, ScriptedApi, ScriptError
from outlast_worker.testing.transcript import transcript
from outlast_worker.tools.effects import Effects
from outlast_worker.tools.runner import ToolRunner

_MODEL = "scripted/model"
# Nobody reads it. A real one of the environment has no business in a test.
_KEY = ProviderKey(name="scripted", key=SecretStr("no key is needed"))


class Outside(NamedTuple):
    """What people decide, and what clients and others send."""

    people: Decisions
    clients: ClientResults
    signals: Mapping[str, JsonValue]


class Team:
    """Runs an agent, and whatever it calls.

    Args:
        agents: Who is run, and others that are handed over to by name.
        model: What its model does.
        children: What the models of called agents do, by the agents' names.
        outside: What others do, in any of the runs.
        resources: What tools get.
    """

    def __init__(
        self,
        agents: Sequence[Agent],
        model: Script,
        children: Mapping[str, Script],
        outside: Outside,
        resources: object,
    ) -> None:
        self._agent = agents[0]
        self._model = ScriptedApi(model)
        self._models = {
            name: ScriptedApi(script, f'children={{"{name}": […]}}')
            for name, script in children.items()
        }
        self._people, self._clients, self._signals = outside
        self._resources = resources
        # The defaults, whatever the environment and a `.env` say.
        self._settings = WorkerSettings.model_construct()
        known = chain.from_iterable(map(_all_of, agents))
        self._registry = Registry(dict.fromkeys(known), _MODEL)
        self._servers = McpTools(McpSessions())
        self._tools = ToolRunner(self._settings.tool_threads, self._servers, sleep=_skip)
        self._effects = Effects()
        self._budget = MemoryBudget()
        self._threads = defaultdict[str, list[StoredMessage]](list)
        self._turns = defaultdict[str, asyncio.Lock](asyncio.Lock)

    async def close(self) -> None:
        """Run no more tools."""
        self._tools.close()
        await self._servers.close()

    async def run(
        self,
        order: RunOrder,
        steering: Mapping[int, Sequence[str]],
        history: Sequence[StoredMessage],
    ) -> RunResult:
        """Run the agent to its end.

        Raises:
            ScriptError: What the test says does not fit what the run does.
        """
        return await self._play(self._agent, order, self._model, steering, history)

    async def _play(
        self,
        agent: Agent,
        order: RunOrder,
        model: ScriptedApi,
        steering: Mapping[int, Sequence[str]],
        history: Sequence[StoredMessage],
    ) -> RunResult:
        api = ScriptedApi(model.answer)
        live, called = LiveRecorder(order.run_id), list[RunResult]()
        speakers = self._registry.teams.speakers_of(agent)
        models = chain.from_iterable(map(self._registry.models_of, speakers))
        providers = {provider_of(model): Provider(keys=[_KEY]) for model in models}
        execution = Execution(
            order=order,
            agent=agent,
            registry=self._registry,
            settings=self._settings,
            model=FailoverClient([api], providers, self._settings.model_timeout_s),
            tools=self._tools,
            effects=self._effects,
            resources=self._resources,
            remember=lambda _: None,
            preview=live.preview,
            reporter=live.reporter,
        )

        async def call_agent(child: RunOrder) -> Run:
            result = await self._play_child(child)
            called.append(result)
            return result.run

        people = self._people.of(speakers)
        steps = MemorySteps(
            execution,
            people,
            self._clients,
            steering,
            history,
            call_agent,
            self._signals,
            self._budget,
        )
        try:
            run = await AgentLoop(steps, order).run()
            if spare := self._spare(order, steps):
                ended = f"{run.status}: {run.error.message}" if run.error else run.status
                raise ScriptError(f"The run ended ({ended}), and {spare}")  # noqa: TRY301  # as the others
        except ScriptError as error:
            whose = f" of {agent.name}" if order.parent else ""
            so_far = transcript(order.input, steps.events, steps.keep.texts_told)
            raise ScriptError(f"{error}\n\nThe run{whose} so far:\n{so_far}") from error.__cause__
        finally:
            await steps.stop()
        before = [message.public() for message in history]
        requests, told = api.requests, steps.keep.texts_told
        left = steps.thread.left
        return RunResult(run, before, steps.events, live.events, requests, told, called, left)

    async def _play_child(self, order: RunOrder) -> RunResult:
        agent, model = self._registry.get(order.agent), self._models.get(order.agent)
        if agent is None or model is None:
            raise ScriptError(
                f"The agent {order.agent} is called, and nothing says what its model does. Add "
                f'`children={{"{order.agent}": [text("…")]}}`.'
            )
        if order.thread_id is None:
            return await self._play(agent, order, model, {}, ())
        async with self._turns[order.thread_id]:
            said = self._threads[order.thread_id]
            result = await self._play(agent, order, model, {}, said)
            self._threads[order.thread_id] = [
                StoredMessage(**message.model_dump()) for message in result.thread
            ]
            return result

    def _spare(self, order: RunOrder, steps: MemorySteps) -> str | None:
        """Return what the test says in vain; what it says of children only the end can tell."""
        if order.parent:
            return None
        models = (model.spare for model in [self._model, *self._models.values()])
        spare = next(filter(None, models), None) or self._people.spare
        return spare or self._clients.spare or steps.spare


def _all_of(agent: Agent) -> Iterator[Agent]:
    yield agent
    for tool in agent.agent_tools:
        yield from _all_of(tool.agent)
    for handoff in agent.transfers:
        if isinstance(handoff.agent, Agent):
            yield from _all_of(handoff.agent)


async def _skip(_delay_s: float) -> None:
    """Wait without waiting."""
