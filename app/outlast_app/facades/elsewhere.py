"""What a page can't decide by its protocol, but people can elsewhere: shown until that is done.

Doubts, limits and questions take more than a yes or no. What a called run asks for is shown by the
run that waits for it, which does not know what would be approved: that is at its own address.
"""

from collections.abc import Iterator
from typing import Any

from outlast.events import (
    ApprovalRequested,
    ApprovalResolved,
    ReadEvent,
    RunWaiting,
    TerminalEvent,
    TurnStarted,
)


class Elsewhere:
    """Follows what is to be decided elsewhere, for one run."""

    def __init__(self, run_id: str) -> None:
        """Begin before the run's first event."""
        self._run_id = run_id
        self._open: dict[tuple[str, str], dict[str, Any]] = {}

    def take(self, event: ReadEvent) -> Iterator[tuple[str, dict[str, Any]]]:
        """Return what changes: ids, and what is to be shown under them."""
        match event:
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
                asked = [(each.run_id, each.id) for each in event.approvals]
                for each in [each for each in self._open if each not in asked]:
                    yield from self._close(each)
                for run_id, approval_id in asked:
                    if run_id != self._run_id and (run_id, approval_id) not in self._open:
                        yield self._ask(run_id, approval_id, reason="child")
            # All calls of the turn before have ended.
            case _ if isinstance(event, TurnStarted | TerminalEvent):
                for each in [*self._open]:
                    yield from self._close(each)
            case _:
                pass

    def _ask(self, run_id: str, approval_id: str, **about: Any) -> tuple[str, dict[str, Any]]:
        data = {**about, "decide_at": f"/runs/{run_id}/approvals/{approval_id}"}
        self._open[run_id, approval_id] = data
        return _name(run_id, approval_id), {**data, "is_open": True}

    def _close(self, asked: tuple[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
        if data := self._open.pop(asked, None):
            yield _name(*asked), {**data, "is_open": False}


def _name(run_id: str, approval_id: str) -> str:
    return f"{run_id}:{approval_id}"
