"""Where Anthropic's Messages are asked for, and with which key.

The variables that may hold another address, and how a path is completed, are those of litellm
1.106.2.
"""

import os
from collections.abc import Iterable, Mapping

from outlast_worker.models.keys import Access
from outlast_worker.models.litellm_options import WORDS_TO_LITELLM

PROVIDER = "anthropic"
BETAS = ("anthropic_beta", "betas")
"""Options that are a header."""
_USUAL_ADDRESS = "https://api.anthropic.com"
_ADDRESSES = ("ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL")
_TOKEN = "ANTHROPIC_AUTH_TOKEN"  # noqa: S105  # a variable's name
_VERSION = "2023-06-01"
# Tokens of people who have signed in stand in for keys.
_SIGNED_IN = "sk-ant-oat"
_SIGNED_IN_BETA = "oauth-2025-04-20"
# OpenAI's options, which litellm translates; those that need a beta header, which it adds; and
# those that change the price, which it knows.
_LITELLM_KNOWS = frozenset(
    {
        "container",
        "context_management",
        "function_call",
        "functions",
        "inference_geo",
        "max_completion_tokens",
        "mcp_servers",
        "reasoning",
        "response_format",
        "speed",
        "user",
        "web_search_options",
    }
)


def speaks(provider: str, options: Iterable[str]) -> bool:
    """Tell whether a model is called directly, with these options."""
    return provider == PROVIDER and (WORDS_TO_LITELLM | _LITELLM_KNOWS).isdisjoint(options)


def messages_url(base_url: str | None) -> str:
    """Return where messages are asked for: at the settings' address, the environment's, the usual.

    An address may have the path, or its beginning.
    """
    from_environment = (os.environ.get(name) for name in _ADDRESSES)
    address = base_url or next((each for each in from_environment if each), _USUAL_ADDRESS)
    address = address.rstrip("/")
    if address.endswith("/messages"):
        return address
    return f"{address.removesuffix('/v1')}/v1/messages"


def is_anthropics(host: str | None) -> bool:
    """Tell whether Anthropic itself is at a host, and no server that speaks as it does."""
    return host is not None and f".{host}".endswith(".anthropic.com")


def headers(
    access: Access, extra: Mapping[str, str] | None, betas: Iterable[str]
) -> dict[str, str]:
    """Return what a request carries beside its body.

    Args:
        access: With which key; the headers of the settings count last, and one of them may stand
            for the key.
        extra: The agent's own.
        betas: What is asked for that is not for everybody yet.
    """
    sent = {
        "content-type": "application/json",
        "accept": "text/event-stream, application/json",
        "anthropic-version": _VERSION,
    }
    all_betas = list(betas)
    for given in (extra or {}, access.headers):
        named = {name.lower(): value for name, value in given.items()}
        all_betas += named.pop("anthropic-beta", "").split(",")
        sent |= named
    if "authorization" not in sent:
        key, key_betas = _key(access)
        all_betas += key_betas
        sent = {**key, **sent}
    if kept := list(dict.fromkeys(beta.strip() for beta in all_betas if beta.strip())):
        sent["anthropic-beta"] = ",".join(kept)
    return sent


def _key(access: Access) -> tuple[dict[str, str], list[str]]:
    """Return the header that has the key, and what has to be asked for with it."""
    if access.api_key is None:
        return {"authorization": f"Bearer {os.environ.get(_TOKEN, '').strip()}"}, []
    if access.api_key.startswith(_SIGNED_IN):
        return {"authorization": f"Bearer {access.api_key}"}, [_SIGNED_IN_BETA]
    return {"x-api-key": access.api_key}, []
