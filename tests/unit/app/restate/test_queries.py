"""What listings ask Restate, and that no value can leave its place in a query."""

import re
from datetime import UTC, datetime

import pytest

from outlast.names import RunRef
from outlast.protocol import Run, RunError
from outlast_app.cursors import Cursor
from outlast_app.restate.queries import (
    approvals_query,
    called_runs_query,
    calls_query,
    invocation_query,
    lines_query,
    runs_query,
    sql_text,
    state_query,
    states_query,
    submissions_query,
    threads_metadata_query,
    threads_query,
)
from outlast_app.run_filter import RunFilter
from outlast_worker.services.thread_state import Head, ThreadRun

AT = datetime(2026, 11, 23, 11, 45, 21, 52633, tzinfo=UTC)
HOSTILE = ["'", "''", "' OR '1'='1", "'; DROP TABLE state; --", "\\'", "a\nb", "%", "${x}", "{y}"]


def outside_of_texts(sql: str) -> str:
    """Return a query without its texts, as a parser of SQL splits it."""
    return re.sub(r"'(?:[^']|'')*'", "?", sql)


@pytest.mark.parametrize("value", HOSTILE)
def test_text(value: str) -> None:
    """A value is one text, whatever is in it."""
    assert outside_of_texts(sql_text(value)) == "?"
    assert sql_text(value)[1:-1].replace("''", "'") == value


@pytest.mark.parametrize("value", HOSTILE)
def test_queries_keep_values_in_texts(value: str) -> None:
    """Tenant, prefix, filters and cursors can't change a query, even if nobody had checked them."""

    def queries(value: str) -> list[str]:
        wanted = RunFilter(
            agent=value,
            thread_id=value,
            id_prefix=value,
            statuses=frozenset({"failed"}),
            metadata={value: value},
            created_after=AT,
            created_before=AT,
            parent=value,
        )
        ref = RunRef(value, f"{value}.{value}")
        return [
            invocation_query(value, ref),
            submissions_query(value, [ref, ref]),
            lines_query(value, {value: 7}),
            state_query(value, ref),
            runs_query("p", value, wanted, 21, Cursor("runs", AT, value)),
            threads_query("p", value, {value: value}, 21, Cursor("threads", AT, value)),
            threads_metadata_query("p", {value: 7}),
            approvals_query("p", value),
            calls_query("p", value),
            states_query("p", {value: 7}, None),
            states_query("p", {value: 7}, [value]),
        ]

    harmless = [outside_of_texts(query) for query in queries("harmless")]
    assert [outside_of_texts(query) for query in queries(value)] == harmless
    prefixed = outside_of_texts(runs_query("'" * 8, "t", RunFilter(), 21, None))
    assert prefixed == outside_of_texts(runs_query("harmless", "t", RunFilter(), 21, None))


def test_a_thread_that_is_called_as_a_run_is() -> None:
    """Its metadata is not taken for the run's: both have the same key in Restate."""
    assert "service_name <> 'p.Thread'" in states_query("p.", {"t/a.b": 7}, None)
    assert "service_name = 'p.Thread'" in threads_metadata_query("p.", {"t/a.b": 7})


def test_times_are_as_fine_as_restates() -> None:
    """No run was accepted before its own `created_at`, which is finer than what Restate tells."""
    between = RunFilter(created_after=AT, created_before=AT)
    listed = runs_query("", "t", between, 21, None)
    assert "created_at >= TIMESTAMP '2026-11-23T11:45:21.052000+00:00'" in listed
    assert "created_at < TIMESTAMP '2026-11-23T11:45:21.052000+00:00'" in listed


def test_lists_tell_what_backs_off() -> None:
    """The table of invocations has no word for it, and `GET /runs` says that no worker answers."""
    listed = runs_query("", "t", RunFilter(), 21, None)
    assert listed.count("e.retry_count > 0 THEN 'backing-off' ELSE i.status END AS status") == 2


def test_states_are_read_only_where_they_are_needed() -> None:
    """A list of all runs, or of an agent's, does not read the large table of states."""
    assert "state s" not in runs_query("", "t", RunFilter(), 21, None)
    assert "state s" not in runs_query("", "t", RunFilter(agent="a"), 21, None)
    assert "state s" in runs_query("", "t", RunFilter(statuses=frozenset({"paused"})), 21, None)
    assert "state s" in runs_query("", "t", RunFilter(thread_id="a"), 21, None)
    assert "state m" not in runs_query("", "t", RunFilter(thread_id="a"), 21, None)
    assert "state m" in runs_query("", "t", RunFilter(metadata={"a": "b"}), 21, None)
    assert "state s" not in runs_query("", "t", RunFilter(parent="a.b"), 21, None)


@pytest.mark.parametrize("thread_id", [None, "mine"])
def test_where_a_run_says_its_thread_and_status(thread_id: str | None) -> None:
    """The first fields of a run's state are names: nothing that a caller writes precedes them."""
    hostile = {"thread_id": "other", "status": "failed"}
    run = Run(
        run_id="a.b",
        agent="a",
        thread_id=thread_id,
        status="running",
        output=dict(hostile),
        metadata=hostile,
        error=RunError(type="internal", message='"status":"failed"', retryable=False),
    )
    before, _, after = run.model_dump_json().partition(',"status":"')
    assert after.startswith('running"')
    assert before.endswith(',"thread_id":"mine"' if thread_id else ',"thread_id":null')
    assert before.count('"') == (16 if thread_id else 14)


def test_what_runs_have_called() -> None:
    """All callers are asked about at once, each by its own name at Restate."""
    query = called_runs_query("p-", [RunRef("t", "a.b"), RunRef("t", "c.'d")])
    assert "i.invoked_by_target IN ('p-a/t/a.b/run', 'p-c/t/c.''d/run')" in query


def test_where_a_thread_says_its_time() -> None:
    """The first `created_at` of a thread's state is the thread's."""
    holder = ThreadRun(run_id="r", agent="a", tenant="t", invocation_id="inv_1", body_hash="h")
    head = Head(holder=holder, queue=[holder], created_at=AT, updated_at=datetime.now(UTC))
    assert head.model_dump_json().split('"created_at":"')[1].startswith(AT.isoformat()[:26])
