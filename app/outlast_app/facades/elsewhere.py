"""What a page can't decide by its protocol, but people can elsewhere: shown until that is done.

Doubts, limits and questions take more than a yes or no: those of the run itself, and those of runs
below it, which it waits for.
"""

from collections.abc import Iterator
from typing import Any

from outlast.events import (
    ApprovalRequested,
    ApprovalResolved,
    RunWaiting,
    TerminalEvent,
    TurnStarted,
)
from outlast_app.facades.called import CalledApproval
from outlast_app.facades.items import Committed


class Elsewhere:
    """Follows what is to be decided elsewhere, for one run."""

    def __init__(self, run_id: str) -> None:
        """Begin before the run's first event."""
        self._run_id = run_id
        self._open: dict[tuple[str, str], dict[str, Any]] = {}

    def take(self, item: Committed) -> Iterator[tuple[str, dict[str, Any]]]:
        """Return what changes: ids, and what is to be shown under them."""
        for each in item.called:
            if not each.is_yes_or_no:
                yield from self._take_called(each)
        match event := item.event:
            case ApprovalRequested() if event.reason != "approval" or not event.call_id:
                approval_id = event.approval_id or event.call_id or ""
                yield self._ask(
                    self._run_id,
                    approval_id,
                    reason=event.reason,
                    name=event.name,
                    question=event.question,
                )
            case ApprovalResolved():
                yield from self._close((self._run_id, event.approval_id or event.call_id or ""))
            case RunWaiting():
                asked = {each.id for each in event.approvals if each.run_id == self._run_id}
                yield from self._close(*(e for e in self._own() if e[1] not in asked))
            # All calls of the turn before have ended.
            case _ if isinstance(event, TurnStarted | TerminalEvent):
                yield from self._close(*self._own())
            case _:
                pass

    def _take_called(self, asked: CalledApproval) -> Iterator[tuple[str, dict[str, Any]]]:
        where = asked.run_id, asked.approval_id
        if not asked.is_open:
            yield from self._close(where)
        elif where not in self._open:
            yield self._ask(*where, reason="child", name=asked.name, question=asked.question)

    def _own(self) -> list[tuple[str, str]]:
        return [each for each in self._open if each[0] == self._run_id]

    def _ask(self, run_id: str, approval_id: str, **about: Any) -> tuple[str, dict[str, Any]]:
        data = {**about, "decide_at": f"/runs/{run_id}/approvals/{approval_id}"}
        self._open[run_id, approval_id] = data
        return _name(run_id, approval_id), {**data, "is_open": True}

    def _close(self, *asked: tuple[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
        for each in asked:
            if data := self._open.pop(each, None):
                yield _name(*each), {**data, "is_open": False}


def _name(run_id: str, approval_id: str) -> str:
    return f"{run_id}:{approval_id}"
