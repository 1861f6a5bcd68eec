"""What a run's events say so far, folded, and where one protocol's segments of it begin and end.

A segment is what one run, response or answer of a protocol covers of a run of ours: from its start,
or from the last time it waited for the protocol's client, to its end or to the next such wait. They
are numbered as the run counts them, from 1. A wait for somebody else (a person elsewhere, a signal,
a client of a sub-agent's) is within a segment: no client could end it. So numbers may have gaps.

All of this follows from the run's own events, also where a run below it asks: an approval of a call
has the call's id, and a doubt, a limit or a question has another one. So nobody has to read that
run, which may be forgotten, to tell where a segment ends.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from outlast.events import (
    ApprovalRequested,
    ApprovalResolved,
    MessageCompleted,
    ReadEvent,
    RunWaiting,
    TerminalEvent,
    ToolCallCompleted,
    ToolCallRequested,
    ToolCallStarted,
    TurnStarted,
)
from outlast.protocol import NOTHING_USED, Awaited, Run, Usage
from outlast_app.facades.ids import is_runs_own, key_of


@dataclass
class LoggedCall:
    """A tool call, as far as the events have told of it.

    Attributes:
        is_clients: A client has to run it, or has.
        started: The agent's own tool was called.
        approval: Why a person was asked whether it may run, and how; null if nobody was.
        resolved: What was decided on that.
    """

    call_id: str
    turn: int
    name: str
    arguments: Mapping[str, JsonValue]
    is_clients: bool = False
    started: bool = False
    approval: ApprovalRequested | None = None
    resolved: ApprovalResolved | None = None
    completed: ToolCallCompleted | None = None


@dataclass
class RunLog:
    """A run so far, as one protocol sees it.

    Attributes:
        takes_approvals: Whether the protocol's clients can decide on approvals.
        segment: Which one the last event belongs to.
        is_over: Whether that one has ended: the next event begins another one.
        usage: What the segment's model calls used.
        waiting: How the run stands still, if it does.
        asked_below: All approvals of runs below it that it has ever waited for, by their keys, of
            those that a yes or no decides.
        ended: The run, once it has ended.
    """

    takes_approvals: bool
    segment: int = 1
    is_over: bool = False
    turn: int = 0
    usage: Usage = NOTHING_USED
    calls: dict[str, LoggedCall] = field(default_factory=dict[str, LoggedCall])
    approvals: dict[str, ApprovalRequested] = field(default_factory=dict[str, ApprovalRequested])
    """Those that are open, by their ids."""
    waiting: RunWaiting | None = None
    asked_below: set[str] = field(default_factory=set[str])
    ended: Run | None = None
    segments: list[int] = field(default_factory=lambda: [1])
    """All so far."""

    @property
    def open_calls(self) -> list[LoggedCall]:
        """Calls whose results clients have to send."""
        return [call for call in self.calls.values() if call.is_clients and not call.completed]

    @property
    def open_decisions(self) -> list[ApprovalRequested]:
        """Approvals on which clients of protocols may decide."""
        return [asked for asked in self.approvals.values() if asked.reason == "approval"]

    @property
    def decisions(self) -> list[str]:
        """All approvals on which clients may decide, by their keys: also of runs below."""
        own = [each.approval_id or each.call_id or "" for each in self.open_decisions]
        return [*own, *(_decisions_below(self.waiting) if self.waiting else ())]

    @property
    def asked(self) -> set[str]:
        """What the protocol's client is asked for: keys of calls and approvals."""
        decisions = self.decisions if self.takes_approvals else []
        return {*decisions, *(call.call_id for call in self.open_calls)}

    def take(self, event: ReadEvent) -> None:
        """Add an event."""
        self._go_on(event)
        match event:
            case TurnStarted():
                self.turn = event.turn
            case MessageCompleted():
                self.turn = event.turn
                self.usage += event.usage
                for call in event.message.tool_calls or ():
                    self.calls[call.call_id] = LoggedCall(
                        call.call_id, event.turn, call.name, call.arguments
                    )
            case ToolCallStarted() | ToolCallRequested():
                call = self._call(event.call_id, event.turn, event.name)
                call.arguments = event.arguments
                call.started = isinstance(event, ToolCallStarted)
                call.is_clients = not call.started
            case ToolCallCompleted():
                self._call(event.call_id, self.turn, event.name).completed = event
            case ApprovalRequested():
                self._request(event)
            case ApprovalResolved():
                asked = self.approvals.pop(event.approval_id or event.call_id or "", None)
                if asked and asked.reason == "approval" and asked.call_id in self.calls:
                    self.calls[asked.call_id].resolved = event
            case RunWaiting():
                self.waiting = event
                self.asked_below.update(_decisions_below(event))
                self.is_over = bool(self.asked)
            case _ if isinstance(event, TerminalEvent):
                self.ended, self.is_over = event.run, True
            case _:
                pass

    def _go_on(self, event: ReadEvent) -> None:
        """Begin another segment, if one has ended."""
        if self.is_over and self.waiting:
            self.is_over, self.segment = False, self.waiting.segment + 1
            self.usage = NOTHING_USED
            self.segments.append(self.segment)
        if not isinstance(event, RunWaiting):
            self.waiting = None

    def _request(self, event: ApprovalRequested) -> None:
        self.approvals[event.approval_id or event.call_id or ""] = event
        if event.call_id and event.reason == "approval":
            self._call(event.call_id, self.turn, event.name).approval = event

    def _call(self, call_id: str, turn: int, name: str) -> LoggedCall:
        return self.calls.setdefault(call_id, LoggedCall(call_id, turn, name, {}))


def segment_of(run: Run, log: RunLog) -> int:
    """Return the segment that a run is in, which was read before its events were.

    A run goes on without a word of its own when one below it does.
    """
    waiting = log.waiting
    if waiting and log.is_over and run.segment > waiting.segment and run.status != "waiting":
        return waiting.segment + 1
    return log.segment


def below(event: RunWaiting) -> list[Awaited]:
    """Return the approvals of runs below the one that waits."""
    return [each for each in event.approvals if each.run_id != event.run_id]


def is_yes_or_no(approval_id: str) -> bool:
    """Tell whether an approval asks whether a call may be made, and nothing else."""
    return is_runs_own(approval_id)


def segment_after(
    events: Iterable[ReadEvent], log: RunLog, answered: Iterable[str], *, exactly: bool = False
) -> int | None:
    """Return the segment that answers begin: the one after that which asked for them last.

    None if there is none: nobody asked for all of them at once.

    Args:
        events: The run's, from the first one on.
        log: An empty one, which is filled.
        answered: Keys of calls and approvals.
        exactly: Whether nothing else may have been asked for.
    """
    wanted, found = set(answered), None
    for event in events:
        log.take(event)
        if log.is_over and log.waiting:
            asked = log.asked
            if asked == wanted or (wanted <= asked and not exactly):
                found = log.waiting.segment + 1
    return found


def _decisions_below(event: RunWaiting) -> list[str]:
    return [key_of(each.id, each.run_id) for each in below(event) if is_yes_or_no(each.id)]
