"""What a run does at the moment, folded from its events. Pure; the clock is the caller's."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from outlast.events import (
    AnyEvent,
    AnyLiveEvent,
    ApprovalRequested,
    ApprovalResolved,
    Compacted,
    MessageCompleted,
    MessageDelta,
    MessageSnapshot,
    ModelFallback,
    RunQueued,
    RunStarted,
    ToolCallCompleted,
    ToolCallProgress,
    ToolCallRequested,
    ToolCallStarted,
    TurnStarted,
)

QUIET_S = 1.5
"""How long there may be nothing new to see before somebody wants to know why."""


@dataclass(frozen=True)
class Call:
    """A tool call in progress."""

    name: str
    since: float
    progress: str = ""
    waits_for: str = ""
    """What it waits for, if somebody has to do something: `approval`, `a client's result`, …"""


@dataclass(frozen=True)
class Activity:
    """What a run does, and since when; nothing as long as nothing is known of it."""

    does: Literal["accepted", "queued", "model"] | None = None
    since: float = 0
    calls: Mapping[str, Call] = field(default_factory=dict[str, Call])


def advance(activity: Activity, event: AnyEvent | AnyLiveEvent, now: float) -> Activity:
    """Return what the run does after one more event."""
    calls = activity.calls
    match event:
        case RunQueued():
            return Activity("queued", now)
        case RunStarted():
            return Activity()
        case TurnStarted() | ModelFallback() | Compacted() | MessageDelta() | MessageSnapshot():
            return Activity("model", now, calls)
        case MessageCompleted():
            return Activity(calls=calls)
        case ToolCallStarted(call_id=call_id, name=name):
            return Activity(calls={**calls, call_id: Call(name, now)})
        case ToolCallCompleted(call_id=done):
            return replace(activity, calls={key: calls[key] for key in calls if key != done})
        case ToolCallProgress(call_id=call_id) if call_id in calls:
            call = replace(calls[call_id], progress=_progress(event))
        case ApprovalRequested(call_id=call, approval_id=asked, name=name):
            call_id = call or asked or name
            call = Call(name, now, waits_for="input" if event.reason == "input" else "approval")
        case ToolCallRequested(call_id=call_id, name=name):
            call = Call(name, now, waits_for="a client's result")
        case ApprovalResolved(call_id=None, approval_id=limit):
            return replace(activity, calls={key: calls[key] for key in calls if key != limit})
        case ApprovalResolved(call_id=str(call_id)) if call_id in calls:
            call = replace(calls[call_id], since=now, waits_for="")
        case _:
            return activity
    return replace(activity, calls={**calls, call_id: call})


def describe(activity: Activity, now: float) -> str:
    """Say what the run does: tools at once, the rest when there is nothing else to see."""
    waits: dict[str, list[str]] = {}
    for call in activity.calls.values():
        waits.setdefault(call.waits_for, []).append(call.name)
    waits.pop("", None)
    if waits:
        each = [f"{what} of {', '.join(names)}" for what, names in waits.items()]
        return f"waits for {'; '.join(each)}"
    if activity.calls:
        return ", ".join(
            f"{call.name}{call.progress}{_for(now - call.since)}"
            for call in activity.calls.values()
        )
    if not activity.does or now - activity.since < QUIET_S:
        return ""
    match activity.does:
        case "accepted":
            return "accepted; no worker has taken it yet"
        case "queued":
            return "queued"
        case "model":
            return f"the model is thinking{_for(now - activity.since)}"


def _progress(event: ToolCallProgress) -> str:
    done = f"{event.done:g}" if event.total is None else f"{event.done:g}/{event.total:g}"
    return f" {done} {event.message}" if event.message else f" {done}"


def _for(seconds: float) -> str:
    if seconds < QUIET_S:
        return ""
    minutes, rest = divmod(int(seconds), 60)
    return f" ({minutes} min {rest} s)" if minutes else f" ({rest} s)"
