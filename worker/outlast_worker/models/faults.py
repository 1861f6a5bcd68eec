"""What a failed model call means: who must act, and whether trying again can help.

litellm renames and remaps providers' errors (a 529 becomes a 500, its own bugs become an
APIConnectionError), so the provider's own answer, further down the chain of exceptions, counts
before litellm's type. What is not known here is not retried.
"""

import json
import math
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from socket import gaierror
from typing import Any, cast

from outlast.protocol import RunError, RunErrorType

MALFORMED_ATTEMPTS = 3
_FIRST_DELAY_S = 0.5
_MAX_DELAY_S = 30.0
_MAX_RETRY_AFTER_S = 24 * 3600.0

_RETRYABLE = frozenset({408, 409, 425})
_TIMEOUTS = frozenset({"Timeout", "APITimeoutError", "ReadTimeout", "ConnectTimeout"})
_GARBLED = frozenset({"tool_use_failed"})
_TRANSPORT_MODULES = frozenset(
    {"aiohttp", "anyio", "httpcore", "httpcore2", "httpx", "httpx2", "openai", "ssl"}
)
_PREFIXES = re.compile(r"^(?:litellm\.)?(?:\w+Error: |\w+(?:Exception|Error) - )+")
_UNREADABLE = re.compile(r"Empty or invalid response|not a list|Invalid response object")
_NO_KEY = re.compile(
    r"Missing credentials|Missing \w+ API [Kk]ey|api_key client option must be set"
)
_NO_QUOTA = re.compile(r"exceeded your current quota|check your plan and billing")
_TOO_LONG = re.compile(r"Request too large|maximum context length|prompt is too long")
_FILTERED = re.compile(r"content_filter|content management policy|content_policy")


@dataclass(frozen=True)
class Fault:
    """A failed call. `key_bound`: another API key may do better."""

    error: RunError
    retry_after_s: float | None
    key_bound: bool = False


@dataclass(frozen=True)
class _Seen:
    """What an exception and its causes tell."""

    text: str
    status: int | None
    code: str
    names: frozenset[str]
    retry_after_s: float | None


def classify(error: BaseException, attempt: int, malformed_before: int = 0) -> Fault:
    """Say what an exception from litellm means.

    Args:
        error: As it was raised.
        attempt: Counted from 1, for the delay before the next one.
        malformed_before: How many of the answers before this one could not be read.
    """
    chain = list(_chain(error))
    seen = _Seen(
        text=_detail(chain[0]),
        status=_status(chain),
        code=next((code for link in chain if (code := _code(link))), ""),
        names=frozenset(type(link).__name__ for link in chain),
        retry_after_s=next(
            (after for link in chain if (after := _retry_after_s(link)) is not None), None
        ),
    )
    if any(isinstance(link, TimeoutError) for link in chain) or seen.names & _TIMEOUTS:
        return _unavailable("The model did not answer in time.", seen, attempt)
    if _is_broken_line(chain):
        return _unavailable(seen.text, seen, attempt)
    if (final := _final_fault(seen)) is not None:
        return final
    if _is_unreadable(chain) or seen.code in _GARBLED:
        return malformed(seen.text, malformed_before)
    if seen.status == 429:
        return replace(_unavailable(seen.text, seen, attempt), key_bound=True)
    # litellm gives its own bugs a 500 too: without an answer, only a broken line is retried.
    answered = "APIConnectionError" not in seen.names or any(_is_transport(link) for link in chain)
    if answered and (seen.status in _RETRYABLE or (seen.status or 0) >= 500):
        return _unavailable(seen.text, seen, attempt)
    if seen.status is not None and 400 <= seen.status < 500:
        return _final("model-rejected", seen.text)
    return _final("internal", f"{type(error).__name__}: {seen.text}")


def _final_fault(seen: _Seen) -> Fault | None:
    """Return the fault that no second try can mend, if it is one."""
    if (
        _NO_KEY.search(seen.text)
        or seen.status in (401, 403)
        or "AuthenticationError" in seen.names
    ):
        return _final("model-auth", seen.text, key_bound=True)
    if seen.code == "insufficient_quota" or _NO_QUOTA.search(seen.text):
        return _final("model-unavailable", seen.text, key_bound=True)
    too_long = "ContextWindowExceededError" in seen.names or seen.status == 413
    if too_long or _TOO_LONG.search(seen.text):
        return _final("context-too-long", seen.text)
    filtered = "ContentPolicyViolationError" in seen.names
    if filtered or (seen.status == 400 and _FILTERED.search(f"{seen.code} {seen.text}")):
        return _final("content-policy", seen.text)
    if seen.status == 404:
        return _final("model-not-found", seen.text)
    return None


def malformed(text: str, before: int) -> Fault:
    """Return the fault of an answer that can't be read: tried again, but not for ever."""
    attempt = before + 1
    retry = attempt < MALFORMED_ATTEMPTS
    error = RunError(type="model-malformed", message=text, retryable=True)
    return Fault(error, _delay_s(attempt) if retry else None)


def _unavailable(text: str, seen: _Seen, attempt: int) -> Fault:
    delay = _delay_s(attempt) if seen.retry_after_s is None else seen.retry_after_s
    return Fault(RunError(type="model-unavailable", message=text, retryable=True), delay)


def _final(kind: RunErrorType, text: str, *, key_bound: bool = False) -> Fault:
    return Fault(RunError(type=kind, message=text, retryable=False), None, key_bound)


def _delay_s(attempt: int) -> float:
    delay = min(_FIRST_DELAY_S * 2 ** (attempt - 1), _MAX_DELAY_S)
    return round(delay * random.uniform(0.8, 1.2), 3)  # noqa: S311  # jitter, not a secret


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


def _status(chain: Sequence[BaseException]) -> int | None:
    """Return the provider's own status if there was an answer, else what litellm made of it."""
    for link in chain:
        if type(link).__name__ == "HTTPStatusError":
            answer: Any = getattr(link, "response", None)
            return int(answer.status_code)
    for link in chain:
        status = getattr(link, "status_code", None)
        if isinstance(status, int):
            return status
    return None


def _retry_after_s(error: BaseException) -> float | None:
    """Read `retry-after-ms` and `retry-after` (seconds or a date)."""
    kept: Any = getattr(error, "litellm_response_headers", None)
    headers: Mapping[str, str] = (
        kept or getattr(getattr(error, "response", None), "headers", None) or {}
    )
    milliseconds, after = headers.get("retry-after-ms"), headers.get("retry-after")
    if (delay_s := _number(milliseconds)) is not None:
        return delay_s / 1000
    delay_s = _number(after)
    return _seconds_until(after) if delay_s is None and after else delay_s


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return min(max(0.0, value), _MAX_RETRY_AFTER_S) if math.isfinite(value) else None


def _seconds_until(date: str) -> float | None:
    try:
        until = parsedate_to_datetime(date)
        if until.tzinfo is None:  # the zone `-0000`
            until = until.replace(tzinfo=UTC)
        delay_s = (until - datetime.now(UTC)).total_seconds()
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, delay_s), _MAX_RETRY_AFTER_S)


def _is_unreadable(chain: Sequence[BaseException]) -> bool:
    """Tell whether there was an answer, and it was no JSON or no model's answer."""
    if any(isinstance(link, json.JSONDecodeError) for link in chain):
        return not any(type(link).__name__ == "HTTPStatusError" for link in chain)
    return _UNREADABLE.search(" ".join(str(link) for link in chain)) is not None


def _is_broken_line(chain: Sequence[BaseException]) -> bool:
    """Tell whether there was no answer; litellm takes a 403 in a port's number for a status."""
    answered = any(type(link).__name__ == "HTTPStatusError" for link in chain)
    return not answered and any(isinstance(link, ConnectionError | gaierror) for link in chain)


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
    return _PREFIXES.sub("", text).split("\nTraceback (most recent call last)")[0]
