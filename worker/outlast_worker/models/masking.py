"""Keeps secrets out of what clients and logs are shown of a provider's words."""

import os
import re
from collections.abc import Iterable, Mapping

from outlast_worker.settings import Provider
from outlast_worker.text import repair_surrogates

_SHOWN_CHARS = 500
# Paths are found in quadratic time, and a provider may quote megabytes.
_READ_CHARS = 2 * _SHOWN_CHARS
_SECRET = re.compile(r"(_KEY|APIKEY|_TOKEN|_SECRET|_PASSWORD)$")
_SHORTEST_SECRET_CHARS = 8
# Libraries put them into their errors' texts, at whatever white space.
_TRACEBACK = re.compile(r"\s*Traceback \(most recent call last\).*", re.DOTALL)
_PATH = re.compile(r"(?:[A-Za-z]:|/)[\w.+@/\\ -]*[/\\]([\w-]+\.py)\b")


def mask(text: str, providers: Mapping[str, Provider]) -> str:
    """Return what may be shown of what a provider or its library says.

    It may quote keys, and the worker's own files.
    """
    text = repair_surrogates(text)
    # Before anything is cut. The longest first: one secret may begin with another.
    for secret in sorted(_secrets(providers.values()), key=len, reverse=True):
        text = text.replace(secret, "***")
    text = text[:_READ_CHARS]
    return _PATH.sub(r"\1", _TRACEBACK.sub("", text))[:_SHOWN_CHARS]


def _secrets(providers: Iterable[Provider]) -> set[str]:
    found: set[str] = set()
    for provider in providers:
        found |= {key.key.get_secret_value() for key in provider.keys}
        for header in provider.headers.values():
            value = header.get_secret_value()
            found |= {value, *_long_ones(value.split()[-1:])}  # `Bearer …`
    found |= _long_ones(value for name, value in os.environ.items() if _SECRET.search(name))
    # As they are sent, and as their variables have them.
    return (found | {secret.strip() for secret in found}) - {""}


def _long_ones(values: Iterable[str]) -> set[str]:
    """Return what may be a secret; a short word may be anything."""
    return {value for value in values if len(value) >= _SHORTEST_SECRET_CHARS}
