"""Refuses, before the worker serves, what no call of a model could mend."""

from collections.abc import Iterable, Sequence

from outlast.agent import Agent
from outlast.errors import DefinitionError
from outlast.logging import get_logger
from outlast.providers import correct_model, nearest_provider, provider_of
from outlast.registry import Registry
from outlast.settings_errors import InvalidSettings
from outlast_worker.models.client import ProviderApi
from outlast_worker.models.schema_loss import GOOGLE, lost_for_google

_logger = get_logger()


def check_models(
    apis: Sequence[ProviderApi], registry: Registry, providers: Iterable[str]
) -> list[ProviderApi]:
    """Refuse agents and settings that name a provider which nobody can call.

    Args:
        apis: In the order in which they are asked.
        registry: Whose agents have models.
        providers: The names in WORKER_PROVIDERS.

    Returns:
        The APIs that agents need.

    Raises:
        DefinitionError: The provider of a model is not known.
        InvalidSettings: One of WORKER_PROVIDERS is not.
        NotInstalled: A library is missing.
    """
    needed: list[ProviderApi] = []
    for agent, model in ((a, model) for a in registry for model in registry.models_of(a)):
        api = _serving(apis, model, agent.model_settings.names)
        if api not in needed:
            needed.append(api)
        if not api.knows(provider_of(model)):
            is_own = model in (agent.model, *agent.fallbacks)
            where = f"agent {agent.name}: model" if is_own else "the setting MODEL"
            raise DefinitionError(f"{where} is {model!r}: {correct_model(model)}")
        if provider_of(model) in GOOGLE:
            _warn_of_losses(agent, model)
    for number, name in enumerate(providers, start=1):
        if not _serving(apis, f"{name}/", ()).knows(name):
            # Without the name: where it and a key were swapped, it is the key.
            meant = nearest_provider(name)
            advice = f"did you mean {meant}?" if meant else "write one that litellm has"
            raise InvalidSettings(f"WORKER_PROVIDERS: name {number} is not a provider's; {advice}")
    return needed


def _warn_of_losses(agent: Agent, model: str) -> None:
    for tool in agent.functions:
        if lost := lost_for_google(tool.parameters):
            _logger.warning(
                "tool_parameters_reduced",
                agent=agent.name,
                tool=tool.name,
                model=model,
                not_told=lost,
            )


def _serving(apis: Sequence[ProviderApi], model: str, options: Iterable[str]) -> ProviderApi:
    return next(api for api in apis if api.serves(model, options))
