"""With which keys a provider is reached: those of the settings, else those of the environment."""

import os
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from outlast.providers import PROVIDERS, key_variables, provider_of
from outlast_worker.models.faults import Symptoms
from outlast_worker.settings import Provider, ProviderKey

# Servers of one's own often take no key, but libraries insist on some text. It also keeps them
# from looking for one elsewhere: litellm would send them OpenAI's.
_NO_KEY = "none"


@dataclass(frozen=True)
class Access:
    """How one attempt reaches its provider.

    Attributes:
        base_url: Instead of the provider's usual address.
        headers: Sent along.
        api_key: None where the API is to find credentials by itself.
        key_name: For the log.
    """

    base_url: str | None
    headers: Mapping[str, str]
    api_key: str | None
    key_name: str | None


def accesses(name: str, provider: Provider) -> list[Access]:
    """Return the ways to reach a provider in the order in which to try them; none without a key.

    A key goes to no other provider than its own, wherever that one's address is.
    """
    headers = {
        header: value.get_secret_value().strip() for header, value in provider.headers.items()
    }
    given = [(key.key.get_secret_value(), key.name) for key in _in_random_order(provider.keys)]
    has_login = any(header.lower() == "authorization" for header in headers)
    is_optional = has_login or provider.base_url is not None
    keys = given or _keys_elsewhere(name, optional=is_optional)
    # Files and secret stores leave a line break at a key's end, which no header can have.
    return [
        Access(provider.base_url, headers, key and key.strip(), key_name) for key, key_name in keys
    ]


def missing_key(model: str) -> Symptoms:
    """Return what is seen of a call that can't be made."""
    variables = " or ".join(key_variables(provider_of(model)))
    text = (
        f"There is no API key for {model}. Set {variables}, or keys in WORKER_PROVIDERS, for the "
        "worker, and restart it."
    )
    return Symptoms(text, "key-missing")


def _keys_elsewhere(name: str, *, optional: bool) -> list[tuple[str | None, str | None]]:
    """Return the key of the environment, or what stands for one."""
    known = PROVIDERS.get(name)
    variables = key_variables(name)
    if variable := next((each for each in variables if os.environ.get(each)), None):
        return [(os.environ[variable], variable)]
    if known and (known.needs == "other" or any(os.environ.get(each) for each in known.instead)):
        return [(None, None)]
    if optional or (known and known.needs == "optional key"):
        return [(_NO_KEY, None)]
    return []


def _in_random_order(keys: Sequence[ProviderKey]) -> list[ProviderKey]:
    """Shuffle keys so that the heavier ones tend to come first."""
    # An exponential variate with the weight as its rate: the smallest is drawn by weight.
    return sorted(keys, key=lambda key: random.expovariate(key.weight))
