"""What a run waits for, in a line: from its events, and from what the server knows."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr, TypeAdapter

from fakes import wire
from fakes.app_server import Document, ScriptedApp, problem
from fakes.wire import RUN_ID
from outlast.events import AnyEvent, AnyLiveEvent
from outlast.protocol import Run
from outlast_cli.activity import Activity, advance
from outlast_cli.client import Client
from outlast_cli.waiting import Standing, advise, explain, look
from unit.cli.conftest import CALL, HALF

_EVENT: TypeAdapter[AnyEvent | AnyLiveEvent] = TypeAdapter(AnyEvent | AnyLiveEvent)
QUEUED = wire.event(1, "run.queued")
STARTED = wire.event(1, "run.started")
TURN = wire.event(2, "turn.started", turn=1)
OTHER_CALL = {**CALL, "call_id": "1.1", "name": "find"}
DONE = wire.event(
    4,
    "tool_call.completed",
    call_id="1.0",
    name="refund",
    is_error=False,
    output="",
    duration_ms=1,
)
APPROVED = wire.event(4, "approval.resolved", call_id="1.0", action="approve", at=wire.NOON)
REASONING = wire.live("reasoning.delta", turn=1, attempt=1, n=0, text="hm")
ASKED = wire.approval_requested(3)


def _activity(events: Sequence[dict[str, Any]]) -> Activity:
    """Fold events, of which one comes each second."""
    activity = Activity()
    for second, event in enumerate(events):
        activity = advance(activity, _EVENT.validate_python(event), float(second))
    return activity


def _standing(ahead: int | None = None, **fields: Any) -> Standing:
    return Standing(Run.model_validate(wire.run(**fields)), ahead, 0)


@pytest.mark.parametrize(
    ("events", "after_s", "said"),
    [
        ([], 60, ""),
        ([STARTED], 60, ""),
        ([QUEUED], 2, "queued"),
        ([STARTED, TURN], 1, ""),
        ([STARTED, TURN], 5, "the model is thinking (5 s)"),
        ([STARTED, TURN, wire.delta("a")], 2, "the model is thinking (2 s)"),
        (
            [TURN, wire.live("reasoning.delta", turn=1, attempt=1, n=0, text="")],
            1,
            "the model is thinking (2 s)",
        ),
        ([TURN, CALL], 1, "refund"),
        ([TURN, CALL], 75, "refund (1 min 15 s)"),
        ([TURN, CALL, OTHER_CALL], 2, "refund (3 s), find (2 s)"),
        ([TURN, CALL, HALF], 2, "refund 1/2 half (3 s)"),
        ([TURN, CALL, DONE], 0, ""),
        ([TURN, CALL, ASKED], 60, "waits for approval of refund"),
        ([TURN, CALL, ASKED, OTHER_CALL], 60, "waits for approval of refund"),
        ([TURN, CALL, ASKED, APPROVED], 3, "refund (3 s)"),
        ([TURN, wire.message(3, "done")], 60, ""),
    ],
)
def test_from_events(events: list[dict[str, Any]], after_s: float, said: str) -> None:
    """The events tell what the run does, and since when."""
    now = max(len(events) - 1, 0) + after_s
    assert explain(_activity(events), None, now) == said


def _engine(retry_after_s: float | None = None, **fields: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    at = None if retry_after_s is None else now + timedelta(seconds=retry_after_s)
    return {"attempts": 3, "last_failure": "it broke", "next_retry_at": at, **fields}


@pytest.mark.parametrize(
    ("standing", "said"),
    [
        (_standing(status="queued"), "accepted; no worker has taken it yet"),
        (
            _standing(status="queued", engine=_engine()),
            "accepted; no worker has taken it yet; attempt 3 failed: it broke",
        ),
        (_standing(1, status="queued"), "queued behind another run on its thread"),
        (_standing(4, status="queued"), "queued behind 4 other runs on its thread"),
        (_standing(0, status="queued"), "accepted; no worker has taken it yet"),
        (_standing(status="paused", engine=_engine()), "paused; attempt 3 failed: it broke"),
        (_standing(status="paused"), "paused"),
        (_standing(status="waiting", waiting_for="timer"), "waits for the time of its start"),
        (
            _standing(status="waiting", approvals=[wire.approval(), wire.approval(name="pay")]),
            "waits for approval of refund, pay",
        ),
        (
            _standing(status="running", engine=_engine()),
            "running, turn 0; attempt 3 failed: it broke",
        ),
        (
            _standing(status="running"),
            "no worker answers; the run goes on as soon as one does",
        ),
        (_standing(status="running", messages=[], turn=4), "running, turn 4"),
        (
            _standing(status="running", messages=[], engine=_engine(last_failure=None)),
            "running, turn 0",
        ),
    ],
)
def test_from_the_server(standing: Standing, said: str) -> None:
    """What the events don't tell, the server does."""
    assert explain(Activity(), standing, 60) == said


@pytest.mark.parametrize(
    ("events", "standing", "said"),
    [
        (
            [TURN],
            _standing(status="running", messages=[]),
            "the model is thinking (1 min 0 s)",
        ),
        (
            [TURN],
            _standing(status="running", engine=_engine()),
            "the model is thinking (1 min 0 s); attempt 3 failed: it broke",
        ),
        (
            [TURN, CALL],
            _standing(status="paused", engine=_engine()),
            "paused; attempt 3 failed: it broke",
        ),
        ([QUEUED], _standing(status="queued"), "queued"),
        ([QUEUED], _standing(2, status="queued"), "queued behind 2 other runs on its thread"),
    ],
)
def test_from_both(events: list[dict[str, Any]], standing: Standing, said: str) -> None:
    """What holds a run up comes before, or beside, what it does."""
    assert explain(_activity(events), standing, len(events) - 1 + 60) == said


@pytest.mark.parametrize(
    ("retry_after_s", "said"),
    [
        (7.4, "attempt 3 failed, again in 7 s: it broke"),
        (-7, "the model is thinking (4 s); attempt 3 failed: it broke"),
    ],
)
def test_retries(retry_after_s: float, said: str) -> None:
    """Between attempts a run does nothing but wait; in one it does what it does."""
    standing = _standing(status="running", engine=_engine(retry_after_s))
    assert explain(_activity([TURN]), standing, 4) == said


def test_advice() -> None:
    """A run that goes on by itself needs no advice; the others get the commands."""
    assert advise(_standing(status="running")) == ""
    paused = advise(_standing(status="paused", engine=_engine()))
    assert paused == f"Paused; attempt 3 failed: it broke. To try again:\n  outlast resume {RUN_ID}"
    decided = wire.approval({"call_id": "1.0", "action": "approve", "at": wire.NOON})
    calls = [decided, wire.approval(call_id="1.1")]
    assert advise(_standing(status="waiting", approvals=calls)).splitlines() == [
        "The run waits for a decision:",
        f"  outlast approve {RUN_ID} 1.1  # refund",
    ]


THREAD = {
    "thread_id": "mine",
    "status": "busy",
    "run_id": "support.z",
    "queued": ["support.y", RUN_ID],
    "message_count": 1,
    "created_at": wire.NOON,
    "updated_at": wire.NOON,
}


@pytest.fixture
def client(app: ScriptedApp) -> Iterator[Client]:
    """A client of the scripted app."""
    client = Client(app.url, SecretStr(""))
    yield client
    client.http.close()


@pytest.mark.parametrize(
    ("thread", "ahead"),
    [
        (Document(THREAD), 2),
        (Document({**THREAD, "run_id": None, "queued": [RUN_ID]}), 0),
        (Document({**THREAD, "queued": []}), None),
        (problem(503, "Away", "Later."), None),
    ],
)
def test_look(app: ScriptedApp, client: Client, thread: Document, ahead: int | None) -> None:
    """A queued run is looked for on its thread."""
    app.on(f"GET /runs/{RUN_ID}", Document(wire.run("queued", thread_id="mine")))
    app.on("GET /threads/mine", thread)
    standing = look(client, RUN_ID)
    assert standing
    assert (standing.run.status, standing.ahead) == ("queued", ahead)


def test_look_in_vain(client: Client) -> None:
    """A server that can't say how a run stands is no reason to end."""
    assert look(client, RUN_ID) is None
