"""The two modes of the integration stack, and which test runs in which where they are sampled.

By hand a test runs in both. `make test` asks for `--one-mode`: the tests of a file take turns, so
that each file sees both modes and a test always has the same. `make test-full` runs all in both.
"""

from collections.abc import Iterable, Mapping
from zlib import crc32

import pytest

STACK_SETTINGS: Mapping[str, Mapping[str, str]] = {
    "usual": {},
    "always-replay": {"WORKER_INACTIVITY_TIMEOUT_S": "0", "WORKER_HTTP_SERVER": "granian"},
}
"""The settings of the stack's worker in each mode."""
_MODES = [*STACK_SETTINGS]


def mode_of(item: pytest.Item) -> str | None:
    """Return the mode of the stack that a test runs on, if it is a shared one of two modes."""
    callspec = getattr(item, "callspec", None)
    mode = callspec.params.get("stack") if callspec else None
    return mode if mode in STACK_SETTINGS else None


def unwanted(items: Iterable[pytest.Item], *, one_mode: bool) -> set[pytest.Item]:
    """Return the tests that are left to the other mode."""
    turns: dict[str, dict[str, int]] = {}
    left: set[pytest.Item] = set()
    for item in items:
        mode = mode_of(item)
        if mode is None or item.get_closest_marker("both_modes"):
            continue
        if item.get_closest_marker("usual_mode"):
            wanted = "usual"
        elif one_mode:
            file = item.nodeid.partition("::")[0]
            test = item.nodeid.replace(mode, "", 1)
            turn = turns.setdefault(file, {}).setdefault(test, len(turns[file]))
            wanted = _MODES[(crc32(file.encode()) + turn) % len(_MODES)]
        else:
            continue
        if mode != wanted:
            left.add(item)
    return left
