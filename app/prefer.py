"""The `Prefer` header (RFC 7240): `respond-async` and `wait=N`."""

import re
from dataclasses import dataclass

from shared.errors import InvalidRequest

_WAIT = re.compile(r"wait=\"?(\d{1,6})\"?")


@dataclass(frozen=True)
class Preference:
    """How long to wait for a run's end, and what of the header was applied."""

    wait_s: float
    applied: str | None


def parse_prefer(header: str | None, default_wait_s: float) -> Preference:
    """Read the header; what is not known is ignored, as the RFC asks.

    Raises:
        InvalidRequest: `wait` is no number of seconds.
    """
    wait_s, applied = default_wait_s, None
    for part in (header or "").split(","):
        preference = part.strip().split(";")[0].strip().lower()
        if preference == "respond-async":
            return Preference(0, preference)
        if preference.partition("=")[0].strip() == "wait":
            match = _WAIT.fullmatch(preference.replace(" ", ""))
            if not match:
                raise InvalidRequest(
                    f"Prefer: {preference}: write wait=N with a number of seconds."
                )
            wait_s, applied = float(match[1]), f"wait={match[1]}"
    return Preference(wait_s, applied)
