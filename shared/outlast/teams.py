"""Who works with whom: which agents call which, and whom they may hand their runs over to."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain

from outlast.agent import Agent
from outlast.client_tool import ClientTool
from outlast.errors import DefinitionError
from outlast.handoff import Handoff
from outlast.spelling import nearest


class Teams:
    """The agents of one list, as they work together."""

    def __init__(self, agents: Mapping[str, Agent]) -> None:
        """Check that all are there who are called, or handed over to.

        Raises:
            DefinitionError: One is not, or could not go on.
        """
        self._agents = agents
        for agent in agents.values():
            self._check_called(agent)
            for handoff in agent.transfers:
                self._check_handoff(agent, handoff)
        for agent in agents.values():
            self._check_contexts(agent)

    def speakers_of(self, agent: Agent) -> list[Agent]:
        """Return who may speak in an agent's runs: itself, and all who may take those over."""
        return _reached(agent, self._takers_from)

    def context_of(self, agent: Agent) -> tuple[str, ...]:
        """Return the names that a run's context must have, whoever speaks in it or is called."""

        def who_gets_it(speaker: Agent) -> Iterator[Agent]:
            yield from self._takers_from(speaker)
            yield from (tool.agent for tool in speaker.agent_tools if tool.context)

        needed = (each.placeholders for each in _reached(agent, who_gets_it))
        return tuple(dict.fromkeys(chain.from_iterable(needed)))

    def may_ask_people(self, agent: Agent) -> bool:
        """Tell whether an agent's runs, or those below them, may wait for somebody outside."""

        def who_acts(speaker: Agent) -> Iterator[Agent]:
            yield from self._takers_from(speaker)
            yield from (tool.agent for tool in speaker.agent_tools)

        return any(map(_asks_people, _reached(agent, who_acts)))

    def told_of(self, handoff: Handoff) -> str:
        """Return what the model is told of a handoff."""
        return handoff.told(self._agents[handoff.target])

    def _takers_from(self, agent: Agent) -> Iterator[Agent]:
        return (self._agents[handoff.target] for handoff in agent.transfers)

    def _check_called(self, agent: Agent) -> None:
        """Refuse agents as tools that nobody could run."""
        for tool in agent.agent_tools:
            if self._agents.get(tool.agent.name) is not tool.agent:
                raise DefinitionError(
                    f"agent {agent.name}: it calls {tool.agent.name}, which is not in the list "
                    "`agents`; add that very agent, since it has runs of its own"
                )

    def _check_handoff(self, agent: Agent, handoff: Handoff) -> None:
        """Refuse a handoff to an agent that could not go on."""
        target = self._agents.get(handoff.target)
        if target is None and isinstance(handoff.agent, str):
            meant = nearest(handoff.target, self._agents)
            names = ", ".join(self._agents)
            raise DefinitionError(
                f"agent {agent.name}: it hands over to {handoff.target!r}, which is not in the "
                f"list `agents`; {f'did you mean {meant!r}?' if meant else f'there are {names}'}"
            )
        if target is None or (isinstance(handoff.agent, Agent) and handoff.agent is not target):
            raise DefinitionError(
                f"agent {agent.name}: it hands over to {handoff.target}, which is not in the "
                "list `agents`; add that very agent: the worker looks its tools up there"
            )
        try:
            handoff.told(target)
        except DefinitionError as error:
            raise DefinitionError(f"agent {agent.name}: {error}") from error

    def _check_contexts(self, agent: Agent) -> None:
        """Refuse agents as tools that get no context, and whoever takes over from them needs it."""
        for tool in agent.agent_tools:
            if not tool.context and (needed := self.context_of(tool.agent)):
                raise DefinitionError(
                    f"agent {agent.name}: {tool.agent.name}, or an agent that it hands over to, "
                    f"needs {', '.join(needed)} in the run's context, and context=False keeps it "
                    "from it; leave that out"
                )


def _asks_people(agent: Agent) -> bool:
    """Tell whether an agent itself may have its runs wait for somebody outside."""
    return (
        agent.on_limit == "approve"
        or bool(agent.mcp)  # whose tools may happen `once`: only the servers know
        or "client_tools" in agent.overrides
        or any(isinstance(tool, ClientTool) for tool in agent.tools)
        or any(tool.needs_approval for tool in (*agent.functions, *agent.agent_tools))
        or any(tool.signals or tool.effect == "once" for tool in agent.functions)
        or any(hook.point == "before_tool" for hook in agent.hooks)
    )


def _reached(first: Agent, follow: Callable[[Agent], Iterable[Agent]]) -> list[Agent]:
    """Return an agent and all that it leads to, each once: they may lead round in a circle."""
    reached = {first.name: first}
    ahead = [first]
    while ahead:
        for agent in follow(ahead.pop()):
            if agent.name not in reached:
                reached[agent.name] = agent
                ahead.append(agent)
    return list(reached.values())
