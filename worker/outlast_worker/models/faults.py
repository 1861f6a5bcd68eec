"""What a failed model call means: who must act, and whether trying again can help.

A client tells what it saw, as `Symptoms`, whatever library it is made of. What is not known here
is not retried.
"""

import math
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

from outlast.protocol import RunError, RunErrorType
from outlast.providers import key_variables, provider_of
from outlast_worker.engine.operations import ModelCall

MALFORMED_ATTEMPTS = 3
_FIRST_DELAY_S = 0.5
_MAX_DELAY_S = 30.0
_MAX_DOUBLINGS = 6  # beyond the longest delay; after hours of attempts a float has no room
_MAX_RETRY_AFTER_S = 24 * 3600.0

_PASSING = frozenset({408, 409, 425})
_MALFORMED_CODES = frozenset({"tool_use_failed"})
_NO_KEY = re.compile(
    r"Missing credentials|Missing \w+ API [Kk]ey|api_key client option must be set|"
    r"Could not resolve authentication method|Unable to locate credentials|"
    r"default credentials were not found"
)
_BAD_KEY = re.compile(
    r"API key not valid|API_KEY_INVALID|(invalid|incorrect) api[ _-]?key", re.IGNORECASE
)
_NO_QUOTA = re.compile(
    r"exceeded your current quota|check your plan and billing|insufficient_quota|"
    r"(credit balance|balance|credits?) (is )?(too low|exhausted|depleted)|"
    r"insufficient[ _](credit|balance|fund)|no credits|out of credits|more credits",
    re.IGNORECASE,
)
_TOO_LONG = re.compile(
    r"Request too large|prompt is too long|input is too long|context.?length|context.?window|"
    r"context.?(size|limit)|maximum (context|model|prompt|input) length|max_prompt_tokens|"
    r"input token count|reduce the length of the (messages|prompt)|too many (input )?tokens",
    re.IGNORECASE,
)
_UNKNOWN_MODEL = re.compile(
    r"model_not_found|model_not_available|unknown_model|invalid_model|DeploymentNotFound|"
    r"(no such|unknown|invalid) model\b|not a valid model|"
    r"\bmodel\b.{0,80}\b(does not exist|not found|is not available)\b",
    re.IGNORECASE,
)
_FILTERED = re.compile(
    r"content_filter|content management policy|content_policy|content policy|content filtering|"
    r"invalid_prompt|data_inspection_failed|usage polic|safety system|ResponsibleAI|"
    r"requires moderation|flagged",
    re.IGNORECASE,
)

Sign = Literal[
    "timeout",
    "disconnected",
    "broken-off",
    "key-missing",
    "key-refused",
    "too-long",
    "filtered",
    "malformed",
    "client-bug",
]
"""What a client knows by itself, without the provider's words."""


@dataclass(frozen=True)
class Symptoms:
    """What a client saw of a call that failed.

    Attributes:
        text: In the provider's words, whole: it may hold secrets, which are masked later.
        sign: What the client itself knows of it.
        status: Of the provider's answer, if there was one.
        code: The provider's names for the error.
        retry_after_s: When the provider wants to be asked again.
        exception: The name of what was raised, told where nothing else explains it.
        is_foretold: The provider was not asked: it had said before that it would refuse.
    """

    text: str
    sign: Sign | None = None
    status: int | None = None
    code: str = ""
    retry_after_s: float | None = None
    exception: str = ""
    is_foretold: bool = False


class CallFailed(Exception):
    """An attempt gave no answer."""

    def __init__(self, symptoms: Symptoms) -> None:
        super().__init__(symptoms.text)
        self.symptoms = symptoms

    @classmethod
    def malformed(cls, text: str) -> "CallFailed":
        """Make the failure of an answer that is not whole, or can't be read."""
        return cls(Symptoms(text, "malformed"))


@dataclass(frozen=True)
class Diagnosis:
    """What is to be told of a failed call, and done. `key_bound`: another key may do better."""

    error: RunError
    retry_after_s: float | None
    key_bound: bool = False


def diagnose(symptoms: Symptoms, call: ModelCall) -> Diagnosis:
    """Say what a failed call means, and what is to be done."""
    text, status, attempt = symptoms.text, symptoms.status or 0, call.attempt
    if symptoms.sign == "timeout":
        return _passing(text or "The model did not answer in time.", symptoms, attempt)
    if symptoms.sign in ("disconnected", "broken-off"):
        return _passing(text, symptoms, attempt)
    if (final := _final_diagnosis(symptoms, call.model)) is not None:
        return final
    if symptoms.sign == "malformed" or _MALFORMED_CODES & set(symptoms.code.split()):
        return _malformed(text, call.malformed)
    if status == 429:
        return replace(_passing(text, symptoms, attempt), key_bound=True)
    if symptoms.sign != "client-bug" and (status in _PASSING or status >= 500):
        return _passing(text, symptoms, attempt)
    if 400 <= status < 500:
        return _final("model-rejected", text)
    return _final("internal", f"{symptoms.exception}: {text}")


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Read `retry-after-ms` and `retry-after` (seconds or a date)."""
    after = headers.get("retry-after")
    if (delay_ms := _number(headers.get("retry-after-ms"))) is not None:
        return delay_ms / 1000
    delay_s = _number(after)
    return _seconds_until(after) if delay_s is None and after else delay_s


def _final_diagnosis(symptoms: Symptoms, model: str) -> Diagnosis | None:
    """Return what no second try can mend, if it is that."""
    text, status, sign = symptoms.text, symptoms.status, symptoms.sign
    said = f"{symptoms.code} {text}"
    # A request that is refused for what is in it; servers put some of it under other statuses.
    is_refusal = status in (400, 403, 404, 422)
    if sign == "key-missing":
        return _final("model-auth", text)
    if sign == "filtered" or (status in (400, 403) and _FILTERED.search(said)):
        return _final("content-policy", text)
    if status == 402 or (status in (400, 403, 429, None) and _NO_QUOTA.search(said)):
        return _final("model-unavailable", text, key_bound=True)
    if sign == "key-refused" or status in (401, 403) or _NO_KEY.search(text):
        return _final("model-auth", _refused_key(model), key_bound=True)
    if status == 400 and _BAD_KEY.search(said):
        return _final("model-auth", _refused_key(model), key_bound=True)
    if sign == "too-long" or status == 413 or _is_too_long(status, said):
        return _final("context-too-long", text)
    if status == 404 or (is_refusal and _UNKNOWN_MODEL.search(said)):
        return _final("model-not-found", text)
    return None


def _is_too_long(status: int | None, said: str) -> bool:
    # 429: OpenAI's "Request too large"; 500: servers of one's own that let it fail.
    return status in (None, 400, 422, 429, 500) and _TOO_LONG.search(said) is not None


def _refused_key(model: str) -> str:
    """Return our own words: a provider's may quote the key."""
    provider = provider_of(model)
    if variables := " or ".join(key_variables(provider)):
        return (
            f"The provider {provider} refused the API key for {model}. Check {variables}, or the "
            f"keys of {provider!r} in WORKER_PROVIDERS, for the worker, and restart it."
        )
    return (
        f"The provider {provider} takes none of the worker's credentials for {model}. Check those "
        f"of its environment, or the keys of {provider!r} in WORKER_PROVIDERS, and restart it."
    )


def _malformed(text: str, before: int) -> Diagnosis:
    """Return what an answer means that can't be read: tried again, but not for ever."""
    attempt = before + 1
    retry = attempt < MALFORMED_ATTEMPTS
    error = RunError(type="model-malformed", message=text, retryable=True)
    return Diagnosis(error, _delay_s(attempt) if retry else None)


def _passing(text: str, symptoms: Symptoms, attempt: int) -> Diagnosis:
    """Return what may pass: the provider may want more time than it would be given, never less."""
    error = RunError(type="model-unavailable", message=text, retryable=True)
    return Diagnosis(error, max(_delay_s(attempt), symptoms.retry_after_s or 0))


def _final(kind: RunErrorType, text: str, *, key_bound: bool = False) -> Diagnosis:
    return Diagnosis(RunError(type=kind, message=text, retryable=False), None, key_bound)


def _delay_s(attempt: int) -> float:
    delay = min(_FIRST_DELAY_S * 2 ** min(attempt - 1, _MAX_DOUBLINGS), _MAX_DELAY_S)
    return round(delay * random.uniform(0.8, 1.2), 3)  # noqa: S311  # jitter, not a secret


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
