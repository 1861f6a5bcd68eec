"""The agents that both processes serve, and the digest by which they compare them."""

import hashlib
import importlib
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from outlast.agent import Agent
from outlast.agent_checks import check_model
from outlast.agent_tool import AgentTool
from outlast.built_in import SEARCH_TOOLS
from outlast.client_tool import ClientTool
from outlast.errors import DefinitionError
from outlast.handoff import Handoff
from outlast.instructions import shown_instructions
from outlast.lifespan import Lifespan, check_lifespan
from outlast.logging import get_logger
from outlast.protocol import (
    AgentDescription,
    HandoffDescription,
    HookDescription,
    SkillDescription,
    ToolDescription,
)
from outlast.providers import PROVIDERS, nearest_provider, provider_of
from outlast.skills import Skill
from outlast.teams import Teams
from outlast.tool import AnyTool

_logger = get_logger()


class Registry:
    """Agents by name, with the model that those without one use.

    Attributes:
        lifespan: What the worker enters before it serves, if the agents' module has one.
        teams: How they work together.
    """

    def __init__(
        self, agents: Iterable[Agent], default_model: str, lifespan: Lifespan | None = None
    ) -> None:
        """Collect the agents.

        Raises:
            DefinitionError: Two agents of one name, one that is called or handed over to and is
                not among them, or a default model without its provider.
        """
        check_model(default_model, "the setting MODEL")
        self.lifespan = lifespan
        self._default_model = default_model
        self._agents: dict[str, Agent] = {}
        for agent in agents:
            if agent.name in self._agents:
                raise DefinitionError(f"two agents are called {agent.name!r}; rename one of them")
            self._agents[agent.name] = agent
        self.teams = Teams(self._agents)

    def __iter__(self) -> Iterator[Agent]:
        """Go through the agents in the order of their list."""
        return iter(self._agents.values())

    def get(self, name: str) -> Agent | None:
        """Return the agent of this name, if there is one."""
        return self._agents.get(name)

    def names(self) -> list[str]:
        """Return the agents' names."""
        return list(self._agents)

    def model_of(self, agent: Agent) -> str:
        """Return the model string that the agent runs with."""
        return agent.model or self._default_model

    def models_of(self, agent: Agent) -> list[str]:
        """Return the models that the agent may ask, in their order; last the one that sums up."""
        models = [self.model_of(agent), *agent.fallbacks, agent.compaction_model]
        return list(dict.fromkeys(filter(None, models)))

    def describe(self, agent: Agent) -> AgentDescription:
        """Return what clients may know of an agent."""
        return AgentDescription(
            name=agent.name,
            description=agent.description,
            model=self.model_of(agent),
            fallbacks=list(agent.fallbacks),
            model_settings=agent.model_settings,
            instructions=shown_instructions(agent.instructions),
            context=list(self.teams.context_of(agent)),
            limits=agent.limits,
            on_limit=agent.on_limit,
            overrides=sorted(agent.overrides),
            output_schema=dict(agent.output.shape) if agent.output else None,
            tools=_describe_tools(agent),
            handoffs=[self._describe_handoff(handoff) for handoff in agent.transfers],
            sticky_handoff=agent.sticky_handoff,
            hooks=[HookDescription(point=hook.point, name=hook.name) for hook in agent.hooks],
            mcp=[server.name for server in agent.mcp],
            skills=[_describe_skill(skill) for skill in agent.known_skills],
            search_tools=SEARCH_TOOLS in agent.built_in,
            compaction=agent.compaction,
            compact_at=agent.compact_at,
            compaction_model=agent.compaction_model,
            context_window=agent.context_window,
            digest=self.agent_digest(agent),
        )

    def agent_digest(self, agent: Agent) -> str:
        """Return a digest over all that makes the agent behave as it does, code apart."""
        is_own = self.get(agent.name) is agent
        return self._digests[agent.name] if is_own else self._digest_of(agent)

    @cached_property
    def _digests(self) -> Mapping[str, str]:
        # Each run is given its agent's: with fifty tools that would take a millisecond.
        return {agent.name: self._digest_of(agent) for agent in self}

    def _digest_of(self, agent: Agent) -> str:
        retries = agent.output_retries
        return _digest(
            {
                "name": agent.name,
                "description": agent.description,
                "model": self.model_of(agent),
                "instructions": shown_instructions(agent.instructions),
                "limits": agent.limits.model_dump(),
                "on_limit": agent.on_limit,
                "overrides": sorted(agent.overrides),
                "fallbacks": list(agent.fallbacks),
                "fallback_on_refusal": agent.fallback_on_refusal,
                "hooks": [[hook.point, hook.name] for hook in agent.hooks],
                "output": agent.output and {"shape": agent.output.shape, "retries": retries},
                "keep_reasoning": agent.keep_reasoning,
                "model_settings": agent.model_settings.model_dump(exclude_none=True),
                "tools": [tool.model_dump() for tool in _describe_tools(agent)],
                "mcp": [server.describe() for server in agent.mcp],
                "skills": [[s.name, s.description, s.digest] for s in agent.known_skills],
                "search_tools": agent.search_tools,
                **self._handoffs_in_digest(agent),
                "compaction": [
                    agent.compaction,
                    agent.compact_at,
                    agent.compaction_model,
                    agent.context_window,
                ],
            }
        )

    def _describe_handoff(self, handoff: Handoff) -> HandoffDescription:
        return HandoffDescription(
            agent=handoff.target,
            name=handoff.name,
            description=self.teams.told_of(handoff),
            parameters=dict(handoff.parameters),
        )

    def _handoffs_in_digest(self, agent: Agent) -> Mapping[str, Any]:
        """Return what is in the digest of an agent that hands over: others have none of it."""
        if not agent.transfers:
            return {}
        described = [self._describe_handoff(each).model_dump() for each in agent.transfers]
        return {"handoffs": described, "sticky_handoff": agent.sticky_handoff}

    def digests(self) -> Mapping[str, str]:
        """Return each agent's digest."""
        return self._digests

    def digest(self) -> str:
        """Return one digest over all agents."""
        return _digest(dict(self.digests()))


def load_registry(module: str, default_model: str) -> Registry:
    """Import the list `agents` of a module, and its `lifespan` if it has one.

    Args:
        module: Such as `example_agents`; the setting `AGENTS`.
        default_model: The setting `MODEL`.

    Raises:
        DefinitionError: Module or list are not there, or something is declared wrongly.
    """
    try:
        imported = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise DefinitionError(
            f"AGENTS={module}: there is no such module; "
            "name one that has a list `agents`, in this folder or installed"
        ) from error
    agents = getattr(imported, "agents", None)
    if not isinstance(agents, list) or not agents:
        raise DefinitionError(
            f"AGENTS={module}: it needs a list `agents: list[Agent]` that is not empty"
        )
    wrong = [item for item in agents if not isinstance(item, Agent)]  # pyright: ignore[reportUnknownVariableType]
    if wrong:
        raise DefinitionError(f"AGENTS={module}: {wrong[0]!r} in the list `agents` is no Agent")
    given = getattr(imported, "lifespan", None)
    lifespan = None if given is None else check_lifespan(given, f"AGENTS={module}")
    return Registry(agents, default_model, lifespan)  # pyright: ignore[reportUnknownArgumentType]


def warn_of_unknown_providers(registry: Registry) -> None:
    """Log models that most likely name another provider than was meant.

    Only the worker can tell for sure: it can ask the library that calls providers.
    """
    for agent, model in ((a, model) for a in registry for model in registry.models_of(a)):
        provider = provider_of(model)
        if provider not in PROVIDERS and (meant := nearest_provider(provider)):
            corrected = model.replace(provider, meant, 1)
            _logger.warning(
                "unknown_provider", agent=agent.name, model=model, did_you_mean=corrected
            )


def _describe_tools(agent: Agent) -> list[ToolDescription]:
    return [
        _describe_tool(tool).model_copy(update={"deferred": agent.defers(tool) or None})
        for tool in agent.tools
    ]


def _describe_tool(tool: AnyTool | ClientTool | AgentTool) -> ToolDescription:
    if isinstance(tool, AgentTool):
        return ToolDescription(
            name=tool.name,
            description=tool.description,
            parameters=dict(tool.parameters),
            kind="agent",
            agent=tool.agent.name,
            child_thread=tool.thread,
            child_context=tool.context,
            **_approval_of(tool),
        )
    if isinstance(tool, ClientTool):
        return ToolDescription(
            name=tool.name,
            description=tool.description,
            parameters=dict(tool.parameters),
            kind="client",
            effect="idempotent",
            timeout_s=tool.timeout.total_seconds(),
            retries=0,
            needs_approval=False,
        )
    return ToolDescription(
        name=tool.name,
        description=tool.description,
        parameters=dict(tool.parameters),
        effect=tool.effect,
        verifies=tool.verify is not None,
        timeout_s=tool.timeout.total_seconds(),
        retries=tool.retries,
        **_approval_of(tool),
        durable=tool.durable or None,
        signals=sorted(tool.signals) or None,
    )


def _describe_skill(skill: Skill) -> SkillDescription:
    return SkillDescription(
        name=skill.name,
        description=skill.description,
        license=skill.license,
        compatibility=skill.compatibility,
        metadata=dict(skill.metadata),
        digest=skill.digest,
    )


def _approval_of(tool: AnyTool | AgentTool) -> dict[str, Any]:
    needed, timeout = tool.needs_approval, tool.approval_timeout
    return {
        "needs_approval": needed if isinstance(needed, bool) else "sometimes",
        "approval_timeout_s": timeout.total_seconds() if timeout else None,
    }


def _digest(value: Mapping[str, Any]) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
