"""What is there: agents, runs, threads, messages, approvals, and how a run was made."""

from datetime import datetime
from typing import Annotated

import typer
from rich.console import Group

from outlast.protocol import (
    AgentPage,
    ApprovalPage,
    CallPage,
    MessagePage,
    Order,
    Prompt,
    Run,
    RunDefinition,
    RunPage,
    ThreadPage,
)
from outlast_cli import completion, inspection, options, tables
from outlast_cli.output import show, write, write_json
from outlast_cli.stream import parse_event
from outlast_cli.transcript import dated_line_of, lines_of

_LINES = "application/x-ndjson"


def list_agents(ctx: typer.Context, as_json: options.Json = False) -> None:
    """List the agents, with their models and tools."""
    page = options.client_of(ctx).pages(AgentPage, "agents")
    show(page, tables.Listing(page.items, tables.AGENTS), as_json=as_json)


def runs(
    ctx: typer.Context,
    agent: Annotated[
        str | None,
        typer.Option(help="Only this agent's.", autocompletion=completion.complete_agent),
    ] = None,
    thread: Annotated[
        str | None,
        typer.Option(help="Only those on this thread.", autocompletion=completion.complete_thread),
    ] = None,
    status: Annotated[
        list[str] | None,
        typer.Option(
            help="Only those that stand so; give it again for another one.",
            callback=options.check_statuses,
            autocompletion=completion.complete_status,
        ),
    ] = None,
    metadata: options.WantedMetadata = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            help="Only those that were accepted then, or later.", callback=options.with_zone
        ),
    ] = None,
    before: Annotated[
        datetime | None,
        typer.Option(help="Only those that were accepted earlier.", callback=options.with_zone),
    ] = None,
    id_prefix: Annotated[
        str | None, typer.Option("--id", metavar="BEGINNING", help="Only those whose id begins so.")
    ] = None,
    parent: Annotated[
        str | None,
        typer.Option(
            help="Only those that this run has called.", autocompletion=completion.complete_run
        ),
    ] = None,
    limit: options.Limit = 20,
    as_json: options.Json = False,
) -> None:
    """List runs."""
    wanted = {
        "agent": agent,
        "thread_id": thread,
        "status": status,
        "created_after": since and since.isoformat(),
        "created_before": before and before.isoformat(),
        "id_prefix": id_prefix,
        "parent": parent,
    }
    filters = {name: value for name, value in wanted.items() if value}
    filters |= options.metadata_filter(metadata)  # an empty text is one, too
    page = options.client_of(ctx).pages(RunPage, "runs", limit=limit, **filters)
    show(page, tables.Listing(page.items, tables.RUNS), as_json=as_json)


def threads(
    ctx: typer.Context,
    metadata: options.WantedMetadata = None,
    limit: options.Limit = 20,
    as_json: options.Json = False,
) -> None:
    """List conversations, those that changed last first."""
    filters = options.metadata_filter(metadata)
    page = options.client_of(ctx).pages(ThreadPage, "threads", limit=limit, **filters)
    show(page, tables.Listing(page.items, tables.THREADS), as_json=as_json)


def messages(
    ctx: typer.Context,
    thread_id: options.ThreadId,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the last ones.")] = None,
    as_json: options.Json = False,
) -> None:
    """Show a conversation."""
    client = options.client_of(ctx)
    path = ("threads", thread_id, "messages")
    if limit is None:
        page = client.pages(MessagePage, *path)
    else:
        newest = client.pages(MessagePage, *path, limit=limit, order="desc")
        page = newest.model_copy(update={"items": newest.items[::-1]})
    show(page, Group(*lines_of(page.items)), as_json=as_json)


def approvals(ctx: typer.Context, as_json: options.Json = False) -> None:
    """List what all runs wait for people to decide."""
    page = options.client_of(ctx).pages(ApprovalPage, "approvals")
    show(page, tables.Listing(page.items, tables.APPROVALS), as_json=as_json)


def calls(ctx: typer.Context, as_json: options.Json = False) -> None:
    """List the tool calls of all runs that wait for a client's result."""
    page = options.client_of(ctx).pages(CallPage, "calls")
    show(page, tables.Listing(page.items, tables.CALLS), as_json=as_json)


def get(
    ctx: typer.Context,
    run_id: options.RunId,
    engine: Annotated[
        bool, typer.Option("--engine", help="Also where Restate carries it out, and its trace.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Show a run as it is now."""
    asked = {"engine": "true"} if engine else {}
    run = options.client_of(ctx).get(Run, "runs", run_id, **asked)
    show(run, tables.single(run), as_json=as_json)


def inspect(
    ctx: typer.Context,
    run_id: options.RunId,
    turn: Annotated[
        int | None, typer.Option(min=1, help="What the model was sent in this turn, instead.")
    ] = None,
    as_order: Annotated[
        bool, typer.Option("--order", help="What the run was asked for, instead.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Show what a run was made with: its definition, a prompt, or its order."""
    client = options.client_of(ctx)
    if turn is not None:
        prompt = client.get(Prompt, "runs", run_id, "turns", str(turn), "prompt")
        show(prompt, inspection.prompt(prompt), as_json=as_json)
    elif as_order:
        order = client.get(Order, "runs", run_id, "order")
        show(order, inspection.order(order), as_json=as_json)
    else:
        definition = client.get(RunDefinition, "runs", run_id, "definition")
        show(definition, inspection.definition(definition), as_json=as_json)


def events(
    ctx: typer.Context,
    run_id: options.RunId,
    after: options.After = 0,
    as_json: options.Json = False,
) -> None:
    """List what a run has done so far, and end."""
    lines = options.client_of(ctx).lines(_LINES, "runs", run_id, "events", after=str(after))
    for line in lines:
        if as_json:
            write_json(line)
        else:
            write(dated_line_of(parse_event(line)))
