"""What is journaled or kept comes back as it was."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from restate import Service
from restate.discovery import compute_discovery_json
from restate.endpoint import Endpoint

from outlast.contract import ThreadStatus
from outlast.protocol import Message, Run, RunError, ToolCall, Usage
from outlast_worker.engine.records import (
    ModelFault,
    ModelOutcome,
    ModelRecord,
    Opaque,
    StoredMessage,
)
from outlast_worker.services.serde import JsonSerde, json_handler
from outlast_worker.services.thread_calls import Release

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ERROR = RunError(type="internal", message="…", retryable=False)
NULLS = {"none": None, "deeper": [{"none": None}, None], "text": "ä\u2028"}
CALL = ToolCall(call_id="1.0", name="f", arguments=NULLS)
MESSAGE = {"id": "1", "role": "assistant", "content": "", "run_id": "r", "created_at": NOW}
OPAQUE = Opaque(provider="p", fields=NULLS, call_ids=[None, ""], call_fields=[{}, NULLS])


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (
            ModelOutcome,
            ModelFault(error=ERROR, retry_after_s=None, started_at=NOW, ended_at=NOW),
        ),
        (
            ModelOutcome,
            ModelRecord(
                text="",
                calls=[],
                finish_reason="stop",
                usage=Usage(cost_usd=None),
                model="m",
                started_at=NOW,
                ended_at=NOW,
                opaque=OPAQUE,
            ),
        ),
        (Release, Release(run_id="r", items=[], at=None)),
        (Run, Run(run_id="r", agent="a", status="running", usage=Usage(cost_usd=None))),
        (Message, Message(**MESSAGE, tool_calls=[CALL])),
        (
            list[StoredMessage],
            [StoredMessage(**MESSAGE), StoredMessage(**MESSAGE, opaque=OPAQUE)],
        ),
        (ThreadStatus, ThreadStatus(queued=[], message_count=0, created_at=NOW, updated_at=NOW)),
        (Run | None, None),
        (str, "ä"),
    ],
    ids=lambda value: getattr(type(value), "__name__", None),
)
def test_round_trip(annotation: Any, value: Any) -> None:
    """A null is kept as a null: in what has another default, or none, and inside JSON."""
    serde = JsonSerde[Any](annotation)
    assert serde.deserialize(serde.serialize(value)) == value


def test_nothing_is_none() -> None:
    """Where nothing was sent or kept there is None."""
    assert JsonSerde[str](str).deserialize(b"") is None


def test_what_restate_is_told_of_handlers() -> None:
    """Whether they take and give something, and no schemas, which are megabytes of many agents."""

    async def read(_ctx: Any, release: Release) -> Run:
        raise NotImplementedError

    async def end(_ctx: Any) -> None:
        raise NotImplementedError

    service = Service("desk")
    for function in (read, end):
        json_handler(service.handler)(function)
    told = json.loads(compute_discovery_json(Endpoint().bind(service), 4, "bidi"))
    handlers = {each["name"]: each for each in told["services"][0]["handlers"]}
    schemas = [handlers["read"][part]["jsonSchema"] for part in ("input", "output")]
    assert schemas == [True, True]
    assert handlers["end"]["input"] == {}
    assert "contentType" not in handlers["end"]["output"]
