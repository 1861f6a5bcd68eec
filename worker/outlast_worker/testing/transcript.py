"""A run so far in a few lines, for whoever reads a failed test."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from outlast.events import (
    AnyEvent,
    ApprovalRequested,
    ApprovalResolved,
    ChildStarted,
    Compacted,
    HandedOver,
    MessageCompleted,
    ModelFallback,
    OutputRejected,
    RunWaiting,
    SteerReceived,
    ToolCallCompleted,
    ToolCallRequested,
    ToolCallStarted,
)
from outlast.protocol import Content, InputMessage

_LINE_CHARS = 160


def transcript(
    said: Sequence[InputMessage], events: Iterable[AnyEvent], told: Mapping[str, str]
) -> str:
    """Return what was said and done, one line each; of failed calls what the model was told."""
    lines = [f"{message.role}: {_quoted(message.content)}" for message in said]
    lines += [line for event in events for line in _lines(event, told)]
    return "\n".join(f"  {line}" for line in lines)


def _lines(event: AnyEvent, told: Mapping[str, str]) -> Iterator[str]:
    match event:
        case ToolCallStarted():
            yield f"call {event.call_id}: {_shown(event.name, event.arguments)}"
        case ToolCallRequested():
            yield f"call {event.call_id} for a client: {_shown(event.name, event.arguments)}"
        case ChildStarted():
            yield f"child {event.call_id}: {event.agent}"
        case HandedOver(call_id=call_id, from_=before, to=to):
            yield f"handoff {call_id}: {before} → {to}"
        case ToolCallCompleted():
            kind = "error" if event.is_error else "result"
            yield f"{kind} {event.call_id}: {_cut(told.get(event.call_id, event.output))}"
        case ApprovalRequested() | ApprovalResolved() | RunWaiting():
            yield _line_of_wait(event)
        case OutputRejected():
            yield f"turn {event.turn} rejected: {_cut('; '.join(event.faults))}"
        case SteerReceived():
            yield f"user: {_quoted(event.message.content)}"
        case _:
            yield from _lines_of_model(event)


def _lines_of_model(event: AnyEvent) -> Iterator[str]:
    match event:
        case ModelFallback():
            yield f"turn {event.turn}: {event.instead_of} failed ({event.error.type})"
        case Compacted():
            made = "left out" if event.how == "window" else "summed up"
            yield f"turn {event.turn}: {event.messages} messages {made}"
        case MessageCompleted(message=message) if message.content:
            yield f"turn {event.turn}: {_quoted(message.content)}"
        case OutputRejected():
            yield f"turn {event.turn} rejected: {_cut('; '.join(event.faults))}"
        case _:
            pass


def _line_of_wait(event: ApprovalRequested | ApprovalResolved | RunWaiting) -> str:
    match event:
        case ApprovalRequested():
            asked = _shown(event.name, event.arguments)
            reason = "waits" if event.reason == "approval" else f"waits, {event.reason}"
            return f"{_asked(event)} {reason}: {asked}"
        case ApprovalResolved():
            return f"{_asked(event)}: {event.action}"
        case RunWaiting():
            waits = ", ".join(item.id for item in [*event.approvals, *event.calls])
            return f"the run waits for {event.waiting_for}: {waits}"


def _asked(event: ApprovalRequested | ApprovalResolved) -> str:
    asked_id = event.approval_id or event.call_id
    return f"call {asked_id}" if asked_id == event.call_id else f"approval {asked_id}"


def _shown(name: str, arguments: dict[str, Any]) -> str:
    return _cut(f"{name}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})")


def _quoted(content: Content) -> str:
    if isinstance(content, str):
        return _cut(json.dumps(content, ensure_ascii=False))
    return ", ".join(part.type for part in content)


def _cut(line: str) -> str:
    return line if len(line) <= _LINE_CHARS else f"{line[: _LINE_CHARS - 1]}…"
