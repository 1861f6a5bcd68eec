"""Act on a run, or on a conversation."""

import sys
from http import HTTPStatus
from typing import Annotated, get_args

import typer
from pydantic import JsonValue

from outlast.protocol import (
    Action,
    CallAnswer,
    CallResult,
    ChangeThread,
    CreateThread,
    Decision,
    Resolution,
    Run,
    SignalTaken,
    SignalValue,
    Steered,
    SteerRun,
    Thread,
)
from outlast_cli import completion, options, tables
from outlast_cli.asking import read_value, whoami
from outlast_cli.client import Client
from outlast_cli.editing import parse_arguments
from outlast_cli.errors import Refused
from outlast_cli.fields import ask_for_content
from outlast_cli.output import printable, say, show
from outlast_cli.program import outlast

Arguments = Annotated[
    str | None, typer.Option(metavar="JSON", help="Run the call with these, not the model's.")
]

_ACTIONS = ", ".join(get_args(Action))


def approve(
    ctx: typer.Context,
    run_id: options.WaitingRunId,
    approval_id: options.ApprovalId,
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
    _decide(options.client_of(ctx), run_id, approval_id, decision, as_json=as_json)


def reject(
    ctx: typer.Context,
    run_id: options.WaitingRunId,
    approval_id: options.ApprovalId,
    reason: options.Reason = None,
    by: options.By = None,
    as_json: options.Json = False,
) -> None:
    """Refuse a tool call that waits for approval; the model reads the reason."""
    decision = Decision(action="reject", reason=reason, by=by or whoami())
    _decide(options.client_of(ctx), run_id, approval_id, decision, as_json=as_json)


def decide(
    ctx: typer.Context,
    run_id: options.WaitingRunId,
    approval_id: options.ApprovalId,
    action: Annotated[str, typer.Argument(metavar="ACTION", help=f"One of {_ACTIONS}.")],
    output: Annotated[
        str | None, typer.Option(help="Of complete: the call's result, a text or JSON.")
    ] = None,
    content: Annotated[
        str | None,
        typer.Option(metavar="JSON", help="Of answer; without it a terminal asks for each field."),
    ] = None,
    limits: Annotated[
        list[str] | None,
        typer.Option("--limit", metavar="NAME=VALUE", help="Of raise: such as max_turns=40."),
    ] = None,
    reason: options.Reason = None,
    by: options.By = None,
    as_json: options.Json = False,
) -> None:
    """Decide on what else a run waits for: a call in doubt, a limit, an input."""
    raised = options.parse_values(limits)
    client = options.client_of(ctx)
    answered = None if content is None else read_value(content)
    if action == "answer" and content is None and sys.stdin.isatty():
        answered = _ask_for_content(client, run_id, approval_id)
    given: dict[str, JsonValue] = {
        "action": action,
        "output": None if output is None else read_value(output),
        "content": answered,
        "limits": raised or None,
        "reason": reason,
        "by": by or whoami(),
    }
    decision = options.body_of(Decision, given)
    _decide(client, run_id, approval_id, decision, as_json=as_json)


def answer(
    ctx: typer.Context,
    run_id: options.OpenRunId,
    call_id: options.CallId,
    output: options.Input,
    error: Annotated[bool, typer.Option("--error", help="The call failed; this says why.")] = False,
    by: options.By = None,
    as_json: options.Json = False,
) -> None:
    """Send the result of a call that a client runs."""
    text = options.read_input(output)
    result = CallResult(output=text, is_error=error, by=by or whoami())
    taken = options.client_of(ctx).post(CallAnswer, "runs", run_id, "results", call_id, body=result)
    show(taken, f"{call_id}: {taken.outcome}", as_json=as_json)


def steer(
    ctx: typer.Context,
    run_id: options.OpenRunId,
    text: options.Input,
    as_json: options.Json = False,
) -> None:
    """Hand a message to a run in progress."""
    body = SteerRun(input=options.read_input(text))
    answer = options.client_of(ctx).post(Steered, "runs", run_id, "messages", body=body)
    taken = f"The run has the message, as {answer.message_id}."
    handed_over = "No worker was there to take the message; the next one does."
    show(answer, taken if answer.message_id else handed_over, as_json=as_json)


def signal(
    ctx: typer.Context,
    run_id: options.OpenRunId,
    name: Annotated[str, typer.Argument(metavar="NAME", help="One that a tool waits for.")],
    value: Annotated[
        str, typer.Argument(metavar="[JSON]", help="What it says; what is no JSON is a text.")
    ] = "null",
    call: Annotated[
        str | None, typer.Option(help="The call that is meant, such as 1.0, if several take it.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Send a signal to a tool that a run has called."""
    body, query = SignalValue(read_value(value)), {"call_id": call} if call else None
    client = options.client_of(ctx)
    answer = client.post(SignalTaken, "runs", run_id, "signals", name, body=body, query=query)
    taken = f"The call {answer.call_id} has" if answer.call_id else "The next worker takes"
    show(answer, f"{taken} the signal {name}.", as_json=as_json)


def cancel(ctx: typer.Context, run_id: options.OpenRunId, as_json: options.Json = False) -> None:
    """End a run, wherever it is."""
    answer = options.client_of(ctx).post(Run, "runs", run_id, "cancel")
    show(answer, f"{run_id} is being cancelled.", as_json=as_json)


def resume(ctx: typer.Context, run_id: options.PausedRunId, as_json: options.Json = False) -> None:
    """Let a paused run try again."""
    answer = options.client_of(ctx).post(Run, "runs", run_id, "resume")
    show(answer, f"{run_id} tries again.", as_json=as_json)


def thread(
    ctx: typer.Context,
    thread_id: options.ThreadId,
    create: Annotated[bool, typer.Option("--create", help="Make it: there is none yet.")] = False,
    title: Annotated[str | None, typer.Option(help="What lists call it.")] = None,
    metadata: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Kept with it; without a value, taken away."),
    ] = None,
    expires_after_s: Annotated[
        float | None,
        typer.Option(min=0, help="Forget it so long after its last change; 0 for never."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Show how a conversation stands, make it, or change its title and metadata."""
    client = options.client_of(ctx)
    said = {**options.parse_pairs(metadata), **({} if title is None else {"title": title})}
    expiry = {} if expires_after_s is None else {"expires_after_s": expires_after_s or None}
    if create:
        given = {"thread_id": thread_id, "metadata": said, **expiry}
        body = options.body_of(CreateThread, given)
        made = client.post(Thread, "threads", body=body)
    elif not (said or expiry):
        made = client.get(Thread, "threads", thread_id)
    else:
        change = {"metadata": {name: value or None for name, value in said.items()}, **expiry}
        body = options.body_of(ChangeThread, change)
        made = client.patch(Thread, "threads", thread_id, body=body)
    show(made, tables.one_thread(made), as_json=as_json)


def delete(
    ctx: typer.Context,
    run_id: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="A run's id.", autocompletion=completion.complete_run),
    ] = None,
    thread_id: Annotated[
        str | None,
        typer.Option(
            "--thread", help="A conversation, instead.", autocompletion=completion.complete_thread
        ),
    ] = None,
    runs: Annotated[
        bool, typer.Option("--runs", help="Also the conversation's runs that have ended.")
    ] = False,
) -> None:
    """Forget a run that has ended, or a conversation.

    What a run said in a conversation stays there.
    """
    if (run_id is None) == (thread_id is None) or (runs and thread_id is None):
        raise typer.BadParameter("name either a run, or a conversation by --thread")
    client = options.client_of(ctx)
    if thread_id is not None:
        client.delete("threads", thread_id, **({"runs": "true"} if runs else {}))
    else:
        _delete_run(client, run_id or "")
    say(f"{run_id or thread_id} is forgotten.")


def _delete_run(client: Client, run_id: str) -> None:
    try:
        client.delete("runs", run_id)
    except Refused as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        instead = outlast("delete", "--thread", run_id)
        said = f"{error} If it is a conversation: {instead}"
        raise Refused(said, error.status) from error


def _ask_for_content(client: Client, run_id: str, approval_id: str) -> JsonValue:
    run = client.get(Run, "runs", run_id)
    asked = next((each for each in run.approvals if each.id == approval_id), None)
    if asked is None or asked.reason != "input":
        return None  # the server says what is wrong
    if asked.question:
        say(printable(asked.question))
    try:
        return ask_for_content(asked)
    except EOFError as end:
        raise typer.Abort from end


def _decide(
    client: Client, run_id: str, approval_id: str, decision: Decision, *, as_json: bool
) -> None:
    answer = client.post(Resolution, "runs", run_id, "approvals", approval_id, body=decision)
    show(answer, f"{approval_id}: {answer.action}", as_json=as_json)
