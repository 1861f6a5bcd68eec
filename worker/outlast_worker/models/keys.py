"""The keys of a provider, in the order in which they are tried."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from outlast_worker.settings import Provider, ProviderKey


@dataclass(frozen=True)
class Access:
    """How one attempt reaches its provider.

    Attributes:
        base_url: Instead of the provider's usual address.
        headers: Sent along.
        api_key: None where the API is to find it by itself.
        key_name: For the log.
    """

    base_url: str | None
    headers: Mapping[str, str]
    api_key: str | None
    key_name: str | None


def accesses(provider: Provider) -> list[Access]:
    """Return the ways to reach a provider, in the order in which to try them."""
    headers = {name: value.get_secret_value() for name, value in provider.headers.items()}
    keys: list[tuple[str | None, str | None]] = [
        (key.key.get_secret_value(), key.name) for key in _in_random_order(provider.keys)
    ]
    if not keys:
        # Servers of one's own often take no key, but libraries insist on some text.
        keys = [("none" if provider.base_url else None, None)]
    return [Access(provider.base_url, headers, key, name) for key, name in keys]


def _in_random_order(keys: Sequence[ProviderKey]) -> list[ProviderKey]:
    """Shuffle keys so that the heavier ones tend to come first."""
    # An exponential variate with the weight as its rate: the smallest is drawn by weight.
    return sorted(keys, key=lambda key: random.expovariate(key.weight))
