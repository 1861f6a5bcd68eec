"""`run`, `chat` and `watch`: follow a run to its end."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus
from typing import Annotated
from uuid import uuid4

import typer
from pydantic import ValidationError

from outlast.events import ApprovalRequested, RunQueued, TerminalEvent
from outlast.protocol import AgentDescription, OnBusy, Run, StartRun
from outlast_cli import options
from outlast_cli.client import Client
from outlast_cli.decisions import settle
from outlast_cli.errors import Detached, Refused
from outlast_cli.output import say, show
from outlast_cli.stream import RunStream, Start
from outlast_cli.turns import runs_in_line, say_what_is_ahead
from outlast_cli.view import JsonLines, Screen


def run(
    ctx: typer.Context,
    agent: options.Agent,
    text: options.Input,
    thread: options.Thread = None,
    on_busy: Annotated[OnBusy | None, typer.Option(help="If the thread is busy.")] = None,
    context: options.Context = None,
    metadata: options.Metadata = None,
    max_turns: Annotated[int | None, typer.Option(help="Where the run stops.")] = None,
    is_async: Annotated[bool, typer.Option("--async", help="Print the run's id and end.")] = False,
    idempotency_key: Annotated[
        str | None, typer.Option(help="The same key always means the same run.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Start a run and follow it.

    Ctrl-C ends the watching, never the run. Approvals are asked for at a terminal.
    """
    client = options.client_of(ctx)
    start = Start(
        agent,
        _body(
            options.read_input(text),
            thread_id=thread,
            on_busy=on_busy,
            context=options.parse_pairs(context),
            metadata=options.parse_pairs(metadata),
            limits={"max_turns": max_turns},
        ),
        idempotency_key or uuid4().hex,
    )
    if is_async:
        headers = {"Prefer": "respond-async", "Idempotency-Key": start.key}
        started = client.post(Run, "agents", agent, "runs", body=start.body, **headers)
        show(started, started.run_id, as_json=as_json)
    else:
        _watch(client, RunStream(client, start), as_json=as_json, settles=True)


def watch(
    ctx: typer.Context,
    run_id: options.RunId,
    after: Annotated[int, typer.Option(min=0, help="Leave out events up to this number.")] = 0,
    as_json: options.Json = False,
) -> None:
    """Follow a run's events, before, during and after it."""
    client = options.client_of(ctx)
    _watch(client, RunStream(client, run_id, after), as_json=as_json, settles=False)


def chat(
    ctx: typer.Context,
    agent: options.Agent,
    thread: options.Thread = None,
    context: options.Context = None,
    as_json: options.Json = False,
) -> None:
    """Talk with an agent, one run for each line.

    Runs of the thread that have not ended come first.

    Ctrl-C cancels the run in progress, a second one or Ctrl-D leaves.
    """
    client = options.client_of(ctx)
    thread_id = thread or f"talk-{uuid4().hex[:12]}"
    fields = {"thread_id": thread_id, "context": options.parse_pairs(context)}
    # What is wrong with the options is said before somebody types.
    _body("", **fields)
    needed = client.get(AgentDescription, "agents", agent).context
    if missing := ", ".join(f"{name}=…" for name in needed if name not in fields["context"]):
        raise typer.BadParameter(f"the agent needs {missing}", param_hint="--context")
    try:
        # Leaving by Ctrl-C is no error.
        with suppress(KeyboardInterrupt):
            if thread:
                _catch_up(client, thread, as_json=as_json)
            for line in _lines():
                start = Start(agent, _body(line, **fields), uuid4().hex)
                _answer(client, RunStream(client, start), as_json=as_json)
    finally:
        pairs = [part for pair in context or () for part in ("--context", pair)]
        again = ["outlast", "chat", agent, "--thread", thread_id, *pairs]
        say(f"\nTo go on: {shlex.join(again)}")


def _catch_up(client: Client, thread_id: str, *, as_json: bool) -> None:
    """Follow what the conversation has not finished: a new run would wait for it unseen."""
    for run_id in runs_in_line(client, thread_id):
        say(f"This conversation goes on with {run_id}, which has not ended. Ctrl-C cancels it.")
        _answer(client, RunStream(client, run_id), as_json=as_json)


def _watch(client: Client, stream: RunStream, *, as_json: bool, settles: bool) -> None:
    """Follow a run; the exit code tells how it ended, and Ctrl-C leaves it alone."""
    try:
        ended = _follow(client, stream, _view(as_json=as_json), settles=settles)
    except KeyboardInterrupt:
        raise Detached(_detached(stream)) from None
    if ended.status != "completed":
        raise typer.Exit(1)


def _answer(client: Client, stream: RunStream, *, as_json: bool) -> None:
    """Follow a run of a conversation; the first Ctrl-C cancels it."""
    view = _view(as_json=as_json)
    try:
        _follow(client, stream, view, settles=True)
    except KeyboardInterrupt:
        if stream.run_id is None:
            raise
        say("Cancelling …")
        try:
            client.post(Run, "runs", stream.run_id, "cancel")
        except Refused as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
        _follow(client, stream, view, settles=False)


def _follow(client: Client, stream: RunStream, view: JsonLines | Screen, *, settles: bool) -> Run:
    """Show a run's events up to its end, and return how it ended."""
    may_ask = sys.stdin.isatty() and isinstance(view, Screen)
    with view:
        stream.announce = view.announce
        for received in stream:
            view.take(received)
            event = received.event
            if isinstance(event, TerminalEvent):
                return event.run
            if isinstance(event, RunQueued):
                with view.paused():
                    say_what_is_ahead(client, event.run_id)
            if settles and isinstance(event, ApprovalRequested):
                # Else whoever goes on after a Ctrl-C at the question sees the call twice.
                stream.seen = event.seq
                with view.paused():
                    settle(client, event, may_ask=may_ask)
    ended = client.get(Run, "runs", stream.run_id or "")
    view.conclude(ended)
    return ended


def _view(*, as_json: bool) -> JsonLines | Screen:
    return JsonLines() if as_json else Screen()


def _body(text: str, **fields: object) -> StartRun:
    try:
        return StartRun.model_validate({"input": text, **fields})
    except ValidationError as error:
        faults = [": ".join([*map(str, fault["loc"]), fault["msg"]]) for fault in error.errors()]
        raise typer.BadParameter("; ".join(faults)) from error


def _lines() -> Iterator[str]:
    with suppress(ImportError):
        # Gives input() its line editing, where there is one.
        import readline  # noqa: F401, PLC0415  # pyright: ignore[reportUnusedImport]
    prompt = "> " if sys.stdin.isatty() and sys.stdout.isatty() else ""
    while True:
        try:
            line = input(prompt)
        except EOFError:
            return
        if line.strip():
            yield line


def _detached(stream: RunStream) -> str:
    if stream.run_id:
        return (
            "\nNot watching any more; the run goes on.\n"
            f"  outlast watch {stream.run_id} --after {stream.seen}\n"
            f"  outlast cancel {stream.run_id}"
        )
    key = stream.source.key if isinstance(stream.source, Start) else ""
    return (
        "\nThere was no answer yet, so the run may have been started. "
        f"The same command with --idempotency-key {key} finds it."
    )
