"""What comes back from queries: rows of Restate's tables; what is null there is left out."""

from pydantic import BaseModel, Json

from outlast.names import RunRef
from outlast.protocol import Approval, Engine, Run, Time

_FAILURE_CHARS = 300


class IdRow(BaseModel):
    """An invocation."""

    id: str


class SubmissionRow(IdRow):
    """A call of a thread's `submit`."""

    target_service_key: str
    idempotency_key: str
    created_at: Time


class EngineRow(BaseModel):
    """A run's invocation."""

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


class StateRow(_Keyed):
    """What a run says of itself."""

    value_utf8: Json[Run]


class ApprovalsRow(_Keyed):
    """A run's pending approvals."""

    partition_key: int
    value_utf8: Json[list[Approval]]


class _Member(BaseModel):
    run_id: str


class Head(BaseModel):
    """What a thread keeps of itself, as far as listings show it."""

    holder: _Member | None = None
    queue: list[_Member]
    page_counts: list[int]
    created_at: Time
    updated_at: Time


class ThreadRow(_Keyed):
    """A thread."""

    value_utf8: Json[Head]
