"""`chat`: one run after the other on a thread."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from http import HTTPStatus
from itertools import takewhile
from uuid import uuid4

import typer

from outlast.protocol import AgentDescription, Message, MessagePage, Run
from outlast_cli import options
from outlast_cli.client import Client
from outlast_cli.errors import CliError, Refused
from outlast_cli.following import follow, view_of
from outlast_cli.line import runs_in_line
from outlast_cli.output import console, say, write
from outlast_cli.program import outlast
from outlast_cli.stream import RunStream, Start
from outlast_cli.transcript import lines_of

# So much is shown of a conversation that is taken up again.
_MESSAGES = 30
_QUESTIONS = 3


def chat(
    ctx: typer.Context,
    agent: options.Agent,
    thread: options.Thread = None,
    context: options.Context = None,
    as_json: options.Json = False,
) -> None:
    """Talk with an agent, one run for each line.

    A thread that there is already shows how it went on last. Its runs that have not ended come
    first.

    Ctrl-C cancels the run in progress, a second one or Ctrl-D leaves.
    """
    client = options.client_of(ctx)
    thread_id = thread or f"talk-{uuid4().hex[:12]}"
    fields = {"thread_id": thread_id, "context": options.parse_pairs(context)}
    # What is wrong with the options is said before somebody types.
    options.start_body("", **fields)
    needed = client.get(AgentDescription, "agents", agent).context
    if missing := ", ".join(f"{name}=…" for name in needed if name not in fields["context"]):
        raise typer.BadParameter(f"the agent needs {missing}", param_hint="--context")
    shows_history = console.is_terminal and not as_json
    try:
        # Leaving by Ctrl-C is not an error.
        with suppress(KeyboardInterrupt):
            if thread:
                if shows_history:
                    _show_history(client, thread)
                for run_id in runs_in_line(client, thread):
                    # A new run would wait for it unseen.
                    say(f"The conversation is at {run_id}, which has not ended. Ctrl-C cancels it.")
                    if shows_history:
                        _show_question(client, run_id)
                    _answer(client, RunStream(client, run_id), as_json=as_json)
            for line in _lines():
                start = Start(agent, options.start_body(line, **fields), uuid4().hex)
                _answer(client, RunStream(client, start), as_json=as_json)
    finally:
        pairs = [part for pair in context or () for part in ("--context", pair)]
        again = outlast("chat", agent, "--thread", thread_id, *pairs)
        say(f"\nTo go on: {again}")


def _show_history(client: Client, thread_id: str) -> None:
    """Show the last questions of a conversation, and what came of them."""
    path = ("threads", thread_id, "messages")
    try:
        page = client.pages(MessagePage, *path, limit=_MESSAGES, order="desc")
    except Refused as error:
        if error.status != HTTPStatus.NOT_FOUND:  # it begins now
            raise
        return
    messages = page.items[::-1]
    questions = [index for index, message in enumerate(messages) if message.role == "user"]
    start = next(iter(questions[-_QUESTIONS:]), 0)
    if start or page.next_cursor:
        say(f"What was said before: {outlast('messages', thread_id)}")
    _show(messages[start:])


def _show_question(client: Client, run_id: str) -> None:
    """Show what a run was asked: its events tell only what came of it."""
    # Whoever follows a run can do without.
    with suppress(CliError):
        messages = client.get(Run, "runs", run_id).messages or ()
        _show(list(takewhile(lambda message: message.role == "user", messages)))


def _show(messages: Sequence[Message]) -> None:
    for line in lines_of(messages):
        write(line)


def _answer(client: Client, stream: RunStream, *, as_json: bool) -> None:
    """Follow a run of a conversation; the first Ctrl-C cancels it."""
    view = view_of(client, stream, as_json=as_json, settles=True)
    try:
        follow(client, stream, view, settles=True)
    except KeyboardInterrupt:
        if stream.run_id is None:
            raise
        say("Cancelling …")
        try:
            client.post(Run, "runs", stream.run_id, "cancel")
        except Refused as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
        follow(client, stream, view, settles=False)


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
