"""What providers have said of the rate limits of their keys: they are respected before being hit.

It is known to this process alone and may be gone at any time; then a provider says it again. What
is foretold holds a call back for a minute at most: headers may be wrong, and a call tells.
"""

import re
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

_MOST_FORETOLD_S = 60.0
_MOST_REFUSED_S = 3600.0
_KEPT = 1000
_NAME = re.compile(r"^(?:x-|anthropic-)?ratelimit-([a-z-]+)$")
_ROLES = ("limit", "remaining", "reset")
# These are filled up little by little, all others at once.
_FILLED_UP = frozenset({"requests", "tokens", "input-tokens", "output-tokens"})
_DURATION = re.compile(r"^(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:([\d.]+)s)?(?:([\d.]+)ms)?$")
_YEAR_2001_S = 1e9


@dataclass
class _Allowance:
    """So much of a limit was left at a time; all of it is there again at another one."""

    left: float
    at_s: float
    full_at_s: float
    limit: float | None
    is_filled_up: bool

    def wait_s(self, need: float, now_s: float) -> float:
        """Return after how long there is as much as is needed."""
        if self.left >= need:
            return 0
        if self.limit is None or not self.is_filled_up or self.limit <= self.left:
            return self.full_at_s - now_s
        if need > self.limit:  # it never will be: the provider says so better
            return 0
        per_s = (self.limit - self.left) / (self.full_at_s - self.at_s)
        return self.at_s + (need - self.left) / per_s - now_s


class RateLimits:
    """The limits of all keys, as far as they were told."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._allowances: dict[Hashable, dict[str, _Allowance]] = {}
        self._refused_until: dict[Hashable, float] = {}

    def note_headers(self, key: Hashable, headers: Mapping[str, str]) -> None:
        """Take what an answer's headers say of a key's limits."""
        now_s = self._clock()
        for subject, said in _limits_in(headers).items():
            left, reset_s = _number(said.get("remaining")), _seconds(said.get("reset"))
            if left is None or reset_s is None:
                continue
            allowance = _Allowance(
                left, now_s, now_s + reset_s, _number(said.get("limit")), subject in _FILLED_UP
            )
            self._allowances.setdefault(key, {})[subject] = allowance
        _forget_oldest(self._allowances)

    def note_refusal(self, key: Hashable, retry_after_s: float) -> None:
        """Take when a key that was refused for its limit may be used again."""
        self._refused_until[key] = self._clock() + min(retry_after_s, _MOST_REFUSED_S)
        _forget_oldest(self._refused_until)

    def wait_s(self, key: Hashable, tokens: Callable[[], int]) -> float:
        """Return for how long a key is better not used.

        Args:
            key: Whose limits: of a provider, of one of its models.
            tokens: Estimates what the call needs; asked only where that may matter.
        """
        now_s = self._clock()
        waits = [self._refused_until.get(key, now_s) - now_s]
        estimated: int | None = None
        for subject, allowance in self._allowances.get(key, {}).items():
            if now_s >= allowance.full_at_s:
                continue
            if "token" in subject and estimated is None:
                estimated = tokens()
            need = estimated or 1 if "token" in subject else 1
            waits.append(min(allowance.wait_s(need, now_s), _MOST_FORETOLD_S))
        return max(0.0, *waits)


def _limits_in(headers: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return what is said of each subject, such as `requests` or `tokens-minute`."""
    found: dict[str, dict[str, str]] = {}
    for name, value in headers.items():
        for role, subject in _role_of(name.lower()):
            found.setdefault(subject, {})[role] = value
    return found


def _role_of(name: str) -> Iterator[tuple[str, str]]:
    if match := _NAME.match(name):
        words = match[1].split("-")
        roles = [word for word in words if word in _ROLES]
        if len(roles) == 1:
            yield roles[0], "-".join(word for word in words if word not in _ROLES)


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0 <= value < 1e15 else None


def _seconds(text: str | None) -> float | None:
    """Return in how many seconds a time comes: `6m0s`, `0.5`, a date, or since 1970."""
    if not text:
        return None
    number = _number(text)
    if number is None:
        match = _DURATION.match(text.strip())
        return _duration_s(match) if match else _until(text)
    if number < _YEAR_2001_S:
        return number
    at_s = number / 1000 if number > _YEAR_2001_S * 1000 else number
    return max(0.0, at_s - time.time())


def _duration_s(match: re.Match[str]) -> float | None:
    try:
        days, hours, minutes, seconds, millis = (float(part or 0) for part in match.groups())
    except ValueError:
        return None
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds + millis / 1000


def _until(text: str) -> float | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())


def _forget_oldest(kept: dict[Hashable, Any]) -> None:
    while len(kept) > _KEPT:
        del kept[next(iter(kept))]
