"""What runs below the one that a client follows ask people.

That one waits for them, and its events name what they ask by no more than two ids. The rest is in
the state of the run that asks: what was asked does not change, nor does how it ended.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from outlast.errors import OperatorProblem
from outlast.events import (
    ChildStarted,
    ReadEvent,
    RunWaiting,
    TerminalEvent,
    ToolCallCompleted,
    TurnStarted,
)
from outlast.names import RunRef
from outlast.protocol import Approval, Awaited, Resolution, Time
from outlast_app.facades.ids import key_of
from outlast_app.facades.segments import below, is_yes_or_no

ReadApprovals = Callable[[RunRef], Awaitable[Sequence[Approval]]]
"""Returns what a run has asked people; nothing if the run is not kept any more."""
Change = tuple[Awaited, bool]
"""Something that a run below asks, and whether it is waited for from now on, or no longer."""


@dataclass(frozen=True)
class CalledApproval:
    """Something that a run below asks people.

    Attributes:
        run_id: The run that asks.
        approval_id: Its name there.
        is_open: Whether it is waited for.
        asked: What is asked, and how that ended; None if nobody keeps it any more.
    """

    run_id: str
    approval_id: str
    is_open: bool
    asked: Approval | None

    @property
    def key(self) -> str:
        """What it is called among all that a client is asked."""
        return key_of(self.approval_id, self.run_id)

    @property
    def is_yes_or_no(self) -> bool:
        """Whether clients of protocols can decide on it."""
        return is_yes_or_no(self.approval_id)

    @property
    def agent(self) -> str:
        """Whose run asks."""
        return self.run_id.partition(".")[0]

    @property
    def tool(self) -> str:
        """What would be called."""
        return self.asked.name if self.asked else "a tool that is not known any more"

    @property
    def name(self) -> str:
        """The agent that asks, and the tool: a name that none of the followed run's tools has."""
        return f"{self.agent}.{self.asked.name}" if self.asked else self.agent

    @property
    def expires_at(self) -> Time | None:
        """When it is given up."""
        return self.asked and self.asked.expires_at

    @property
    def arguments(self) -> Mapping[str, JsonValue]:
        """What would be passed to the tool."""
        return self.asked.arguments if self.asked else {}

    @property
    def question(self) -> str | None:
        """What is asked, in a sentence; None where the name says it."""
        return self.asked.question if self.asked else None

    @property
    def resolution(self) -> Resolution | None:
        """How it ended, if it has and that is known."""
        return self.asked and self.asked.resolution

    @property
    def is_asked(self) -> bool:
        """Whether it is waited for, and nobody had decided when that was read."""
        return self.is_open and self.resolution is None

    @property
    def is_refused(self) -> bool:
        """Whether somebody refused it, or nobody decided in time."""
        return self.resolution is not None and self.resolution.action in {"reject", "expired"}

    @property
    def is_given_up(self) -> bool:
        """Whether the run that asked has ended before anybody decided."""
        return self.asked is not None and self.asked.resolution is None

    @property
    def end(self) -> str:
        """How it ended, in a sentence."""
        if self.asked is None:
            return f"The agent {self.agent} has gone on; what was decided is not known any more."
        match ended := self.asked.resolution:
            case None:
                return f"The agent {self.agent} waits for it no longer."
            case _ if ended.action == "expired":
                return "Nobody decided in time."
            case _ if ended.action == "reject":
                return f"Refused: {ended.reason}" if ended.reason else "Refused."
            case _:
                return f"Approved: the agent {self.agent} has gone on with it."


class CalledRuns:
    """Follows for one run what those below it ask, and reads that where they have it."""

    def __init__(self, tenant: str, read: ReadApprovals, read_once: ReadApprovals) -> None:
        """Begin before the run's first event.

        Args:
            tenant: Whose run it is, and so whose runs all below it are.
            read: Reads what is waited for; best until somebody can tell.
            read_once: Reads how something ended; may fail.
        """
        self._tenant = tenant
        self._read = read
        self._read_once = read_once
        self._open: dict[str, Awaited] = {}
        self._called: dict[str, str] = {}
        """The runs that calls are, by the calls' ids."""
        self._known: dict[str, Approval] = {}
        """What was read: of who replays a run each run below it is asked once."""

    def take(self, event: ReadEvent) -> Sequence[Change]:
        """Return what an event changes: all that is waited for then, and what is no longer."""
        match event:
            case ChildStarted():
                self._called[event.call_id] = event.child_run_id
                return ()
            case RunWaiting():
                asked = {key_of(each.id, each.run_id): each for each in below(event)}
                ended = self._leave(*(key for key in self._open if key not in asked))
                self._open = asked
                return [*ended, *((each, True) for each in asked.values())]
            case ToolCallCompleted():
                called = self._called.pop(event.call_id, None)
                return self._leave(*(k for k, each in self._open.items() if each.run_id == called))
            # All calls of the turn before have ended.
            case _ if isinstance(event, TurnStarted | TerminalEvent):
                return self._leave(*self._open)
            case _:
                return ()

    async def read(self, changes: Sequence[Change]) -> tuple[CalledApproval, ...]:
        """Return what `take` has named with what the runs that ask have of it.

        What is waited for is read for as long as it takes: it can't be shown otherwise. Whether,
        and how, something has ended is read if that can be.
        """
        if not changes:
            return ()
        wanted: dict[str, bool] = {}
        for each, is_open in changes:
            known = self._known.get(key_of(each.id, each.run_id))
            if known is None or known.resolution is None:
                must = is_open and known is None
                wanted[each.run_id] = must or wanted.get(each.run_id, False)
        await asyncio.gather(*(self._ask(run_id, must=must) for run_id, must in wanted.items()))
        return tuple(
            CalledApproval(
                each.run_id, each.id, is_open, self._known.get(key_of(each.id, each.run_id))
            )
            for each, is_open in changes
        )

    def _leave(self, *keys: str) -> list[Change]:
        return [(self._open.pop(key), False) for key in keys]

    async def _ask(self, run_id: str, *, must: bool) -> None:
        ref = RunRef(self._tenant, run_id)
        try:
            found = await (self._read if must else self._read_once)(ref)
        except OperatorProblem:
            if must:
                raise
            return
        self._known.update({key_of(each.id, run_id): each for each in found})


def decided(called: Iterable[CalledApproval]) -> set[str]:
    """Return the keys of what is waited for no longer in a moment: somebody has decided already."""
    return {each.key for each in called if each.is_open and not each.is_asked}
