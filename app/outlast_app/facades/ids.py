"""Ids that clients of other protocols see. Each is derived from the run's, so none is stored.

`resp_{run}_{segment}`, `msg_{run}_{turn}`, `call_{run}_{turn}_{index}`, …: a kind, the run and
numbers. So each finds its run without a lookup, and only its own tenant's: the tenant comes with
the key, and another one's run is not there.
"""

import re
from base64 import b32encode
from typing import NamedTuple

from outlast.names import RUN_ID, THREAD_ID, RunRef, digest_of

_NAMED = re.compile(rf"([a-z]+)[_-]({RUN_ID})((?:_[0-9]{{1,7}})*)")
_CALL_ID = re.compile(r"[0-9]+\.[0-9]+")
_THREAD_ID = re.compile(THREAD_ID)
_MESSAGE_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_RUN_CHARS = 26


class Named(NamedTuple):
    """What an id names: something of a run, by its numbers."""

    ref: RunRef
    numbers: tuple[int, ...]

    @property
    def call_id(self) -> str:
        """The call that two numbers name, as the run does."""
        return ".".join(map(str, self.numbers))


def name_of(kind: str, run_id: str, *numbers: int, joined_by: str = "_") -> str:
    """Make an id."""
    return "".join([kind, joined_by, run_id, *(f"_{number}" for number in numbers)])


def name_of_call(kind: str, run_id: str, call_id: str) -> str:
    """Make the id of a call, or of something that there is one of for each call."""
    turn, _, index = call_id.partition(".")
    return name_of(kind, run_id, int(turn), int(index))


def is_runs_own(call_id: str) -> bool:
    """Tell whether a call is one that a run has named, and none of a history of a client's."""
    return _CALL_ID.fullmatch(call_id) is not None


def name_of_own_call(kind: str, run_id: str | None, call_id: str) -> str | None:
    """Make an id as `name_of_call` does, for a call that a run has named itself; else None."""
    return name_of_call(kind, run_id, call_id) if run_id and is_runs_own(call_id) else None


def read_name(tenant: str, text: str, *kinds: str, count: int) -> Named | None:
    """Read an id of one of these kinds, with so many numbers; None if it is nothing of the kind."""
    found = _NAMED.fullmatch(text)
    if found is None or found[1] not in kinds:
        return None
    numbers = tuple(int(number) for number in found[3].split("_")[1:])
    return Named(RunRef(tenant, found[2]), numbers) if len(numbers) == count else None


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
