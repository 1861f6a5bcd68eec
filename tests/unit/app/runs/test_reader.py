"""How a run is read: on its way from its thread, and after it was killed."""

from typing import Any

import pytest

import outlast_app.runs.reader
from outlast.contract import ThreadHolder
from outlast.errors import AdminUnavailable, UnknownRun, WorkerUnavailable
from outlast.names import RunRef, ThreadRef
from outlast.protocol import ParentCall, Run
from outlast_app.restate.outcomes import Broken, Ended, Outcome, Pending, Unknown
from outlast_app.runs.reader import RunReader

REF = RunRef("t", "a." + "b" * 26)


class OnItsWay:
    """Ingress and admin API of a run that arrives after some looks."""

    def __init__(self, looks: int, failures: int = 0) -> None:
        self._looks = looks
        self._failures = failures

    async def outcome(self, _ref: RunRef) -> Outcome:
        self._looks -= 1
        return Unknown() if self._looks >= 0 else Pending()

    async def wait(self, ref: RunRef, _wait_s: float) -> Outcome:
        if isinstance(await self.outcome(ref), Unknown):
            return Unknown()
        return Ended(Run(run_id=REF.run_id, agent="a", status="completed"))

    async def submission(self, _ref: RunRef) -> None:
        self._failures -= 1
        if self._failures >= 0:
            raise WorkerUnavailable("neither answers")

    async def status(self, _ref: RunRef, **_options: Any) -> Run:
        return Run(run_id=REF.run_id, agent="a", status="running")

    async def engine_row(self, _ref: RunRef) -> None:
        return None


def reader(looks: int, failures: int = 0) -> RunReader:
    there: Any = OnItsWay(looks, failures)
    return RunReader(there, there)


async def test_it_is_there() -> None:
    """Nobody is told that an accepted run is unknown, or dead."""
    assert (await reader(4).read(REF)).status == "running"
    assert not await reader(4).is_dead(REF)
    assert isinstance(await reader(4).wait(REF, 10), Ended)


@pytest.mark.parametrize(
    ("status", "outcome"), [("completed", Ended), ("running", Pending), (None, Pending)]
)
async def test_one_that_has_told_its_end(status: Any, outcome: type[Outcome]) -> None:
    """It is waited for until it has returned, so that nobody hears of it what is not so."""

    class Told(OnItsWay):
        async def status(self, _ref: RunRef, **_options: Any) -> Run:
            if status is None:
                raise WorkerUnavailable("it is away")
            return Run(run_id=REF.run_id, agent="a", status=status)

    there: Any = Told(0)
    assert isinstance(await RunReader(there, there).end(REF), outcome)


async def test_it_is_waited_for_while_nobody_answers() -> None:
    """A restart of everything does not end a wait."""
    assert isinstance(await reader(4, failures=2).wait(REF, 10), Ended)


async def test_it_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not arrive is not a run."""
    monkeypatch.setattr(outlast_app.runs.reader, "_ARRIVAL_TIMEOUT_S", 0.05)
    with pytest.raises(UnknownRun):
        await reader(1_000_000).read(REF)
    assert await reader(1_000_000).is_dead(REF)
    assert isinstance(await reader(1_000_000).wait(REF, 10), Unknown)


async def test_who_holds_the_thread() -> None:
    """A run in line names the run that it waits for; one that can't be asked is not named."""

    class InLine(OnItsWay):
        holder: ThreadHolder | None = ThreadHolder(run_id="a.holder", message_count=0)

        async def status(self, ref: RunRef, **_options: Any) -> Run:
            return Run(run_id=ref.run_id, agent="a", status="queued", thread_id="t-1")

        async def thread_holder(self, thread: ThreadRef) -> ThreadHolder:
            assert thread == ThreadRef("t", "t-1")
            if self.holder is None:
                raise WorkerUnavailable("it is away")
            return self.holder

    there: Any = InLine(0)
    run = await RunReader(there, there).read(REF)
    assert run.waiting
    assert (run.waiting.kind, run.waiting.run_id) == ("turn", "a.holder")
    there.holder = None
    run = await RunReader(there, there).read(REF)
    assert run.waiting
    assert (run.waiting.kind, run.waiting.run_id) == ("turn", None)


async def test_a_called_run() -> None:
    """It has returned only what its caller needs; the rest is in its state, while that is read."""
    parent = ParentCall(run_id="lead.x", call_id="1.0")
    returned = Run(run_id=REF.run_id, agent="a", status="completed", output="x", parent=parent)
    kept = returned.model_copy(update={"metadata": {"ticket": "7"}, "messages": []})
    asked: list[dict[str, Any]] = []

    class Called(OnItsWay):
        away = False

        async def outcome(self, _ref: RunRef) -> Outcome:
            return Ended(returned)

        async def status(self, _ref: RunRef, **options: Any) -> Run:
            asked.append(options)
            if self.away:
                raise WorkerUnavailable("it is away")
            return kept

        async def run_state(self, _ref: RunRef) -> Run:
            raise AdminUnavailable("it is away, too")

    there: Any = Called(0)
    assert await RunReader(there, there).read(REF) == kept
    assert asked[-1]["messages"] is True
    await RunReader(there, there).read(REF, messages=False)
    assert asked[-1]["messages"] is False
    there.away = True
    assert await RunReader(there, there).read(REF) == returned


async def test_it_was_killed() -> None:
    """A decision that a killed run never took in is none: lists and streams don't know of it."""
    asked: list[dict[str, Any]] = []

    class Killed(OnItsWay):
        async def outcome(self, _ref: RunRef) -> Outcome:
            return Broken(killed=True, reason="killed")

        async def status(self, ref: RunRef, **options: Any) -> Run:
            asked.append(options)
            return await super().status(ref)

    there: Any = Killed(0)
    run = await RunReader(there, there).read(REF)
    assert (run.status, run.error and run.error.type) == ("failed", "killed")
    assert asked == [{"messages": True, "killed": True}]
