"""Which of the runs that are watched together is whose, so that each line says it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.text import Text

from outlast.events import AnyEvent, AnyLiveEvent, ChildStarted

_INDENT = "  "


@dataclass(frozen=True)
class Family:
    """A run, and those below it as far as they are known, with what is written before their lines.

    Attributes:
        top: The run that is watched; None before it is known.
    """

    top: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict[str, str])

    def after(self, event: AnyEvent | AnyLiveEvent) -> "Family":
        """Return who is known after one more event."""
        if not isinstance(event, ChildStarted):
            return self
        caller = self.label_of(event.run_id)
        indent = caller[: len(caller) - len(caller.lstrip())] + _INDENT
        label = f"{indent}{event.agent} {event.call_id}"
        return Family(self.top, {**self.labels, event.child_run_id: label})

    def label_of(self, run_id: str) -> str:
        """Return what is written before a run's lines; nothing before those of the watched one."""
        if self.top is None or run_id == self.top:
            return ""
        # One that was there before the watching began is known by its name only.
        return self.labels.get(run_id, f"{_INDENT}{run_id.partition('.')[0]}")

    def label(self, run_id: str, text: Text) -> Text:
        """Return a text of a run with what is written before each of its lines."""
        label = self.label_of(run_id)
        if not label:
            return text
        lines = [Text.assemble((f"{label} · ", "dim"), line) for line in text.split("\n")]
        labelled = Text("\n").join(lines)
        labelled.no_wrap, labelled.overflow = text.no_wrap, text.overflow
        return labelled
