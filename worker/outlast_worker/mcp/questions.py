"""What servers may ask people for, and how they are answered, between the library's words and ours.

A server may mean harm: what can't be shown to a person, or not be checked, is refused.
"""

from typing import Any
from urllib.parse import urlsplit

from outlast.errors import ToolError
from outlast.json_schema import check_schema
from outlast_worker.engine.records import ServerQuestion
from outlast_worker.text import repair_surrogates

MAX_MESSAGE_CHARS = 4_000
MAX_URL_CHARS = 2_000


class UnusableQuestion(ToolError):
    """A server asks what no person can be asked. The text says why, for the server."""


def question_of(asked: Any, key: str = "") -> ServerQuestion:
    """Read what a server asks.

    Args:
        asked: The library's parameters of an elicitation, of a form or of a URL.
        key: By which the server tells it apart.

    Raises:
        UnusableQuestion: It is not for people.
    """
    message = repair_surrogates(asked.message)
    if len(message) > MAX_MESSAGE_CHARS:
        raise UnusableQuestion(f"a message may have up to {MAX_MESSAGE_CHARS} characters")
    if asked.mode == "url":
        return ServerQuestion(key=key, message=message, url=_checked_url(asked.url))
    schema = asked.requested_schema
    if schema.get("type") != "object":
        raise UnusableQuestion("a requested schema describes an object")
    try:
        check_schema(schema)
    except ValueError as error:  # what can't be written is no better than what is no schema
        raise UnusableQuestion(f"the requested schema can't be used: {error}") from error
    return ServerQuestion(key=key, message=message, content_schema=schema)


def _checked_url(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise UnusableQuestion("the URL can't be read") from error
    if parts.scheme not in ("https", "http") or not parts.hostname or len(url) > MAX_URL_CHARS:
        raise UnusableQuestion(
            f"a URL begins with https:// and has up to {MAX_URL_CHARS} characters"
        )
    return url
