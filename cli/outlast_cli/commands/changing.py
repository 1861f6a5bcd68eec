"""`approve`, `reject`, `steer`, `cancel` and `resume`: act on a run."""

from typing import Annotated

import typer

from outlast.protocol import Decision, Resolution, Run, Steered, SteerRun
from outlast_cli import options
from outlast_cli.client import Client
from outlast_cli.decisions import whoami
from outlast_cli.editing import parse_arguments
from outlast_cli.output import show

Arguments = Annotated[
    str | None, typer.Option(metavar="JSON", help="Run the call with these, not the model's.")
]


def approve(
    ctx: typer.Context,
    run_id: options.WaitingRunId,
    call_id: options.CallId,
    arguments: Arguments = None,
    reason: options.Reason = None,
    by: options.By = None,
    as_json: options.Json = False,
) -> None:
    """Let a tool call run that waits for approval."""
    try:
        changed = None if arguments is None else parse_arguments(arguments)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--arguments") from error
    decision = Decision(action="approve", arguments=changed, reason=reason, by=by or whoami())
    _decide(options.client_of(ctx), run_id, call_id, decision, as_json=as_json)


def reject(
    ctx: typer.Context,
    run_id: options.WaitingRunId,
    call_id: options.CallId,
    reason: options.Reason = None,
    by: options.By = None,
    as_json: options.Json = False,
) -> None:
    """Refuse a tool call that waits for approval; the model reads the reason."""
    decision = Decision(action="reject", reason=reason, by=by or whoami())
    _decide(options.client_of(ctx), run_id, call_id, decision, as_json=as_json)


def steer(
    ctx: typer.Context,
    run_id: options.OpenRunId,
    text: options.Input,
    as_json: options.Json = False,
) -> None:
    """Hand a message to a run in progress."""
    body = SteerRun(input=options.read_input(text))
    answer = options.client_of(ctx).post(Steered, "runs", run_id, "messages", body=body)
    show(answer, f"The run has the message, as {answer.message_id}.", as_json=as_json)


def cancel(ctx: typer.Context, run_id: options.OpenRunId, as_json: options.Json = False) -> None:
    """End a run, wherever it is."""
    answer = options.client_of(ctx).post(Run, "runs", run_id, "cancel")
    show(answer, f"{run_id} is being cancelled.", as_json=as_json)


def resume(ctx: typer.Context, run_id: options.PausedRunId, as_json: options.Json = False) -> None:
    """Let a paused run try again."""
    answer = options.client_of(ctx).post(Run, "runs", run_id, "resume")
    show(answer, f"{run_id} tries again.", as_json=as_json)


def _decide(
    client: Client, run_id: str, call_id: str, decision: Decision, *, as_json: bool
) -> None:
    answer = client.post(Resolution, "runs", run_id, "approvals", call_id, body=decision)
    show(answer, f"{call_id}: {answer.action}", as_json=as_json)
