"""What litellm's exceptions tell of a failed call.

litellm renames and remaps providers' errors (a 529 becomes a 500, its own bugs become an
APIConnectionError), so the provider's own answer, further down the chain of exceptions, counts
before litellm's type. Exceptions are known by their names: nothing of litellm is imported here.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from socket import gaierror
from typing import Any, cast

from outlast_worker.models.error_bodies import ProviderError, find_error
from outlast_worker.models.faults import Sign, Symptoms, retry_after_s

_TIMEOUTS = frozenset({"Timeout", "APITimeoutError", "ReadTimeout", "ConnectTimeout"})
_TRANSPORT_MODULES = frozenset(
    {"aiohttp", "anyio", "httpcore", "httpcore2", "httpx", "httpx2", "openai", "ssl"}
)
_PREFIXES = re.compile(r"^(?:litellm\.)?(?:\w+Error: |\w+(?:Exception|Error) - )+")
_BROKEN_OFF = re.compile(r"raised a streaming error - finish_reason")
_UNREADABLE = re.compile(r"Empty or invalid response|not a list|Invalid response object")


def symptoms_of(error: BaseException) -> Symptoms:
    """Read an exception and all that it came from."""
    chain = list(_chain(error))
    return Symptoms(
        text=_detail(chain[0]),
        sign=_sign(chain),
        status=_status(chain),
        code=next((code for link in chain if (code := _code(link))), ""),
        retry_after_s=next(
            (after for link in chain if (after := retry_after_s(_headers(link))) is not None), None
        ),
        exception=type(error).__name__,
    )


def headers_of(error: BaseException) -> Mapping[str, str]:
    """Return the headers of the provider's answer, if there was one."""
    none: dict[str, str] = {}
    return next((headers for link in _chain(error) if (headers := _headers(link))), none)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Go through an exception and all that it came from, litellm's wrappers included."""
    seen: set[int] = set()
    queue: list[BaseException | None] = [getattr(error, "original_exception", None), error]
    while queue:
        link = queue.pop(0)
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        queue += [getattr(link, "original_exception", None), link.__cause__, link.__context__]


def _sign(chain: Sequence[BaseException]) -> Sign | None:
    """Return what litellm made of an error; of several signs, the one that says most."""
    names = frozenset(type(link).__name__ for link in chain)
    if names & _TIMEOUTS or any(isinstance(link, TimeoutError) for link in chain):
        return "timeout"
    if _is_broken_line(chain):
        return "disconnected"
    if "AuthenticationError" in names:
        return "key-refused"
    if "ContextWindowExceededError" in names:
        return "too-long"
    if "ContentPolicyViolationError" in names:
        return "filtered"
    if any(_BROKEN_OFF.search(str(link)) for link in chain):
        return "broken-off"
    if _is_unreadable(chain):
        return "malformed"
    # litellm gives its own bugs a 500 too: without an answer, only a broken line is one.
    if "APIConnectionError" in names and not any(_is_transport(link) for link in chain):
        return "client-bug"
    return None


def _status(chain: Sequence[BaseException]) -> int | None:
    """Return the provider's own status if there was an answer, else what litellm made of it."""
    for link in chain:
        if _is_answer(link):
            answer: Any = getattr(link, "response", None)
            return int(answer.status_code)
    if error := next((error for link in chain if (error := _in_stream(link))), None):
        return error.symptoms().status
    for link in chain:
        status = getattr(link, "status_code", None)
        if isinstance(status, int):
            return status
    return None


def _in_stream(link: BaseException) -> ProviderError | None:
    """Return the error that came as an event: what raised it has no status, but the event may."""
    body: Any = getattr(link, "body", None)
    if not isinstance(body, dict) or hasattr(link, "status_code"):
        return None
    error = find_error({"error": body})
    return error if error and (error.status or error.names) else None


def _headers(error: BaseException) -> Any:
    kept: Any = getattr(error, "litellm_response_headers", None)
    return kept or getattr(getattr(error, "response", None), "headers", None) or {}


def _is_unreadable(chain: Sequence[BaseException]) -> bool:
    """Tell whether there was an answer, and it was not JSON or not a model's answer."""
    if any(isinstance(link, json.JSONDecodeError) for link in chain):
        return not any(_is_answer(link) for link in chain)
    return _UNREADABLE.search(" ".join(str(link) for link in chain)) is not None


def _is_broken_line(chain: Sequence[BaseException]) -> bool:
    """Tell whether there was no answer; litellm takes a 403 in a port's number for a status."""
    answered = any(_is_answer(link) for link in chain)
    return not answered and any(isinstance(link, ConnectionError | gaierror) for link in chain)


def _is_answer(error: BaseException) -> bool:
    return type(error).__name__ == "HTTPStatusError"


def _is_transport(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return True
    return type(error).__module__.partition(".")[0] in _TRANSPORT_MODULES


def _code(error: BaseException) -> str:
    body: Any = getattr(error, "body", None)
    in_body = cast("dict[str, Any]", body).get("code") if isinstance(body, dict) else None
    return str(in_body or getattr(error, "code", None) or "")


def _detail(error: BaseException) -> str:
    """Return the error's text without litellm's stack of prefixes, whole: it may hold secrets."""
    text = str(getattr(error, "message", None) or error).strip() or type(error).__name__
    return _PREFIXES.sub("", text)
