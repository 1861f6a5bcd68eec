"""A run on standard output: what is committed stays, what is live is drawn over.

In a terminal, text that streams stands below the lines that stay, so that text of a model call that
breaks off is never left behind. A pipe gets the lines that stay.
"""

import signal
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Self

from rich.console import Group, RenderableType
from rich.containers import Lines
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from outlast.events import MessageReset, TerminalEvent
from outlast.protocol import Run
from outlast_cli.activity import Activity, advance
from outlast_cli.family import Family
from outlast_cli.fold import Texts, fold
from outlast_cli.lookout import Lookout
from outlast_cli.output import console, printable, whole, write, write_json
from outlast_cli.stream import Received, RunStream
from outlast_cli.transcript import line_of, summary
from outlast_cli.waiting import Standing, advise, explain

_STATUS_LINES = 3
_SPINNER_WIDTH = 2


class JsonLines:
    """Every event as it came, one a line."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None: ...

    def announce(self, run_id: str) -> None:
        """Say nothing: the events tell the id."""

    def take(self, received: Received) -> None:
        """Print one more event."""
        write_json(received.data)

    def paused(self) -> AbstractContextManager[None]:
        """Leave the terminal to somebody else."""
        return nullcontext()

    def conclude(self, run: Run) -> None:
        """Say nothing: the end was no event."""


class Screen:
    """The run for a person."""

    def __init__(
        self, look: Callable[[], Standing | None], stream: RunStream, *, asks: bool
    ) -> None:
        """Prepare, and show nothing.

        Args:
            look: Asks the server how the run stands, for when nothing is heard of it.
            stream: Where the events come from.
            asks: Whether the person is asked for decisions, and so needs no advice on them.
        """
        self._stream = stream
        self._texts: dict[str, Texts] = {}
        """By run."""
        self._family = Family()
        self._activity = Activity()
        self._lookout = Lookout(look, self._advise)
        self._asks = asks
        self._advised = ""
        self._live = Live(console=console)
        self._spinner = Spinner("dots" if console.encoding.startswith("utf") else "line")

    def __enter__(self) -> Self:
        # One that was stopped would draw over what was printed since.
        self._live = Live(
            console=console, transient=True, get_renderable=self._below, refresh_per_second=10
        )
        try:
            with _uninterrupted():
                self._live.start()
                if console.is_terminal:
                    self._lookout.start()
        except KeyboardInterrupt:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        with _uninterrupted():
            self._lookout.stop()
            self._live.stop()

    @contextmanager
    def paused(self) -> Generator[None]:
        """Leave the terminal to somebody else."""
        self.__exit__()
        yield
        self.__enter__()

    def announce(self, run_id: str) -> None:
        """Show which run it is, before there is any event."""
        write(whole(f"run {run_id}", "dim"))
        self._activity = Activity("accepted", time.monotonic())

    def take(self, received: Received) -> None:
        """Show one more event."""
        event = received.event
        if not isinstance(event, MessageReset):  # one more attempt is no progress
            self._lookout.heard()
        if event is None:
            return
        run_id = event.run_id
        if self._stream.children:
            self._family = replace(self._family, top=self._stream.run_id).after(event)
        self._texts[run_id] = fold(self._texts.get(run_id, Texts()), event)
        if self._stream.is_own(event):
            self._activity = advance(self._activity, event, time.monotonic())
        if isinstance(event, TerminalEvent):
            del self._texts[run_id]  # what broke off is left out
        if (line := line_of(event)) is not None:
            self._stay(self._family.label(run_id, line))

    def conclude(self, run: Run) -> None:
        """Show an end that was no event."""
        write(summary(run))

    def _advise(self, standing: Standing) -> None:
        """Show the commands that the run waits for, where they can be copied."""
        advice = advise(standing)
        is_asked = self._asks and standing.run.status != "paused"
        if advice and advice != self._advised and not is_asked:
            self._advised = advice
            self._stay(whole(advice, "yellow"))

    def _stay(self, line: Text) -> None:
        # Else the line would stand above what the last refresh showed.
        self._live.refresh()
        write(line)

    def _below(self) -> RenderableType:
        why = explain(self._activity, self._lookout.found, time.monotonic())
        status = Text(printable(why), "dim").wrap(console, console.width - _SPINNER_WIDTH)
        status = status[:_STATUS_LINES]
        self._spinner.text = Text("\n").join(status)
        lines = Lines()
        for run_id, texts in self._texts.items():
            if texts.unfinished:
                text = self._family.label(run_id, Text(printable(texts.unfinished)))
                lines.extend(text.wrap(console, console.width))
        shown = lines[-max(console.height - len(status) - 1, 1) :]
        return Group(*shown, self._spinner)


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
