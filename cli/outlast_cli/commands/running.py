"""`run` and `watch`: follow a run to its end."""

from typing import Annotated
from uuid import uuid4

import typer

from outlast.protocol import Definition, ForkRun, OnBusy, Run
from outlast_cli import options
from outlast_cli.client import Client, is_header_value
from outlast_cli.errors import Detached
from outlast_cli.following import follow, view_of
from outlast_cli.output import show
from outlast_cli.program import outlast
from outlast_cli.stream import RunStream, Start, start_in_background


def run(
    ctx: typer.Context,
    agent: options.Agent,
    text: options.Input,
    thread: options.Thread = None,
    on_busy: Annotated[OnBusy | None, typer.Option(help="If the thread is busy.")] = None,
    context: options.Context = None,
    metadata: options.Metadata = None,
    instructions: options.Instructions = None,
    option: options.ModelOptions = None,
    max_turns: Annotated[int | None, typer.Option(help="Where the run stops.")] = None,
    limit: options.Limits = None,
    webhook: options.Webhook = None,
    signed_by: options.SignedBy = "main",
    is_async: Annotated[bool, typer.Option("--async", help="Print the run's id and end.")] = False,
    idempotency_key: Annotated[
        str | None, typer.Option(help="The same key always means the same run.")
    ] = None,
    children: options.Children = False,
    as_json: options.Json = False,
) -> None:
    """Start a run and follow it.

    Ctrl-C ends the watching, never the run. Approvals are asked for at a terminal.
    """
    client = options.client_of(ctx)
    if idempotency_key and not is_header_value(idempotency_key):
        hint = "--idempotency-key"
        raise typer.BadParameter("a key has printable ASCII characters only", param_hint=hint)
    start = Start(
        agent,
        options.start_body(
            options.read_input(text),
            thread_id=thread,
            on_busy=on_busy,
            context=options.parse_pairs(context),
            metadata=options.parse_pairs(metadata),
            instructions=instructions,
            options=options.parse_values(option) or None,
            limits={"max_turns": max_turns, **options.parse_values(limit)},
            webhooks=[{"url": url, "secret": signed_by} for url in webhook or ()] or None,
        ),
        idempotency_key or uuid4().hex,
    )
    if is_async:
        started = start_in_background(client, start)
        show(started, started.run_id, as_json=as_json)
    else:
        stream = RunStream(client, start, children=children)
        _watch(client, stream, as_json=as_json, settles=True)


def fork(
    ctx: typer.Context,
    run_id: options.RunId,
    after_turn: Annotated[
        int, typer.Argument(metavar="TURN", min=0, help="The last turn that is kept; 0 for none.")
    ],
    text: Annotated[
        str | None, typer.Argument(metavar="[INPUT]", help="What is said then; - reads it.")
    ] = None,
    thread: Annotated[str | None, typer.Option(help="The conversation that it begins.")] = None,
    definition: Annotated[
        Definition, typer.Option(help="The agent as the run has kept it, or as it is now.")
    ] = "pinned",
    metadata: options.Metadata = None,
    limit: options.Limits = None,
    is_async: Annotated[bool, typer.Option("--async", help="Print the run's id and end.")] = False,
    children: options.Children = False,
    as_json: options.Json = False,
) -> None:
    """Start a run that goes on from the middle of one that has ended.

    Nothing before that runs again. Ctrl-C ends the watching, never the run.
    """
    client = options.client_of(ctx)
    asked = {
        "after_turn": after_turn,
        "input": None if text is None else options.read_input(text),
        "thread_id": thread,
        "definition": definition,
        "metadata": options.parse_pairs(metadata) or None,
        "limits": options.parse_values(limit),
    }
    body = options.body_of(ForkRun, asked)
    headers = {"Prefer": "respond-async"}
    started = client.post(Run, "runs", run_id, "fork", body=body, headers=headers)
    if is_async:
        show(started, started.run_id, as_json=as_json)
    else:
        stream = RunStream(client, started.run_id, children=children)
        _watch(client, stream, as_json=as_json, settles=True)


def watch(
    ctx: typer.Context,
    run_id: options.RunId,
    after: Annotated[
        str,
        typer.Option(
            metavar="EVENT",
            help="Leave out events up to this one: its number, or with --children its id.",
        ),
    ] = "0",
    children: options.Children = False,
    as_json: options.Json = False,
) -> None:
    """Follow a run's events, before, during and after it."""
    if not (children or after.isdecimal()):
        raise typer.BadParameter("write the number of an event", param_hint="--after")
    client = options.client_of(ctx)
    stream = RunStream(client, run_id, after, children=children)
    _watch(client, stream, as_json=as_json, settles=False)


def _watch(client: Client, stream: RunStream, *, as_json: bool, settles: bool) -> None:
    """Follow a run; the exit code tells how it ended, and Ctrl-C leaves it alone."""
    try:
        view = view_of(client, stream, as_json=as_json, settles=settles)
        ended = follow(client, stream, view, settles=settles)
    except KeyboardInterrupt:
        raise Detached(_detached(stream)) from None
    if ended.status != "completed":
        raise typer.Exit(1)


def _detached(stream: RunStream) -> str:
    joined = ("--children",) if stream.children else ()
    if stream.run_id:
        return (
            "\nNot watching any more; the run goes on.\n"
            f"  {outlast('watch', stream.run_id, *joined, '--after', stream.seen)}\n"
            f"  {outlast('cancel', stream.run_id)}"
        )
    key = stream.source.key if isinstance(stream.source, Start) else ""
    return (
        "\nThere was no answer yet, so the run may have been started. "
        f"The same command with --idempotency-key {key} finds it."
    )
