"""What all requests have in common: JSON, and a host that they go to."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson

from outlast_worker.models.http.transport import not_an_address


def encode(body: Mapping[str, Any]) -> bytes:
    """Write JSON; what is more than others take (long integers) is written all the same."""
    try:
        return orjson.dumps(body)
    except TypeError:
        return json.dumps(body).encode()


def host_of(url: str) -> str | None:
    """Return where a request goes.

    Raises:
        CallFailed: It can go nowhere.
    """
    try:
        return urlsplit(url).hostname
    except ValueError as error:
        raise not_an_address(url) from error
