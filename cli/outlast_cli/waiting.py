"""Why a run stands still: what the server knows of it, in a line."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from outlast.protocol import Engine, Run, Thread
from outlast_cli.activity import Activity, describe
from outlast_cli.client import Client
from outlast_cli.decisions import commands_to_decide, unanswered, undecided
from outlast_cli.errors import CliError
from outlast_cli.output import shortened
from outlast_cli.program import outlast


@dataclass(frozen=True)
class Standing:
    """A run as the server described it."""

    run: Run
    ahead: int | None
    """How many runs on its thread come first, if that is known."""
    asked_at: float


def look(client: Client, run_id: str) -> Standing | None:
    """Ask how a run stands; None if the server can't say."""
    asked_at = time.monotonic()
    try:
        run = client.get(Run, "runs", run_id)
    except CliError:
        return None
    return Standing(run, _ahead(client, run) if run.status == "queued" else None, asked_at)


def explain(activity: Activity, standing: Standing | None, now: float) -> str:
    """Say what a run waits for, or what it does."""
    doing = describe(activity, now)
    if standing is None:
        return doing
    run = standing.run
    failure, again_s = _failure(run.engine)
    match run.status:
        case "paused":
            stands = "paused"
        case "queued":
            stands = _place(standing.ahead) or doing or "accepted; no worker has taken it yet"
        case _ if again_s:
            stands = ""
        case "running" if not failure and run.messages is None:
            stands = "no worker answers; the run goes on as soon as one does"
        case "waiting" if run.waiting:
            stands = run.waiting.text.removesuffix(".").replace("Waits", "waits", 1)
        case "waiting" if run.waiting_for == "timer":
            stands = "waits for the time of its start"
        case "waiting" if calls := undecided(run):
            stands = f"waits for approval of {', '.join(call.name for call in calls)}"
        case _:
            stands = doing or f"{run.status}, turn {run.turn}"
    return "; ".join(filter(None, [stands, failure]))


def advise(standing: Standing) -> str:
    """Return the commands that a run waits for; nothing if it goes on by itself."""
    run = standing.run
    if run.status == "paused":
        why = "; ".join(filter(None, ["Paused", _failure(run.engine)[0]]))
        return f"{why}. To try again:\n  {outlast('resume', run.run_id)}"
    if undecided(run):
        return "\n".join(["The run waits for a decision:", *commands_to_decide(run)])
    if calls := unanswered(run):
        commands = [
            f"  {outlast('answer', run.run_id, each.call_id, 'RESULT')}  # {each.name}"
            for each in calls
        ]
        return "\n".join(["The run waits for a client's result:", *commands])
    return ""


def _ahead(client: Client, run: Run) -> int | None:
    if run.thread_id is None:
        return None
    try:
        thread = client.get(Thread, "threads", run.thread_id)
    except CliError:
        return None
    line = [*filter(None, [thread.run_id]), *thread.queued]
    return line.index(run.run_id) if run.run_id in line else None


def _place(ahead: int | None) -> str:
    if not ahead:
        return ""
    others = "another run" if ahead == 1 else f"{ahead} other runs"
    return f"queued behind {others} on its thread"


def _failure(engine: Engine | None) -> tuple[str, int]:
    """Say what went wrong, and return in how many seconds it is tried again; 0 if it is now."""
    if engine is None or engine.last_failure is None:
        return "", 0
    again_s = 0
    if engine.next_retry_at:
        again_s = max(round((engine.next_retry_at - datetime.now(UTC)).total_seconds()), 0)
    when = f", again in {again_s} s" if again_s else ""
    return f"attempt {engine.attempts} failed{when}: {shortened(engine.last_failure)}", again_s
