"""A run on standard output: what is committed stays, what is live is drawn over.

In a terminal, text that streams stands below the lines that stay, so that text of a model call that
breaks off is never left behind. A pipe gets the lines that stay.
"""

import signal
import time
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Self

import typer
from rich.console import Group, RenderableType
from rich.containers import Lines
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from outlast.events import (
    AnyEvent,
    AnyLiveEvent,
    ApprovalRequested,
    ApprovalResolved,
    MessageCompleted,
    SteerReceived,
    TerminalEvent,
    ToolCallCompleted,
    ToolCallProgress,
    ToolCallStarted,
)
from outlast.protocol import Run, Usage
from outlast_cli.editing import as_text
from outlast_cli.fold import Texts, fold, text_of
from outlast_cli.output import console, printable, shortened, write
from outlast_cli.stream import Received

_STATUS_LINES = 3
_LATE_S = 2.0
_COLORS = {"completed": "green", "failed": "red", "cancelled": "yellow", "incomplete": "yellow"}
_DONE = {"approve": "approved", "reject": "rejected", "expired": "expired"}


class JsonLines:
    """Every event as it came, one a line."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None: ...

    def announce(self, run_id: str) -> None:
        """Say nothing: the events tell the id."""

    def take(self, received: Received) -> None:
        """Print one more event."""
        typer.echo(received.data)

    def paused(self) -> AbstractContextManager[None]:
        """Leave the terminal to somebody else."""
        return nullcontext()

    def conclude(self, run: Run) -> None:
        """Say nothing: the end was no event."""


class Screen:
    """The run for a person."""

    def __init__(self) -> None:
        self._texts = Texts()
        self._calls: dict[str, str] = {}
        self._accepted_at: float | None = None
        """When the run was accepted, as long as there is no event of it."""
        self._live = Live(console=console)

    def __enter__(self) -> Self:
        # One that was stopped would draw over what was printed since.
        self._live = Live(
            console=console, transient=True, get_renderable=self._below, refresh_per_second=10
        )
        try:
            with _uninterrupted():
                self._live.start()
        except KeyboardInterrupt:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        with _uninterrupted():
            self._live.stop()

    @contextmanager
    def paused(self) -> Generator[None]:
        """Leave the terminal to somebody else."""
        self.__exit__()
        yield
        self.__enter__()

    def announce(self, run_id: str) -> None:
        """Show which run it is, before there is any event."""
        write(Text(f"run {run_id}", "dim"))
        self._accepted_at = time.monotonic()

    def take(self, received: Received) -> None:
        """Show one more event."""
        self._accepted_at = None
        match received.event:
            case None:
                return
            case ToolCallStarted() | ToolCallProgress() as event:
                self._calls = {**self._calls, event.call_id: _activity(event)}
            case ToolCallCompleted(call_id=done):
                self._calls = {key: call for key, call in self._calls.items() if key != done}
            case _:
                self._texts = fold(self._texts, received.event)
        if (line := _line(received.event)) is not None:
            # Else the line would stand above what the last refresh showed.
            self._live.refresh()
            write(line)

    def conclude(self, run: Run) -> None:
        """Show an end that was no event."""
        write(summary(run))

    def _below(self) -> RenderableType:
        text = Text(printable(self._texts.unfinished))
        lines = text.wrap(console, console.width) if text else Lines()
        shown = lines[-max(console.height - _STATUS_LINES, 1) :]
        status = Text(shortened(", ".join(self._calls.values()) or self._delayed()), "dim")
        return Group(*shown, Spinner("dots", status))

    def _delayed(self) -> str:
        since = self._accepted_at
        late = since is not None and time.monotonic() - since > _LATE_S
        return "accepted; no worker has taken it yet" if late else ""


@contextmanager
def _uninterrupted() -> Generator[None]:
    """Have a Ctrl-C wait: one that comes while rich starts or stops a display breaks it."""
    held = False

    def hold(_signal: int, _frame: object) -> None:
        nonlocal held
        held = True

    handler = signal.signal(signal.SIGINT, hold)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
    if held:
        raise KeyboardInterrupt


def summary(run: Run) -> Text:
    """Return how a run stands, why, and what it used."""
    why = run.incomplete_reason or (run.error and f"{run.error.type}: {run.error.message}")
    status = f"{run.status}, {run.waiting_for}" if run.waiting_for else run.status
    said = f"{status}: {printable(why)}" if why else status
    return Text.assemble((said, _COLORS.get(run.status, "")), (f" · {_usage(run.usage)}", "dim"))


def _line(event: AnyEvent | AnyLiveEvent) -> Text | None:
    """Return the line that stays of an event, if it leaves one."""
    match event:
        case MessageCompleted() if said := text_of(event.message.content):
            return Text(printable(said))
        case ToolCallStarted(call_id=call, name=name):
            return Text(f"→ {call} {name} {shortened(as_text(event.arguments))}", "cyan")
        case ToolCallCompleted(call_id=call, name=name):
            took = f"{event.duration_ms / 1000:.1f} s"
            color = "red" if event.is_error else "dim"
            return Text(f"← {call} {name}, {took}: {shortened(event.output)}", color)
        case ApprovalRequested(call_id=call, name=name):
            asked = f"? {call} {name} {as_text(event.arguments)} waits for approval"
            return Text(asked, "yellow")
        case ApprovalResolved():
            return Text(_resolution(event), "yellow")
        case SteerReceived():
            return Text(f"» {printable(text_of(event.message.content))}", "cyan")
        case _:
            return summary(event.run) if isinstance(event, TerminalEvent) else None


def _usage(usage: Usage) -> str:
    cost = "cost unknown" if usage.cost_usd is None else f"${usage.cost_usd:.4f}"
    return (
        f"{usage.model_calls} model calls, {usage.tool_calls} tool calls · "
        f"{usage.input_tokens} tokens in, {usage.output_tokens} out · {cost}"
    )


def _resolution(event: ApprovalResolved) -> str:
    by = f" by {event.by}" if event.by else ""
    changed = f" with {as_text(event.arguments)}" if event.arguments is not None else ""
    reason = f": {event.reason}" if event.reason else ""
    return printable(f"! {event.call_id} {_DONE[event.action]}{by}{changed}{reason}")


def _activity(event: ToolCallStarted | ToolCallProgress) -> str:
    if isinstance(event, ToolCallStarted):
        return event.name
    done = f"{event.done:g}" if event.total is None else f"{event.done:g}/{event.total:g}"
    return f"{event.call_id} {done} {event.message or ''}"
