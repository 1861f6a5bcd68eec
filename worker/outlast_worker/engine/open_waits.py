"""For whom and what outside a run waits: how that is shown, and who is told of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from outlast.contract import RunOrder, WaitReport
from outlast.protocol import Awaited, Time, Waiting, WaitKind
from outlast_worker.engine.steps import Steps

_OF_PEOPLE = frozenset({"approval", "input"})
# Of several kinds the first one here is the run's.
_FIRST: Sequence[WaitKind] = ("client", "approval", "input", "signal", "child", "timer")
_NAMED_WAITS = 3


@dataclass(frozen=True)
class OpenWait:
    """Somebody or something outside that the run waits for.

    Attributes:
        id: An approval's or a call's, within the run that asks.
        text: What is waited for, as it follows "Waits for".
        run_id: The run that asks, if it is one that this run has called.
        approvals: What that one waits for, and runs below it: of people.
        calls: The same of clients, and of signals.
    """

    kind: WaitKind
    id: str
    text: str
    call_id: str | None = None
    until: Time | None = None
    run_id: str | None = None
    approvals: tuple[Awaited, ...] = ()
    calls: tuple[Awaited, ...] = ()


class AwaitedItems(NamedTuple):
    """What can be answered: of people, and of clients and by signals."""

    approvals: Sequence[Awaited] = ()
    calls: Sequence[Awaited] = ()


def describe_waits(waits: Sequence[OpenWait], now: Time) -> Waiting:
    """Say in one word, and in a sentence, what a run waits for."""
    kinds = {wait.kind for wait in waits}
    calls = [wait.call_id for wait in waits if wait.call_id]
    texts = list(dict.fromkeys(wait.text for wait in waits))
    named, more = texts[:_NAMED_WAITS], len(texts) - _NAMED_WAITS
    rest = f" and {more} more" if more > 0 else ""
    return Waiting(
        kind=next(kind for kind in _FIRST if kind in kinds),
        since=now,
        until=min((wait.until for wait in waits if wait.until), default=None),
        run_id=next((wait.run_id for wait in waits if wait.run_id), None),
        call_ids=calls or None,
        text=f"Waits for {'; '.join(named)}{rest}.",
    )


def list_awaited(waits: Sequence[OpenWait], run_id: str) -> AwaitedItems:
    """Return what a run waits for, and what runs below it do."""
    approvals: list[Awaited] = []
    calls: list[Awaited] = []
    for wait in waits:
        approvals += wait.approvals
        calls += wait.calls
        if wait.kind != "child":
            item = Awaited(run_id=wait.run_id or run_id, id=wait.id)
            (approvals if wait.kind in _OF_PEOPLE else calls).append(item)
    return AwaitedItems(approvals, calls)


class WaitNotices:
    """Tells others that a run waits, or goes on, when that has changed.

    Its thread, which lets those in line know; and the run that has called it, in numbered reports.
    """

    def __init__(self, steps: Steps, order: RunOrder) -> None:
        self._steps = steps
        self._order = order
        self._holds_up = False
        self._reports = 0
        self._last_said_waits = False

    def tell_thread(self, *, waits: bool) -> None:
        """Tell the thread whether the run waits for somebody outside."""
        if self._order.thread_id and waits != self._holds_up:
            self._holds_up = waits
            self._steps.thread.hold_up(waits=waits)

    def tell_caller(self, at: Time, awaited: AwaitedItems) -> None:
        """Tell the calling run what is waited for; nothing, if the run goes on."""
        waits = bool(awaited.approvals or awaited.calls)
        if self._order.parent is None or not (waits or self._last_said_waits):
            return
        self._last_said_waits = waits
        report = WaitReport(
            call_id=self._order.parent.call_id,
            index=self._reports,
            at=at,
            approvals=list(awaited.approvals),
            calls=list(awaited.calls),
        )
        self._reports += 1
        self._steps.report_wait(report)
