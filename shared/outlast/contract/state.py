"""What state in Restate is called that the app reads there, and how a run is put together."""

from collections.abc import Iterable, Mapping

from outlast.protocol import (
    Approval,
    CallAnswer,
    ClientCall,
    Resolution,
    Run,
)

DIGEST = "outlast-digest"
"""Where a service's metadata holds the agent's digest."""

# State that the app's listings read in Restate, without the worker.
RUN_KEY = "run"
"""A run's `Run`, as it is now, without messages and without what has keys of its own."""
METADATA_KEY = "metadata"
"""A run's metadata, if it has any."""
APPROVAL_PREFIX = "approval:"
"""Before an approval's id: the `Approval` as it was requested."""
RESOLUTION_PREFIX = "resolution:"
"""Before an approval's id: the `Resolution` that it came to."""
PENDING_PREFIX = "pending:"
"""Before an approval's id, while it waits: when it was requested. So all that waits is found."""
CALL_PREFIX = "call:"
"""Before a call's id: the `ClientCall` as a client was asked to run it."""
ANSWER_PREFIX = "answer:"
"""Before a call's id: the `CallAnswer` that it came to."""
OPEN_CALL_PREFIX = "open_call:"
"""Before a call's id, while it waits for a client: when it was requested."""
OLDER_APPROVALS_KEY = "approvals"
"""Where older workers keep the pending approvals of a run, a list of `Approval`."""
HEAD_KEY = "head"
"""A thread's holder, line and page counts (`outlast_worker.services.thread_state.Head`)."""
LINE_PREFIX = "line:"
"""Before a number: the run of a thread that has it in line, with its `run_id`."""


def whole_run(
    run: Run,
    metadata: Mapping[str, str] | None,
    approvals: Iterable[Approval],
    resolutions: Mapping[str, Resolution],
    calls: Iterable[ClientCall] = (),
    answers: Mapping[str, CallAnswer] | None = None,
) -> Run:
    """Put a run together from its keys. What an older worker has kept is whole already."""
    asked = sorted(approvals, key=lambda approval: (approval.requested_at, approval.id))
    if asked:
        found = [
            approval.model_copy(update={"resolution": resolutions.get(approval.id)})
            for approval in asked
        ]
        run = run.model_copy(update={"approvals": found})
    requested = sorted(calls, key=lambda call: (call.requested_at, call.call_id))
    if requested:
        known = answers or {}
        seen = [call.model_copy(update={"answer": known.get(call.call_id)}) for call in requested]
        run = run.model_copy(update={"calls": seen})
    return run.model_copy(update={"metadata": dict(metadata)}) if metadata else run
