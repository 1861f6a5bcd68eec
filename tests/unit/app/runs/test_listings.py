"""Pages of runs, put together from what Restate and the runs say."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from outlast.protocol import Approval, CallAnswer, ClientCall, Resolution, Run, RunStatus
from outlast_app.cursors import Cursor
from outlast_app.restate.rows import (
    ListedRow,
    OpenCallRow,
    PendingRow,
    RunRow,
    StateRow,
    listed_runs,
    runs_of,
)
from outlast_app.run_filter import RunFilter
from outlast_app.runs.listings import Listings

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)


def run_id(letter: str) -> str:
    return f"support.{letter * 26}"


def row(name: str, minute: int = 0, **more: Any) -> RunRow:
    return RunRow(
        service_key=f"acme/{name}",
        partition_key=7,
        created_at=AT + timedelta(minutes=minute),
        **{"status": "running", **more},
    )


def state(name: str, status: RunStatus) -> ListedRow:
    run = Run(run_id=name, agent="support", status=status, created_at=AT)
    return ListedRow(service_key=f"acme/{name}", whole=run.model_dump_json())


class Tables:
    """An admin API that has these rows."""

    def __init__(self, rows: list[RunRow], *states: ListedRow) -> None:
        self._rows = rows
        self._states = states

    async def runs(self, _tenant: str, _wanted: RunFilter, limit: int, _after: Any) -> list[RunRow]:
        return self._rows[:limit]

    async def run_states(self, partition_keys: dict[str, int]) -> Mapping[str, Run]:
        return listed_runs([each for each in self._states if each.service_key in partition_keys])


def listings(rows: list[RunRow], *states: ListedRow) -> Listings:
    tables: Any = Tables(rows, *states)
    return Listings(tables)


async def test_a_run_before_its_worker() -> None:
    """A run that no worker has taken yet is listed as queued, on its thread."""
    page = await listings([row(run_id("a"), thread_key="acme/t", status="ready")]).runs(
        "acme", RunFilter(), 20, None
    )
    [run] = page.items
    assert (run.status, run.thread_id, run.agent, run.messages) == ("queued", "t", "support", None)
    assert run.engine is None


@pytest.mark.parametrize(
    ("failure", "kind"), [("[409] killed", "killed"), ("[500] broken", "internal")]
)
async def test_a_run_that_was_ended_from_outside(failure: str, kind: str) -> None:
    """It failed, whatever it had said of itself."""
    rows = [row(run_id("a"), completion_failure=failure, status="completed")]
    page = await listings(rows, state(run_id("a"), "running")).runs("acme", RunFilter(), 20, None)
    assert [(run.status, run.error and run.error.type) for run in page.items] == [("failed", kind)]


async def test_what_was_made_by_hand() -> None:
    """What somebody started in Restate by another name is not a run, and can't be read as one."""
    page = await listings([row("support.by-hand"), row(run_id("a"))]).runs(
        "acme", RunFilter(), 20, None
    )
    assert [run.run_id for run in page.items] == [run_id("a")]


async def test_a_key_that_was_given_twice() -> None:
    """A run that was submitted twice is listed once."""
    rows = [row(run_id("a"), minute, thread_key="acme/t") for minute in (1, 0)]
    page = await listings(rows).runs("acme", RunFilter(), 20, None)
    assert [run.created_at for run in page.items] == [AT]


async def test_a_status_that_has_changed_meanwhile() -> None:
    """Whoever asks for runs of a status gets no other ones."""
    rows = [row(run_id("a")), row(run_id("b"))]
    states = [state(run_id("a"), "completed"), state(run_id("b"), "running")]
    page = await listings(rows, *states).runs(
        "acme", RunFilter(statuses=frozenset({"running"})), 20, None
    )
    assert [run.run_id for run in page.items] == [run_id("b")]


async def test_where_the_next_page_begins() -> None:
    """After the last run that was found for this page, also when it is not shown."""
    rows = [row(run_id("a"), 2), row("support.by-hand", 1), row(run_id("b"), 0)]
    page = await listings(rows).runs("acme", RunFilter(), 2, None)
    assert [run.run_id for run in page.items] == [run_id("a")]
    assert page.next_cursor == Cursor("runs", rows[1].created_at, "support.by-hand").write()
    assert (await listings(rows[:2]).runs("acme", RunFilter(), 2, None)).next_cursor is None


class Waiting:
    """An admin API that has these approvals."""

    def __init__(self, rows: list[PendingRow], *states: ListedRow) -> None:
        self._rows = rows
        self._states = states
        self.asked: list[str] = []

    async def approvals(self, _tenant: str) -> list[PendingRow]:
        return self._rows

    async def run_states(
        self, partition_keys: dict[str, int], approval_ids: list[str]
    ) -> Mapping[str, Run]:
        self.asked = approval_ids
        return listed_runs([each for each in self._states if each.service_key in partition_keys])


def asked_at(approval_id: str, minute: int) -> Approval:
    return Approval(
        call_id=approval_id, name="pay", arguments={}, requested_at=AT + timedelta(minutes=minute)
    )


def kept(name: str, approval: Approval) -> ListedRow:
    key = f"approval:{approval.id}"
    return ListedRow(service_key=f"acme/{name}", key=key, whole=approval.model_dump_json())


def pending(name: str, key: str, value: str) -> PendingRow:
    return PendingRow(service_key=f"acme/{name}", partition_key=7, key=key, value_utf8=value)


async def test_approvals_of_workers_of_both_kinds() -> None:
    """What waits is found by its own keys, or in the one key of an older worker, newest first."""
    newer, older = run_id("a"), run_id("b")
    first, second, third = asked_at("1.0", 1), asked_at("1.1", 2), asked_at("2.0", 3)
    whole = Run(run_id=older, agent="support", status="waiting", approvals=[second])
    tables: Any = Waiting(
        [
            pending(newer, "pending:1.0", f'"{first.requested_at.isoformat()}"'),
            pending(newer, "pending:2.0", f'"{third.requested_at.isoformat()}"'),
            pending(older, "approvals", f"[{second.model_dump_json()}]"),
        ],
        state(newer, "waiting"),
        kept(newer, first),
        kept(newer, third),
        ListedRow(service_key=f"acme/{older}", whole=whole.model_dump_json()),
    )
    page = await Listings(tables).approvals("acme", 2, None)
    assert [(item.run_id, item.id) for item in page.items] == [
        (newer, "2.0"),
        (older, "1.1"),
    ]
    assert tables.asked == ["2.0", "1.1"]
    rest = await Listings(tables).approvals("acme", 2, Cursor.read(page.next_cursor, "approvals"))
    assert [(item.run_id, item.id) for item in rest.items] == [(newer, "1.0")]


class Open:
    """An admin API that has these calls of clients' tools."""

    def __init__(self, calls: Mapping[str, list[ClientCall]], answered: CallAnswer) -> None:
        self._calls = calls
        self._answered = answered

    async def calls(self, _tenant: str) -> list[OpenCallRow]:
        return [
            OpenCallRow.model_validate(
                {
                    "service_key": f"acme/{name}",
                    "partition_key": 7,
                    "key": f"open_call:{call.call_id}",
                    "value_utf8": f'"{call.requested_at.isoformat()}"',
                }
            )
            for name, calls in self._calls.items()
            for call in calls
        ]

    async def run_states(
        self, partition_keys: dict[str, int], call_ids: list[str]
    ) -> Mapping[str, Run]:
        rows = [state(name, "waiting") for name in self._calls]
        rows += [
            ListedRow(
                service_key=f"acme/{name}",
                key=f"call:{call.call_id}",
                whole=call.model_dump_json(),
            )
            for name, calls in self._calls.items()
            for call in calls
            if call.call_id in call_ids
        ]
        rows += [
            ListedRow(
                service_key=f"acme/{name}",
                key=f"answer:{self._answered.call_id}",
                whole=self._answered.model_dump_json(),
            )
            for name in self._calls
        ]
        return listed_runs([each for each in rows if each.service_key in partition_keys])


def call_at(call_id: str, minute: int) -> ClientCall:
    at = AT + timedelta(minutes=minute)
    return ClientCall(call_id=call_id, name="locate", arguments={}, requested_at=at, expires_at=at)


async def test_open_calls() -> None:
    """What waits for clients is listed newest first, page by page, without what was answered."""
    one, other = run_id("a"), run_id("b")
    answered = CallAnswer(call_id="3.0", outcome="answered", at=AT)
    calls = {one: [call_at("1.0", 1), call_at("3.0", 4)], other: [call_at("1.0", 2)]}
    tables: Any = Open(calls, answered)
    page = await Listings(tables).calls("acme", 2, None)
    assert [(item.run_id, item.call_id) for item in page.items] == [(other, "1.0")]
    rest = await Listings(tables).calls("acme", 2, Cursor.read(page.next_cursor, "calls"))
    assert [(item.run_id, item.call_id) for item in rest.items] == [(one, "1.0")]
    assert rest.next_cursor is None


def test_a_run_is_put_together() -> None:
    """What has keys of its own is added to what a run says of itself."""
    name, waits, done = run_id("a"), asked_at("1.0", 2), asked_at("1.1", 1)
    resolution = Resolution(call_id="1.1", approval_id="1.1", action="reject", at=AT)
    answer = CallAnswer(call_id="2.0", outcome="answered", at=AT)
    values = {
        "approval:1.0": waits.model_dump_json(),
        "resolution:1.1": resolution.model_dump_json(),
        "metadata": '{"ticket":"7"}',
        "approval:1.1": done.model_dump_json(),
        "call:2.0": call_at("2.0", 3).model_dump_json(),
        "answer:2.0": answer.model_dump_json(),
        "run": Run(run_id=name, agent="support", status="waiting").model_dump_json(),
    }
    place = f"acme/{name}"
    read = runs_of(
        [StateRow(service_key=place, key=key, value_utf8=text) for key, text in values.items()]
    )
    listed = listed_runs(
        [ListedRow(service_key=place, key=key, whole=text) for key, text in values.items()]
    )
    for run in (read[name], listed[name]):
        assert run.metadata == {"ticket": "7"}
        assert [(each.id, each.resolution) for each in run.approvals] == [
            ("1.1", resolution),
            ("1.0", None),
        ]
        assert [(each.call_id, each.answer) for each in run.calls] == [("2.0", answer)]
