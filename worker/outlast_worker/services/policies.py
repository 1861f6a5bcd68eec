"""How Restate retries our handlers."""

from datetime import timedelta

from restate import InvocationRetryPolicy

NO_JOURNAL = timedelta(0)
# Much longer than the app waits for an answer (3 s) before it makes the call again, one-way.
REPEATED_WITHIN = timedelta(minutes=1)

# Only crashes and bugs come here: try soon and for days, then pause for a person to look. The
# interval grows with the time that has passed, to a sixth of it: a worker that was away for
# three seconds is called again within half a second.
WRITE_POLICY = InvocationRetryPolicy(
    initial_interval=timedelta(milliseconds=200),
    exponentiation_factor=1.2,
    max_interval=timedelta(seconds=5),
    max_attempts=100_000,
    on_max_attempts="pause",
)

# Nobody waits for a late answer to a question: give up.
READ_POLICY = InvocationRetryPolicy(
    initial_interval=timedelta(milliseconds=100),
    exponentiation_factor=2.0,
    max_interval=timedelta(seconds=1),
    max_attempts=8,
    on_max_attempts="kill",
)
