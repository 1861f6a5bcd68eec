"""A model's answer as a client hands it over, and the record that is made of it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from outlast.protocol import Usage
from outlast.providers import provider_of
from outlast_worker.engine.operations import ModelCall
from outlast_worker.engine.records import ModelRecord, Opaque, RequestedCall
from outlast_worker.models.faults import CallFailed
from outlast_worker.stopwatch import Stopwatch
from outlast_worker.text import repair_surrogates

# After these the last call may be cut short, so none of them counts.
_CUT_SHORT = ("length", "content_filter")


@dataclass(frozen=True)
class AnsweredCall:
    """A tool call as the provider sent it; `fields` are what only it understands."""

    name: str
    arguments: str
    call_id: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Answer:
    """A whole answer as the provider sent it; `fields` are what only it understands."""

    text: str
    calls: Sequence[AnsweredCall]
    finish_reason: str
    model: str
    usage: Usage
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])


def record_of(call: ModelCall, answer: Answer, watch: Stopwatch) -> ModelRecord:
    """Check an answer, and make what is journaled of it.

    Raises:
        CallFailed: It has no finish reason, or its tool calls are cut.
    """
    reason, calls = answer.finish_reason, answer.calls
    if not reason:
        raise CallFailed.malformed("The model's answer has no finish reason.")
    if reason == "tool_calls" and not (calls or answer.text):
        raise CallFailed.malformed("The model's answer asks for tools and names none.")
    if reason in _CUT_SHORT:
        calls = ()
    elif reason == "stop" and not all(_is_json(each.arguments) for each in calls):
        raise CallFailed.malformed("The model's answer breaks off in a tool call's arguments.")
    return ModelRecord(
        text=_repaired(answer.text),
        calls=[
            RequestedCall(name=_repaired(each.name), arguments=_repaired(each.arguments))
            for each in calls
        ],
        finish_reason=_repaired(reason),
        usage=answer.usage,
        model=_repaired(answer.model or call.pin.model),
        started_at=watch.started_at,
        ended_at=watch.read(),
        opaque=_opaque(provider_of(call.pin.model), answer.fields, calls),
    )


def _opaque(
    provider: str, fields: Mapping[str, Any], calls: Sequence[AnsweredCall]
) -> Opaque | None:
    """Keep what must go back to the provider: reasoning, signatures, its own call ids."""
    if not fields and not calls:
        return None
    return Opaque(
        provider=provider,
        fields=_repaired(dict(fields)),
        call_ids=[_repaired(each.call_id) for each in calls],
        call_fields=[_repaired(dict(each.fields)) for each in calls],
    )


def _repaired(value: Any) -> Any:
    """Repair all texts in a value."""
    match value:
        case str():
            return repair_surrogates(value)
        case dict():
            items = cast("dict[str, Any]", value).items()
            return {_repaired(name): _repaired(item) for name, item in items}
        case list():
            return [_repaired(item) for item in cast("list[Any]", value)]
        case _:
            return value


def _is_json(text: str) -> bool:
    try:
        json.loads(text or "{}")
    except ValueError:
        return False
    return True
