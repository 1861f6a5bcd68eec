"""What a caller asks of an answer: `Accept`, and `Prefer` (RFC 7240) with its `wait=N`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from outlast.errors import InvalidRequest

_WAIT = re.compile(r"wait=\"?([0-9]+)\"?")
_REFUSED = re.compile(r"q\s*=\s*0(\.0*)?")
_LONGEST_WAIT_S = 24 * 3600.0


@dataclass(frozen=True)
class Preference:
    """How long to wait for a run's end, and what of the header was applied."""

    wait_s: float
    applied: str | None


def parse_prefer(lines: Sequence[str] | None, default_wait_s: float) -> Preference:
    """Read the header; what is not known is ignored, as the RFC asks.

    A longer wait than a day is taken as a day, and `applied` says so.

    Raises:
        InvalidRequest: `wait` is not a number of seconds.
    """
    wait_s, applied = default_wait_s, None
    for part in ",".join(lines or ()).split(","):
        preference = part.strip().split(";")[0].strip().lower()
        if preference == "respond-async":
            return Preference(0, preference)
        if preference.partition("=")[0].strip() == "wait":
            match = _WAIT.fullmatch(preference.replace(" ", ""))
            if not match:
                raise InvalidRequest.at(
                    ("header.prefer", f"{preference}: write wait=N with a number of seconds")
                )
            wait_s = min(float(match[1]), _LONGEST_WAIT_S)
            applied = f"wait={wait_s:.0f}"
    return Preference(wait_s, applied)


def wants(media_type: str, lines: Sequence[str] | None) -> bool:
    """Tell whether an `Accept` header names this type, other than to refuse it."""
    for part in ",".join(lines or ()).lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        if name == media_type:
            return not any(_REFUSED.fullmatch(parameter) for parameter in parameters)
    return False
