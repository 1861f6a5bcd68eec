"""Follows a run from its first event to its end, and asks for decisions on the way."""

import sys

from outlast.events import (
    ApprovalRequested,
    RunQueued,
    RunWaiting,
    TerminalEvent,
    ToolCallRequested,
)
from outlast.protocol import Run
from outlast_cli.client import Client
from outlast_cli.decisions import settle, settle_below, settle_call
from outlast_cli.line import say_what_is_ahead
from outlast_cli.stream import RunStream
from outlast_cli.view import JsonLines, Screen
from outlast_cli.waiting import Standing, look

View = JsonLines | Screen


def view_of(client: Client, stream: RunStream, *, as_json: bool, settles: bool) -> View:
    """Return what shows a run, to a script or to a person."""

    def look_at_it() -> Standing | None:
        return look(client.hurried, stream.run_id) if stream.run_id else None

    return JsonLines() if as_json else Screen(look_at_it, stream, asks=settles)


def follow(client: Client, stream: RunStream, view: View, *, settles: bool) -> Run:
    """Show a run's events up to its end, and return how it ended.

    Raises:
        Undecided: With `settles`, it waits for a decision that is not made here.
    """
    may_ask = sys.stdin.isatty() and isinstance(view, Screen)
    with view:
        stream.announce = view.announce
        for received in stream:
            view.take(received)
            event = received.event
            if isinstance(event, TerminalEvent) and stream.is_end(received):
                return event.run
            if isinstance(event, RunQueued) and stream.is_own(event):
                with view.paused():
                    say_what_is_ahead(client, event.run_id)
            if settles and isinstance(event, ToolCallRequested):
                stream.take(received)
                with view.paused():
                    settle_call(client, event, may_ask=may_ask)
            if settles and isinstance(event, RunWaiting):
                stream.take(received)
                with view.paused():
                    settle_below(client, event, may_ask=may_ask)
            if settles and isinstance(event, ApprovalRequested):
                # Else whoever goes on after a Ctrl-C at the question sees the call twice.
                stream.take(received)
                with view.paused():
                    settle(client, event, may_ask=may_ask)
    ended = client.get(Run, "runs", stream.run_id or "")
    view.conclude(ended)
    return ended
