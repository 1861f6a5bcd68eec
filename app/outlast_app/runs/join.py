"""Joins the events of a run and of all runs below it: what may be shown when, and how to go on.

Pure: events of each run are put in as they are read, in any order among runs, and come out so that
those of one run are in order, and a call's result comes after the last event of the run that
answers it. Behind each committed event stands the position at which another process goes on.
"""

import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from outlast.events import TERMINAL_EVENTS, ChildStarted, ToolCallCompleted
from outlast_app.runs.feed import ShownEvent
from outlast_app.runs.join_position import Position

_CHILD_STARTED = ChildStarted.model_fields["type"].default
_CALL_COMPLETED = ToolCallCompleted.model_fields["type"].default
_ENDS = frozenset(kind.model_fields["type"].default for kind in TERMINAL_EVENTS.values())


@dataclass(eq=False)
class JoinedRun:
    """One run, and how far its events were passed on.

    Attributes:
        read_after: The number of the event after which its events have to be put in. Those up to
            `seq` only tell which runs are open below it.
        told_by: The number of its caller's event that told of it.
        caller: The run that has called it; None for the one at the top.
    """

    run_id: str
    seq: int = 0
    ended: bool = False
    read_after: int = 0
    told_by: int = 0
    caller: "JoinedRun | None" = None
    called: "dict[str, JoinedRun]" = field(default_factory=dict[str, "JoinedRun"])
    _waiting: deque[ShownEvent] = field(default_factory=deque[ShownEvent])
    _untold: dict[str, Position] = field(default_factory=dict[str, Position])
    """Of runs that are open below it, and that have not been told of again: how far they are."""
    _position: Position | None = None
    """Where it and those below it are, unless that has changed."""

    @classmethod
    def at(
        cls, position: Position, run_id: str, told_by: int = 0, caller: "JoinedRun | None" = None
    ) -> "JoinedRun":
        """Go on with a run from a position."""
        return cls(
            run_id,
            position.seq,
            position.ended,
            position.told_after if position.called else position.seq,
            told_by,
            caller,
            _untold=dict(position.called),
        )

    @property
    def wants_events(self) -> bool:
        """Whether what comes next of it is to be put in."""
        return not (self.ended or self._waiting)

    @property
    def position(self) -> Position:
        """Where to go on with it, and with what is below it."""
        if self._position is None:
            below = {call: run.position for call, run in self.called.items()}
            told = [run.told_by - 1 for run in self.called.values()]
            if self._untold:
                told.append(self.read_after)
            self._position = Position(
                self.seq, self.ended, min(told, default=self.seq), {**self._untold, **below}
            )
        return self._position

    def put(self, events: Iterable[ShownEvent]) -> None:
        """Put in the events that follow."""
        self._waiting += events

    @property
    def moves(self) -> bool:
        """Whether its next event is there and need not wait for runs below it."""
        return bool(self._waiting) and not self._awaited(self._waiting[0])

    def waits_for(self, run: "JoinedRun") -> bool:
        """Tell whether its next event is there, and has to wait for this run to end."""
        return bool(self._waiting) and run in self._awaited(self._waiting[0])

    def take(self) -> ShownEvent | None:
        """Take its next event and note what it tells; None if it was shown before."""
        event = self._waiting.popleft()
        if event.seq is None:
            return event
        self._forget_position()
        again = event.seq <= self.seq
        if event.type == _CHILD_STARTED:
            self._open(event, again=again)
        if event.type == _CALL_COMPLETED and not again:
            self.called.pop(_fields(event)["call_id"], None)
        self.ended = event.type in _ENDS
        if again:
            return None
        self._untold.clear()  # they were all told of before it
        self.seq = event.seq
        return event

    def _open(self, event: ShownEvent, *, again: bool) -> None:
        told = _fields(event)
        call_id, run_id, seq = told["call_id"], told["child_run_id"], event.seq or 0
        if not again:
            self.called[call_id] = JoinedRun(run_id, told_by=seq, caller=self)
        elif position := self._untold.pop(call_id, None):
            self.called[call_id] = JoinedRun.at(position, run_id, seq, self)

    def end(self) -> None:
        """Note that nothing comes of it any more."""
        self.ended = True
        self._forget_position()

    def _forget_position(self) -> None:
        run: JoinedRun | None = self
        while run:
            run._position = None  # noqa: SLF001  # of this very class
            run = run.caller

    def _awaited(self, event: ShownEvent) -> "list[JoinedRun]":
        """Return the runs below it that have to end before an event is shown."""
        if not self.called or event.seq is None or event.seq <= self.seq:
            return []
        if event.type in _ENDS:
            return [run for run in self.called.values() if not run.ended]
        if event.type != _CALL_COMPLETED:
            return []
        run = self.called.get(_fields(event)["call_id"])
        return [] if run is None or run.ended else [run]


class Join:
    """A run and all that is open below it."""

    def __init__(self, run_id: str, position: Position) -> None:
        self.top = JoinedRun.at(position, run_id)

    def __iter__(self) -> Iterator[JoinedRun]:
        """Go through the open runs, those that call before those that are called."""
        return _with_called(self.top)

    def pass_on(self) -> list[ShownEvent]:
        """Return what may be shown now, each committed event with its position."""
        shown: list[ShownEvent] = []
        while moving := [run for run in self if run.moves]:
            for run in moving:
                while run.moves:
                    event = run.take()
                    if event and event.seq is not None:
                        event = replace(event, position=self.top.position.write())
                    shown += [event] if event else []
        return shown


def _with_called(run: JoinedRun) -> Iterator[JoinedRun]:
    yield run
    for called in list(run.called.values()):
        yield from _with_called(called)


def _fields(event: ShownEvent) -> Mapping[str, Any]:
    return json.loads(event.data)
