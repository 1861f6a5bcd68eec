"""How a run stands, as far as Restate knows."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from outlast.contract import LastEvents
from outlast.events import ReadEvent
from outlast.protocol import Run, Time


@dataclass(frozen=True)
class Ended:
    """The run has returned: `returned` is all of that, as JSON."""

    run: Run
    returned: bytes = b"{}"

    @cached_property
    def last_events(self) -> Sequence[ReadEvent]:
        """The last events that it has committed, unless they are large.

        Only who follows a run needs them, and they are more than half of what there is to read.
        """
        return LastEvents.model_validate_json(self.returned).last_events or ()


@dataclass(frozen=True)
class Broken:
    """The run did not return: somebody killed it, or the engine refused it."""

    killed: bool
    reason: str


@dataclass(frozen=True)
class Pending:
    """The run is accepted and has not ended."""


@dataclass(frozen=True)
class Unknown:
    """Restate knows no such run."""


@dataclass(frozen=True)
class Repeated:
    """A run of this id was accepted before."""


@dataclass(frozen=True)
class Submission:
    """A run that Restate has accepted and its thread has not seen yet.

    `invocation_id` is Restate's, of the handler that is to see it.
    """

    invocation_id: str
    thread_id: str
    body_hash: str
    created_at: Time


Outcome = Ended | Broken | Pending | Unknown
