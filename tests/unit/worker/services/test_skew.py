"""In a rolling release each process reads what one of another version wrote."""

import json
import types
import typing
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from fakes.records import NOON, answer, pin, result
from outlast import contract
from outlast.contract import EventPage, RunOrder, StatusQuestion
from outlast.events import ApprovalResolved, RunStarted, UnknownEvent
from outlast.protocol import (
    Decision,
    InputMessage,
    Limits,
    Resolution,
    Run,
    StartRun,
    SteerRun,
    TextPart,
    Usage,
    Wire,
    from_client,
)
from outlast_worker.engine import records
from outlast_worker.engine.records import Record
from outlast_worker.services import thread_state
from outlast_worker.services.serde import UnreadableInput, json_handler, serde_of

MODULES = (contract, records, thread_state)
"""Their models are found below."""
NEWER = {"a_field_of_a_newer_version": {"x": 1}}
ORDER = RunOrder(
    run_id=f"support.{'a' * 26}",
    tenant="acme",
    agent="support",
    input=[InputMessage(role="user", content=[TextPart(text="Hi.")])],
    admission="none",
    stream=False,
    context={"kept": None},
    metadata={},
    limits=Limits(),
    after_s=0,
    created_at=NOON,
    body_hash="h",
    repeatable=False,
)


def models(base: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for kind in base.__subclasses__():
        if kind.__module__.startswith("outlast"):
            yield kind
        yield from models(kind)


ALL = sorted({*models(Wire), *models(Record)}, key=lambda kind: kind.__name__)


def with_newer_fields(value: Any) -> Any:
    """Add a field to each object."""
    match value:
        case dict():
            return {name: with_newer_fields(item) for name, item in value.items()} | NEWER
        case list():
            return [with_newer_fields(item) for item in value]
        case _:
            return value


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_no_model_is_closed(kind: type[BaseModel]) -> None:
    """A field that only a newer process knows is left out where it is not known."""
    assert kind.model_config.get("extra") != "forbid"


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_null_is_the_default(kind: type[BaseModel]) -> None:
    """State and journal have no nulls, so a field that may be null must be null by default."""
    for name, field in kind.model_fields.items():
        union = typing.get_origin(field.annotation) in (typing.Union, types.UnionType)
        if union and type(None) in typing.get_args(field.annotation):
            assert field.get_default(call_default_factory=True) is None, name


@pytest.mark.parametrize(
    "written",
    [
        ORDER,
        Run(run_id="r", agent="a", status="running", usage=Usage(model_calls=1)),
        answer("Done.", ("pay", "{}")),
        pin("pay"),
        result("ok"),
        EventPage(events=[RunStarted(run_id="r", seq=1)]),
    ],
    ids=lambda written: type(written).__name__,
)
def test_what_a_newer_process_wrote(written: BaseModel) -> None:
    """It is read as it was, however deep the new fields are; and nulls that are left out, too."""
    serde = serde_of(type(written))
    body = serde.serialize(written)
    assert b":null" not in body.replace(b'"kept":null', b"")
    assert serde.parse(body) == written
    skewed = with_newer_fields(serde_of(Any).parse(body))
    skewed.get("context", {}).pop("a_field_of_a_newer_version", None)
    skewed.get("metadata", {}).pop("a_field_of_a_newer_version", None)
    for tool in skewed.get("tools", []):
        tool["parameters"] = {}
    assert serde.parse(serde_of(Any).serialize(skewed)) == written


@pytest.mark.parametrize("by", ['"ann"', '{"key":"desk","said":"ann"}', '{"key":"desk"}'])
def test_who_decided(by: str) -> None:
    """It is read and written again as it was, since a replay compares; clients get an object."""
    body = b'{"call_id":"1.0","action":"approve","by":%b,"at":"2026-01-01T12:00:00Z"}'
    body %= by.encode()
    serde = serde_of(Resolution)
    decided = serde.parse(body)
    assert serde.serialize(decided) == body
    event = ApprovalResolved(run_id="r", seq=1, **decided.model_dump())
    assert serde_of(ApprovalResolved).parse(serde_of(ApprovalResolved).serialize(event)) == event
    assert f'"by":{by}'.encode() in serde_of(ApprovalResolved).serialize(event)
    told = json.loads(event.model_dump_json())["by"]
    given = json.loads(by)
    assert told == ({"key": None, "said": "ann"} if given == "ann" else {"said": None, **given})


def test_a_cost_that_is_unknown_stays_so() -> None:
    """Null means unknown, and not that nothing was paid."""
    for usage in (Usage(model_calls=1), Usage(cost_usd=0.0), Usage(cost_usd=0.5)):
        serde = serde_of(Usage)
        assert serde.parse(serde.serialize(usage)) == usage


def test_words_of_a_newer_process() -> None:
    """A status that is not known here is passed on; so is an event."""
    run = Run.model_validate({"run_id": "r", "agent": "a", "status": "frozen"})
    assert (run.status, run.ended) == ("frozen", False)
    body = b'{"events": [{"type": "run.frozen", "run_id": "r", "seq": 3, "why": {"cold": true}}]}'
    [event] = serde_of(EventPage).parse(body).events
    assert isinstance(event, UnknownEvent)
    assert (event.seq, event.type) == (3, "run.frozen")
    assert serde_of(Any).parse(event.model_dump_json().encode())["why"] == {"cold": True}


@pytest.mark.parametrize(
    ("kind", "body", "field"),
    [
        (StartRun, {"input": "Hi.", "x": 1}, "x"),
        (StartRun, {"input": [{"role": "user", "content": "Hi.", "x": 1}]}, "x"),
        (StartRun, {"input": "Hi.", "limits": {"x": 1}}, "limits.x"),
        (
            SteerRun,
            {"input": [{"role": "user", "content": [{"type": "text", "text": "", "x": 1}]}]},
            "x",
        ),
        (Decision, {"action": "approve", "x": 1}, "x"),
    ],
)
def test_the_door_refuses_unknown_fields(kind: Any, body: dict[str, Any], field: str) -> None:
    """What a client misspells is said, at any depth, and not left out."""
    with pytest.raises(ValidationError) as raised:
        from_client(kind, body)
    faults = [fault for fault in raised.value.errors() if fault["type"] == "extra_forbidden"]
    assert ".".join(map(str, faults[0]["loc"])).endswith(field)


async def test_input_that_can_not_be_read_is_tried_again() -> None:
    """The SDK would end the call for good; and nothing of the input gets into a log."""
    declared: list[Any] = []

    def decorator(_name: Any, **serdes: Any) -> Any:
        return lambda function: declared.append((function, serdes))

    async def status(_ctx: Any, question: StatusQuestion) -> bool:
        return question.messages

    json_handler(decorator)(status)
    [(handler, serdes)] = declared
    body = serdes["input_serde"].deserialize(b'{"messages": true, "new": 1}')
    assert await handler(None, body) is True
    with pytest.raises(UnreadableInput) as raised:
        await handler(None, b'{"messages": "a secret"}')
    assert "messages" in str(raised.value)
    assert "secret" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_times_are_written_alike() -> None:
    """A replay compares bytes: the same moment is the same text."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    assert serde_of(datetime).serialize(moment) == b'"2026-01-01T00:00:00Z"'
