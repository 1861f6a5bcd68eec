"""All ways to speak to providers, in the order in which they are asked who serves a model."""

from collections.abc import Mapping
from typing import Literal

from outlast_worker.models.anthropic_http.api import AnthropicHttpApi
from outlast_worker.models.client import ProviderApi
from outlast_worker.models.litellm import LitellmApi
from outlast_worker.models.openai_http.api import OpenAiHttpApi
from outlast_worker.settings import Provider


def make_apis(
    client: Literal["auto", "litellm"],
    providers: Mapping[str, Provider],
    timeout_s: float,
    idle_s: float,
) -> list[ProviderApi]:
    """Make them.

    Args:
        client: Which of them, as WORKER_MODEL_CLIENT says.
        providers: How to reach them, by name.
        timeout_s: Of one call.
        idle_s: How long a provider may be silent.
    """
    by_litellm = LitellmApi(timeout_s, idle_s)
    if client == "litellm":
        return [by_litellm]
    return [OpenAiHttpApi(providers, idle_s), AnthropicHttpApi(idle_s), by_litellm]
