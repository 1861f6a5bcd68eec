"""Nothing is sent to a worker that no worker could read: a run would try that for days."""

from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from pydantic import JsonValue

from outlast.contract import RunOrder
from outlast.errors import InvalidRequest, RestateUnavailable
from outlast.protocol import InputMessage, Limits, ToolCall
from outlast_app.restate.http import IngressHttp

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def nested(depth: int) -> JsonValue:
    value: JsonValue = 1
    for _ in range(depth):
        value = [value]
    return value


def order(call: ToolCall, calls: int = 1, **changes: Any) -> RunOrder:
    message = InputMessage(role="assistant", content="", tool_calls=[call])
    # Without checks, as `model_copy` has none.
    message = message.model_copy(update={"tool_calls": [call] * calls})
    return RunOrder(
        run_id="support.aaaaaaaaaaaaaaaaaaaaaaaaaa",
        tenant="default",
        agent="support",
        input=[message],
        admission="none",
        on_busy="enqueue",
        stream=False,
        context={},
        metadata={},
        limits=Limits(),
        after_s=0,
        created_at=NOON,
        body_hash="x",
        repeatable=False,
    ).model_copy(update=changes)


def call(value: JsonValue = 1) -> ToolCall:
    return ToolCall(call_id="c", name="f", arguments={"a": value})


@pytest.mark.parametrize(
    "body",
    [
        order(call(nested(182))),
        order(call(nested(230))),
        order(call("\ud800")),
        order(call("x" * 600_000 + "\ud800")),
        order(call(), calls=1001),
        order(call(), limits=Limits().model_copy(update={"max_turns": 0})),
    ],
)
async def test_what_no_worker_reads(nobody: str, body: RunOrder) -> None:
    """It is refused here, whoever let it through, and nothing is sent."""
    async with aiohttp.ClientSession() as session:
        with pytest.raises(InvalidRequest, match="can't be kept"):
            await IngressHttp(session, nobody).send("/x", body, 1, {})


@pytest.mark.parametrize("body", [order(call(nested(170))), order(call("x" * 600_000), calls=10)])
async def test_what_workers_read(nobody: str, body: RunOrder) -> None:
    """All else is sent, to whoever is there."""
    async with aiohttp.ClientSession() as session:
        with pytest.raises(RestateUnavailable):
            await IngressHttp(session, nobody).send("/x", body, 1, {})
