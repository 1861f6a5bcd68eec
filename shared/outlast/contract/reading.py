"""What the app asks a run for, and how it answers."""

from collections.abc import Sequence
from typing import Any, Literal, Self

from pydantic import Field

from outlast.events import AnyEvent, ReadEvent
from outlast.protocol import (
    Run,
    Wire,
)


class StatusQuestion(Wire):
    """`messages`: whether to return them, too. `killed`: the run was, and takes nothing in.

    `engine`: whether to say of which trace the run is, and which definition it keeps.
    """

    messages: bool = False
    killed: bool = False
    engine: bool = False


class PromptQuestion(Wire):
    turn: int


class SettledQuestion(Wire):
    """`wait_s`: for how long. `in_line`: whether to be told of a holder that waits, too."""

    wait_s: float
    in_line: bool = False


class SettledAnswer(Wire):
    """`settled`: the run waits for a person; older workers say so of one that has ended, too.

    `parked`: it is in line behind one that waits for a person, or was. `neither`: the time is over.
    """

    outcome: Literal["settled", "ended", "parked", "neither"]


class EventsQuestion(Wire):
    after: int


class EventPage(Wire):
    """Committed events after a number, and the run as it is now (None before it has begun).

    `more`: others follow, which one answer has no room for.
    """

    events: list[ReadEvent]
    run: Run | None = None
    more: bool = False


class LastEvents(Wire):
    """Beside a run that its workflow returns: for who follows it.

    `last_events`: the last ones that it has committed, to its end, so that nobody need read them;
    null if they are large.
    """

    last_events: list[ReadEvent] | None = None


class ReturnedRun(Run):
    """A run as its workflow returns it, for processes alone: with its `LastEvents`."""

    last_events: list[ReadEvent] | None = None

    @classmethod
    def of(cls, run: Run, last_events: Sequence[AnyEvent]) -> Self:
        """Put them together."""
        return cls(**_fields(run), last_events=list(last_events) or None)

    @classmethod
    def for_caller(cls, run: Run) -> Self:
        """Return what a run that has called this one needs of it: its journal has it, too.

        What is left out is in the called run's state.
        """
        elsewhere: dict[str, Any] = {"metadata": {}, "approvals": [], "calls": []}
        nothing = {"messages": None, "origin": None, "input_preview": None}
        return cls(**_fields(run.model_copy(update={**elsewhere, **nothing})))


def _fields(run: Run) -> dict[str, Any]:
    return {name: getattr(run, name) for name in Run.model_fields}


class ForkQuestion(Wire):
    after_turn: int


class ForkPoint(Wire):
    """Whether a run can be gone on from after a turn.

    `unknown_turn`: it has not had that one, or not to its end. `open_calls`: nobody knows what some
    calls of that turn came to. `lost`: what was said on its thread before it is not there any more.
    `last_turn`: the last one after which it can be, if there is one. `is_answered`: the last word
    is the model's, so that nobody asks it for more. `has_definition`: whether it has kept one.
    """

    outcome: Literal["there", "unknown_turn", "open_calls", "lost"]
    last_turn: int | None = None
    call_ids: list[str] = Field(default_factory=list[str])
    is_answered: bool = False
    has_definition: bool = False
