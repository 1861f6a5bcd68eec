"""Finds the error in what a provider answered, in whatever shape it is.

An object under `error` (OpenAI, Anthropic, Google), a list of them, a text, JSON inside a text,
`detail` (FastAPI), or the object itself (vLLM, Mistral); as the whole answer or as one event.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from outlast_worker.models.faults import Symptoms

_DEPTH = 4
# In linear time, whatever a page leaves open.
_TAGS = re.compile(r"<(script|style)\b.*?(?:</\1>|\Z)|<[^<>]*>", re.DOTALL | re.IGNORECASE)
_SHOWN_CHARS = 2000

# What an error's name says where no status does: in a stream, which begins with 200.
_STATUSES: Mapping[str, int] = {
    "invalid_request_error": 400,
    "invalid_argument": 400,
    "badrequesterror": 400,
    "bad_request": 400,
    "context_length_exceeded": 400,
    "content_filter": 400,
    "invalid_prompt": 400,
    "tool_use_failed": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "unauthenticated": 401,
    "billing_error": 402,
    "permission_error": 403,
    "permission_denied": 403,
    "not_found_error": 404,
    "model_not_found": 404,
    "not_found": 404,
    "request_too_large": 413,
    "insufficient_quota": 429,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "resource_exhausted": 429,
    "overloaded_error": 529,
}
_UNNAMED = 500


@dataclass(frozen=True)
class ProviderError:
    """An error in the provider's words. `names` are its code and its type."""

    text: str
    names: tuple[str, ...] = ()
    status: int | None = None

    def symptoms(self, status: int = 200, retry_after_s: float | None = None) -> Symptoms:
        """Return what is seen of a call that ended so.

        Args:
            status: Of the answer; one that claims success says nothing.
            retry_after_s: When the provider wants to be asked again.
        """
        if status < 300:
            named = next((_STATUSES[name] for name in self.names if name in _STATUSES), _UNNAMED)
            status = self.status or named
        return Symptoms(
            self.text, status=status, code=" ".join(self.names), retry_after_s=retry_after_s
        )


def find_error(body: Any) -> ProviderError | None:
    """Return the error in a decoded answer or event, if it is one."""
    return _find(body, _DEPTH)


def read_error(text: str) -> ProviderError:
    """Return the error that an answer's text tells of: the text itself if nothing else is there."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        plain = " ".join(_TAGS.sub(" ", text).split())
        return ProviderError(plain[:_SHOWN_CHARS] or "The provider gave no reason.")
    return find_error(body) or ProviderError(text[:_SHOWN_CHARS])


def _find(body: Any, depth: int) -> ProviderError | None:
    if isinstance(body, list):
        found = (_find(item, depth - 1) for item in cast("list[Any]", body)[:1] if depth)
        return next((each for each in found if each), None)
    if not isinstance(body, dict):
        return None
    said = cast("dict[str, Any]", body)
    if error := said.get("error"):
        return _read(error, said, depth)
    if errors := said.get("errors"):
        return _find({"error": errors[0] if isinstance(errors, list) else errors}, depth)
    if detail := said.get("detail"):
        return ProviderError(_text(detail), _names(said), _status(said))
    if "choices" not in said and isinstance(said.get("message"), str) and _is_error(said):
        return ProviderError(said["message"], _names(said), _status(said))
    return None


def _is_error(said: Mapping[str, Any]) -> bool:
    return said.get("object") == "error" or any(said.get(name) for name in ("code", "type"))


def _read(error: Any, around: Mapping[str, Any], depth: int) -> ProviderError:
    """Read what stands under `error`."""
    if isinstance(error, str):
        try:
            inside = _find(json.loads(error), depth - 1) if depth else None
        except (ValueError, RecursionError):
            inside = None
        return inside or ProviderError(error, _names(around), _status(around))
    if not isinstance(error, dict):
        return ProviderError(_text(around.get("message") or error), _names(around), _status(around))
    said = cast("dict[str, Any]", error)
    text = next((said[name] for name in ("message", "msg", "detail") if said.get(name)), said)
    return ProviderError(_text(text) + _quoted(said), _names(said), _status(said))


def _quoted(error: Mapping[str, Any]) -> str:
    """Return what OpenRouter quotes of the provider behind it, which alone says what is wrong."""
    metadata = error.get("metadata")
    raw = cast("dict[str, Any]", metadata).get("raw") if isinstance(metadata, dict) else None
    return f": {raw}" if isinstance(raw, str) and raw else ""


def _text(value: Any) -> str:
    match value:
        case str():
            return value
        case [{"msg": str(text)}, *_]:  # FastAPI's
            return text
        case _:
            return json.dumps(value)[:_SHOWN_CHARS]


def _names(error: Mapping[str, Any]) -> tuple[str, ...]:
    """Return code, type and Google's status, as far as they are names."""
    values = (error.get(name) for name in ("code", "type", "status"))
    return tuple(v.lower() for v in values if isinstance(v, str) and not v.isdecimal())


def _status(error: Mapping[str, Any]) -> int | None:
    for name in ("code", "status", "status_code"):
        value = error.get(name)
        number = int(value) if isinstance(value, str) and value.isdecimal() else value
        if isinstance(number, int) and not isinstance(number, bool) and 400 <= number < 600:
            return number
    return None
