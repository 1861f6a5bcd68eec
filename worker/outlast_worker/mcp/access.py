"""What opens a session with an MCP server, secrets included, and why none can be had."""

import asyncio
import inspect
import os
from collections.abc import Mapping

from outlast.errors import OutlastError
from outlast.logging import get_logger
from outlast.mcp import Credentials, McpServer, Secrets, fill_in
from outlast_worker.text import repair_surrogates

_MAX_REASON_CHARS = 500
_MIN_SECRET_CHARS = 6

_logger = get_logger()
Access = Mapping[str, str]
"""Headers of a server's URL, or variables of its command, with what is secret in them."""


class ServerUnavailable(OutlastError):
    """A server can't be reached, or its session broke. The message holds nothing secret."""


class ConnectionLost(ServerUnavailable):
    """A server went away during a call, which may have happened."""


class CallForgotten(OutlastError):
    """A server no longer knows of a call in which it had asked something: it may have happened."""

    def __init__(self, server: str) -> None:
        super().__init__(
            f"the MCP server {server} no longer knows of the call in which it had asked something"
        )


async def access_of(server: McpServer, tenant: str, metadata: Mapping[str, str]) -> Access:
    """Return what opens a session for runs of this tenant with this metadata.

    Raises:
        ServerUnavailable: A variable is not set, or the author's function failed.
    """
    given: Secrets = {}
    try:
        if server.credentials:
            given = await _ask(server.credentials, tenant, metadata)
    except Exception as error:  # an author's function may raise anything
        _logger.exception("mcp_credentials_failed", server=server.name)
        raise ServerUnavailable(
            f"The credentials for the MCP server {server.name} can't be had: "
            f"{type(error).__name__}. The worker's log says more."
        ) from error
    try:
        declared = {
            name: fill_in(text, os.environ)
            for name, text in {**server.env, **server.headers}.items()
        }
    except KeyError as error:
        raise ServerUnavailable(
            f"The MCP server {server.name} needs the variable {error.args[0]} in the worker's "
            "environment; set it and restart the worker."
        ) from error
    return {**declared, **given}


async def _ask(credentials: Credentials, tenant: str, metadata: Mapping[str, str]) -> Secrets:
    """Call an author's function, in a thread if it is a plain one: it may wait for a network."""
    if inspect.iscoroutinefunction(credentials):
        given = credentials(tenant, metadata)
    else:
        given = await asyncio.to_thread(credentials, tenant, metadata)
    return await given if inspect.isawaitable(given) else given


def reason_of(error: BaseException, access: Access | None = None) -> str:
    """Say why something failed, in one line; of a group, the first that says something.

    Args:
        error: What was raised: libraries quote headers that can't be sent.
        access: What is not to be told.
    """
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]  # of any type
    text = " ".join(str(error).split())  # pyright: ignore[reportUnknownArgumentType]  # the same
    text = masked(text, access or {})
    text = repair_surrogates(text)[:_MAX_REASON_CHARS]
    kind = type(error).__name__  # pyright: ignore[reportUnknownArgumentType]  # the same
    return f"{kind}: {text}" if text else kind


def masked(text: str, access: Access) -> str:
    """Return a text without what is not to be told."""
    for secret in sorted(_secrets_in(access), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def _secrets_in(access: Access) -> set[str]:
    """Return what is not to be told, whole and in its words, as quotes may escape what is between.

    What is as short as a flag is no secret.
    """
    words = {word for value in access.values() for word in (value.strip(), *value.split())}
    return {word for word in words if len(word) >= _MIN_SECRET_CHARS}
