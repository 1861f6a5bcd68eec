"""The line on a thread: which run holds it, and which wait."""

from contextlib import suppress
from http import HTTPStatus

from outlast.protocol import Run, Thread
from outlast_cli.client import Client
from outlast_cli.decisions import how_to_decide, undecided
from outlast_cli.errors import CliError, Refused
from outlast_cli.output import say


def runs_in_line(client: Client, thread_id: str) -> list[str]:
    """Return the runs of a thread that have not ended, in their order; none if it is new."""
    try:
        thread = client.get(Thread, "threads", thread_id)
    except Refused as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        return []
    return [*filter(None, [thread.run_id]), *thread.queued]


def say_what_is_ahead(client: Client, run_id: str) -> None:
    """Tell which run a queued one waits for, and what that one waits for."""
    # Whoever follows a run can do without.
    with suppress(CliError):
        run = client.get(Run, "runs", run_id)
        if run.status == "queued" and run.thread_id:
            holder = client.get(Thread, "threads", run.thread_id).run_id
            if holder and holder != run_id:
                _say(client.get(Run, "runs", holder))


def _say(ahead: Run) -> None:
    if ahead.ended:
        return
    if undecided(ahead):
        say(f"It is behind {ahead.run_id}, which waits for a decision:\n{how_to_decide(ahead)}")
    else:
        say(f"It is behind {ahead.run_id}, which is {ahead.status}.")
