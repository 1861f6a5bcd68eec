"""What comes back from queries: rows of Restate's tables; what is null there is left out."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any, Self

from pydantic import BaseModel, Json, TypeAdapter, ValidationError, model_validator
from pydantic_core import from_json

from outlast.contract import (
    ANSWER_PREFIX,
    APPROVAL_PREFIX,
    CALL_PREFIX,
    LINE_PREFIX,
    METADATA_KEY,
    OLDER_APPROVALS_KEY,
    OPEN_CALL_PREFIX,
    PENDING_PREFIX,
    RESOLUTION_PREFIX,
    RUN_KEY,
    whole_run,
)
from outlast.names import RunRef
from outlast.protocol import (
    Approval,
    CallAnswer,
    ClientCall,
    Engine,
    Resolution,
    Run,
    ThreadSummary,
    Time,
)
from outlast_app.restate.outcomes import Submission
from outlast_app.restate.queries import AFTER_OUTPUT, OUTPUT

_FAILURE_CHARS = 300
_LONG_CHARS = 1000
_PREVIEW_CHARS = 200
_APPROVALS = TypeAdapter(list[Approval])
_METADATA = TypeAdapter(dict[str, str])
_TIME = TypeAdapter[Time](Time)


class IdRow(BaseModel):
    """An invocation."""

    id: str


class SubmissionRow(IdRow):
    """A call of a thread's `submit`."""

    target_service_key: str
    idempotency_key: str
    created_at: Time

    @property
    def ref(self) -> RunRef:
        """Which run was submitted."""
        tenant = self.target_service_key.partition("/")[0]
        return RunRef(tenant, self.idempotency_key.partition(":")[0])

    @property
    def submission(self) -> Submission:
        """How it was submitted."""
        return Submission(
            invocation_id=self.id,
            thread_id=self.target_service_key.partition("/")[2],
            body_hash=self.idempotency_key.partition(":")[2],
            created_at=self.created_at,
        )


class EngineRow(BaseModel):
    """A run's invocation. Listings do without its names."""

    id: str | None = None
    deployment_id: str | None = None
    status: str
    retry_count: int = 0
    last_failure: str | None = None
    next_retry_at: Time | None = None
    created_at: Time

    @property
    def paused(self) -> bool:
        """Whether Restate has given up retrying."""
        return self.status == "paused"

    @property
    def engine(self) -> Engine:
        """What clients may see of it."""
        failure = self.last_failure.splitlines()[0][:_FAILURE_CHARS] if self.last_failure else None
        return Engine(
            attempts=self.retry_count, last_failure=failure, next_retry_at=self.next_retry_at
        )


class _Keyed(BaseModel):
    service_key: str

    @property
    def name(self) -> str:
        """The run's or the thread's id: what follows the tenant."""
        return self.service_key.partition("/")[2]


class RunRow(_Keyed, EngineRow):
    """A run, or one that its thread has not seen yet: only that has the thread's key."""

    partition_key: int
    thread_key: str | None = None
    completion_failure: str | None = None

    @property
    def ref(self) -> RunRef | None:
        """Which run it is; None for what somebody made in Restate by hand."""
        return RunRef.from_key(self.service_key)

    @property
    def thread_id(self) -> str | None:
        """The thread that has not seen the run yet."""
        return self.thread_key.partition("/")[2] if self.thread_key else None


class CalledRow(_Keyed):
    """A run that another one has called."""

    thread_id: str = ""

    @property
    def ref(self) -> RunRef | None:
        """Which run it is; None for what somebody made in Restate by hand."""
        return RunRef.from_key(self.service_key)


class StateRow(_Keyed):
    """One key of what a run says of itself."""

    key: str
    value_utf8: str


class ListedRow(_Keyed):
    """The same for a list: whole, or of a run what stands around a long output."""

    key: str = RUN_KEY
    whole: str | None = None
    beginning: str = ""
    ending: str = ""

    @cached_property
    def run(self) -> Run:
        """The run, with the beginning of an output that is long."""
        if self.whole:
            whole = Run.model_validate_json(self.whole)
            return _with_short_output(whole, whole.output, is_cut=False)
        before, _, output = self.beginning.partition(AFTER_OUTPUT)[0].partition(OUTPUT)
        run = self._around_output(before)
        try:
            return _with_short_output(run, from_json(output or "null"), is_cut=False)
        except ValueError:  # it goes on, perhaps behind what looks like its end
            rest = self.beginning.partition(OUTPUT)[2]
            begun = from_json(rest, allow_partial="trailing-strings")
            return _with_short_output(run, begun, is_cut=True)

    @model_validator(mode="after")
    def _is_a_run(self) -> Self:
        _ = self.run if self.key == RUN_KEY else None
        return self

    def _around_output(self, before: str) -> Run:
        for after in self._endings():
            with suppress(ValidationError):  # else that was part of something else
                return Run.model_validate_json(before + after)
        raise ValueError("the state of a run can't be read")

    def _endings(self) -> Iterator[str]:
        """Yield what may come after the output, from the end on: the output may be long."""
        at = self.ending.rfind(AFTER_OUTPUT)
        while at >= 0:
            yield self.ending[at:]
            at = self.ending.rfind(AFTER_OUTPUT, 0, at)


class PendingRow(_Keyed):
    """A key by which approvals are found that wait."""

    partition_key: int
    key: str
    value_utf8: str

    def approvals(self) -> dict[str, Time]:
        """Return when each of them was requested, by its id."""
        if self.key == OLDER_APPROVALS_KEY:
            waiting = _APPROVALS.validate_json(self.value_utf8)
            return {approval.id: approval.requested_at for approval in waiting}
        return {self.key.removeprefix(PENDING_PREFIX): _TIME.validate_json(self.value_utf8)}


class OpenCallRow(_Keyed):
    """A key by which a call is found that waits for a client."""

    partition_key: int
    key: str
    value_utf8: Json[Time]

    @property
    def call_id(self) -> str:
        """The call."""
        return self.key.removeprefix(OPEN_CALL_PREFIX)


def runs_of(rows: Sequence[StateRow]) -> dict[str, Run]:
    """Put runs together from rows of their states, by run id."""
    runs = {row.name: Run.model_validate_json(row.value_utf8) for row in rows if row.key == RUN_KEY}
    return _whole(runs, ((row.name, row.key, row.value_utf8) for row in rows))


def listed_runs(rows: Sequence[ListedRow]) -> dict[str, Run]:
    """Do the same for a list."""
    runs = {row.name: row.run for row in rows if row.key == RUN_KEY}
    return _whole(runs, ((row.name, row.key, row.whole or "") for row in rows))


def _whole(runs: Mapping[str, Run], kept: Iterable[tuple[str, str, str]]) -> dict[str, Run]:
    """Add what has keys of its own, given as run id, key and value."""
    metadata: dict[str, dict[str, str]] = {}
    approvals: dict[str, list[Approval]] = {}
    resolutions: dict[str, dict[str, Resolution]] = {}
    calls: dict[str, list[ClientCall]] = {}
    answers: dict[str, dict[str, CallAnswer]] = {}
    for name, key, value in kept:
        if key == METADATA_KEY:
            metadata[name] = _METADATA.validate_json(value)
        elif key.startswith(APPROVAL_PREFIX):
            approvals.setdefault(name, []).append(Approval.model_validate_json(value))
        elif key.startswith(CALL_PREFIX):
            calls.setdefault(name, []).append(ClientCall.model_validate_json(value))
        elif key.startswith(ANSWER_PREFIX):
            answer = CallAnswer.model_validate_json(value)
            answers.setdefault(name, {})[answer.call_id] = answer
        elif key.startswith(RESOLUTION_PREFIX):
            resolution = Resolution.model_validate_json(value)
            resolutions.setdefault(name, {})[resolution.id] = resolution
    return {
        name: whole_run(
            run,
            metadata.get(name),
            approvals.get(name, []),
            resolutions.get(name, {}),
            calls.get(name, []),
            answers.get(name, {}),
        )
        for name, run in runs.items()
    }


class _Member(BaseModel):
    run_id: str


class _SummaryPlace(BaseModel):
    covers: int
    how: str
    run_id: str
    at: Time


class Head(BaseModel):
    """What a thread keeps of itself, as far as listings show it."""

    holder: _Member | None = None
    queue: list[_Member] = []
    """Where older workers keep the line."""
    waiting: int = 0
    page_counts: list[int]
    expires_after_s: float | None = None
    summaries: list[_SummaryPlace] | None = None
    created_at: Time
    updated_at: Time

    @property
    def summary(self) -> ThreadSummary | None:
        """Where runs begin to read, if not at the first message."""
        if not self.summaries:
            return None
        last = self.summaries[-1]
        return ThreadSummary.model_validate(
            {
                "messages": last.covers,
                "how": last.how,
                "run_id": last.run_id,
                "created_at": last.at,
            }
        )


class ThreadRow(_Keyed):
    """A thread."""

    partition_key: int
    value_utf8: Json[Head]


class MetadataRow(_Keyed):
    """What was said of a thread."""

    value_utf8: Json[dict[str, str]]


class LineRow(_Keyed):
    """A place in a thread's line."""

    key: str
    value_utf8: Json[_Member]


def lines_of(rows: Iterable[LineRow]) -> dict[str, list[str]]:
    """Return the runs that wait, next one first, by thread."""
    lines: dict[str, dict[int, str]] = {}
    for row in rows:
        number = int(row.key.removeprefix(LINE_PREFIX))
        lines.setdefault(row.name, {})[number] = row.value_utf8.run_id
    return {name: [line[number] for number in sorted(line)] for name, line in lines.items()}


def _with_short_output(run: Run, output: Any, *, is_cut: bool) -> Run:
    text = output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)
    if is_cut or len(text) > _LONG_CHARS:
        return run.model_copy(update={"output": None, "output_preview": text[:_PREVIEW_CHARS]})
    return run.model_copy(update={"output": output})
