"""A model's answer as a client hands it over, and the record that is made of it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from outlast.protocol import Usage
from outlast.providers import provider_of
from outlast_worker.engine.operations import ModelCall
from outlast_worker.engine.records import ModelRecord, Opaque, RequestedCall
from outlast_worker.models.endings import Ending, ending_of, recorded_reason
from outlast_worker.models.faults import CallFailed, Symptoms
from outlast_worker.stopwatch import Stopwatch
from outlast_worker.text import repair_surrogates

# Ids of calls that a provider runs itself, such as Anthropic's web search.
PROVIDERS_OWN = "srvtoolu_"


@dataclass(frozen=True)
class AnsweredCall:
    """A tool call as the provider sent it; `fields` are what only it understands."""

    name: str
    arguments: str
    call_id: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Answer:
    """A whole answer as the provider sent it.

    Attributes:
        fields: What only the provider understands.
        written_tokens: Of the input, those that the provider has put into its cache for a price.
        services_usd: What was used beside the model, such as searches.
    """

    text: str
    calls: Sequence[AnsweredCall]
    finish_reason: str
    model: str
    usage: Usage
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])
    written_tokens: int = 0
    services_usd: float = 0


def record_of(call: ModelCall, answer: Answer, watch: Stopwatch) -> ModelRecord:
    """Check an answer, and make what is journaled of it.

    Raises:
        CallFailed: It has no finish reason, or its tool calls are cut.
    """
    ending = _ending(answer)
    # After a cut the last call may lack a part, so none of them counts.
    calls = () if ending in ("cut short", "filtered") else _own_calls(answer.calls)
    if ending == "calls" and not (calls or answer.text):
        raise CallFailed.malformed("The model's answer asks for tools and names none.")
    if ending == "whole" and not all(is_json(each.arguments) for each in calls):
        raise CallFailed.malformed("The model's answer breaks off in a tool call's arguments.")
    return ModelRecord(
        text=_repaired(answer.text),
        calls=[
            RequestedCall(name=_repaired(each.name), arguments=_repaired(each.arguments))
            for each in calls
        ],
        finish_reason=recorded_reason(ending),
        usage=answer.usage,
        model=_repaired(answer.model or call.model),
        started_at=watch.started_at,
        ended_at=watch.read(),
        opaque=_opaque(provider_of(call.model), answer.fields, calls),
    )


def _ending(answer: Answer) -> Ending:
    """Return how an answer ended that counts.

    Raises:
        CallFailed: It is not whole, as far as anybody can tell.
    """
    reason = answer.finish_reason
    if not reason:
        raise CallFailed.malformed("The model's answer has no finish reason.")
    match ending_of(reason):
        case "broken off":
            text = f"The provider broke the answer off: {reason}."
            raise CallFailed(Symptoms(text, "broken-off"))
        case "malformed":
            raise CallFailed.malformed(f"The model's answer is malformed: {reason}.")
        case "unknown":
            text = f"The model's answer ended for a reason that nobody knows here: {reason!r}."
            raise CallFailed.malformed(text)
        case ending:
            return ending


def _own_calls(calls: Sequence[AnsweredCall]) -> Sequence[AnsweredCall]:
    """Leave out calls of tools that the provider has run itself."""
    return [call for call in calls if not (call.call_id or "").startswith(PROVIDERS_OWN)]


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


def is_json(text: str) -> bool:
    """Tell whether a call's arguments are whole."""
    try:
        json.loads(text or "{}")
    except (ValueError, RecursionError):
        return False
    return True
