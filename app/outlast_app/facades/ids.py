"""Ids that clients of other protocols see. Each is derived from the run's, so none is stored.

`resp_{run}_{segment}`, `msg_{run}_{turn}`, `call_{run}_{turn}_{index}`, …: a kind, the run and
numbers. So each finds its run without a lookup, and only its own tenant's: the tenant comes with
the key, and another one's run is not there.

What a client is asked has a *key* within the run that it follows: the call's or approval's id, or,
where a run below that one asks, `{run below}:{id}`. Its names have both runs,
`call_{run}_{run below}_{turn}_{index}`. Whether the one is below the other they can't say: only
the run that waits can.
"""

import re
from base64 import b32encode
from collections.abc import Sequence
from typing import NamedTuple

from outlast.names import RUN_ID, THREAD_ID, RunRef, digest_of

_NAMED = re.compile(rf"([a-z]+)[_-]({RUN_ID})(?:_({RUN_ID}))?((?:_[0-9]{{1,7}})*)")
_CALL_ID = re.compile(r"[0-9]+\.[0-9]+")
_THREAD_ID = re.compile(THREAD_ID)
_MESSAGE_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_RUN_CHARS = 26


class Named(NamedTuple):
    """What an id names: something of a run, by its numbers."""

    ref: RunRef
    numbers: tuple[int, ...]
    below: str | None = None
    """The run that it is of, if that is said to be one below `ref`."""

    @property
    def call_id(self) -> str:
        """The call that two numbers name, as the run does."""
        return ".".join(map(str, self.numbers))

    @property
    def key(self) -> str:
        """What two numbers name, among all that a client of `ref` is asked."""
        return key_of(self.call_id, self.below)


def name_of(kind: str, run_id: str, *numbers: int, joined_by: str = "_") -> str:
    """Make an id."""
    return "".join([kind, joined_by, run_id, *(f"_{number}" for number in numbers)])


def name_of_call(kind: str, run_id: str, call_id: str) -> str:
    """Make the id of a call, or of something that there is one of for each call."""
    turn, _, index = call_id.partition(".")
    return name_of(kind, run_id, int(turn), int(index))


def key_of(asked_id: str, below: str | None = None) -> str:
    """Return the key of something that is asked, by a run below the one that is followed or not."""
    return f"{below}:{asked_id}" if below else asked_id


def name_of_asked(kind: str, run_id: str, key: str) -> str:
    """Make the id of something that is asked, for clients of a run."""
    below, _, call_id = key.rpartition(":")
    return name_of_call(kind, f"{run_id}_{below}" if below else run_id, call_id)


def is_runs_own(call_id: str) -> bool:
    """Tell whether a call is one that a run has named, and none of a history of a client's."""
    return _CALL_ID.fullmatch(call_id) is not None


def name_of_own_call(kind: str, run_id: str | None, call_id: str) -> str | None:
    """Make an id as `name_of_call` does, for a call that a run has named itself; else None."""
    return name_of_call(kind, run_id, call_id) if run_id and is_runs_own(call_id) else None


def read_name(tenant: str, text: str, *kinds: str, count: int) -> Named | None:
    """Read an id of one of these kinds, with so many numbers; None if it is nothing of the kind."""
    named = _read(tenant, text, kinds, count)
    return named if named and not named.below else None


def read_asked(tenant: str, text: str, *kinds: str) -> Named | None:
    """Read what `name_of_asked` has made; None if it is nothing of these kinds."""
    return _read(tenant, text, kinds, 2)


def _read(tenant: str, text: str, kinds: Sequence[str], count: int) -> Named | None:
    found = _NAMED.fullmatch(text)
    if found is None or found[1] not in kinds:
        return None
    numbers = tuple(int(number) for number in found[4].split("_")[1:])
    return Named(RunRef(tenant, found[2]), numbers, found[3]) if len(numbers) == count else None


def thread_id_of(text: str) -> str:
    """Return the thread that a client names as it likes."""
    return text if _THREAD_ID.fullmatch(text) else _hashed("thread", text)


def message_id_of(text: str | None) -> str | None:
    """Return the id of a message that a client names as it likes, if it does."""
    if not text:
        return None
    return text if _MESSAGE_ID.fullmatch(text) else _hashed("message", text)


def lazy_thread_id(run_id: str) -> str:
    """Name the thread that is made late, when somebody goes on with this run."""
    return f"r.{run_id[-_RUN_CHARS:]}"


def _hashed(kind: str, text: str) -> str:
    return f"h:{b32encode(digest_of(kind, text)).decode().lower()[:_RUN_CHARS]}"
