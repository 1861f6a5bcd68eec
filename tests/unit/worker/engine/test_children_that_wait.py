"""Calls of agents whose runs wait for somebody outside, and what their callers show of it."""

from collections.abc import Sequence
from typing import Any

import pytest

from fakes.orders import RUN_ID, on_thread, order
from fakes.records import after, answer, called_agent, decided, pin, result
from fakes.steps import FakeSteps
from outlast.contract import WaitReport
from outlast.events import RunWaiting
from outlast.names import child_run_id
from outlast.protocol import Awaited, ParentCall
from unit.worker.engine.calling import CHILD, ended, script, told
from unit.worker.engine.playing import play


def reported(index: int, *approvals: str, at_s: float = 5) -> WaitReport:
    items = [Awaited(run_id=CHILD, id=each) for each in approvals]
    return WaitReport(call_id="1.0", index=index, at=after(at_s), approvals=items)


async def test_one_wait() -> None:
    """A run all of whose open calls are children that wait is waiting, and names what for."""
    waits, goes_on = reported(0, "1.0"), reported(1, at_s=7)
    steps = script(ended(output="Paid."), child_reports={"1.0.0": waits, "1.0.1": goes_on})
    run = await play(steps, on_thread())
    [waiting] = [event for event in steps.events if isinstance(event, RunWaiting)]
    assert (waiting.waiting_for, waiting.segment, waiting.calls) == ("child", 1, [])
    assert waiting.approvals == [Awaited(run_id=CHILD, id="1.0")]
    [stood] = [saved for saved in steps.keep.runs if saved.status == "waiting"]
    assert stood.waiting_for == "child"
    assert stood.waiting
    assert (stood.waiting.run_id, stood.waiting.call_ids) == (CHILD, ["1.0"])
    held_up = [name for name in steps.log if name.startswith(("settle", "hold_up"))]
    assert held_up == ["settle 1", "hold_up_thread True", "hold_up_thread False", "settle 2 ended"]
    assert (told(run), run.status) == (["Paid."], "completed")


async def test_more_than_one_wait() -> None:
    """What a child waits for may change; each time it is told anew."""
    reports = {"1.0.0": reported(0, "1.0", "1.1"), "1.0.1": reported(1, "1.1", at_s=6)}
    steps = script(ended(output="."), child_reports=reports)
    await play(steps)
    waits = [event for event in steps.events if isinstance(event, RunWaiting)]
    assert [[item.id for item in event.approvals] for event in waits] == [["1.0", "1.1"], ["1.1"]]


def of_two(*reports: tuple[str, str], holds_up: bool | None = True, **fields: Any) -> FakeSteps:
    """Script two calls of an agent that remembers; of reports whose they are, and what waits."""
    counts: dict[str, int] = {}
    told: dict[str, WaitReport] = {}
    for number, (call_id, approval) in enumerate(reports):
        index = counts[call_id] = counts.get(call_id, -1) + 1
        run_id = child_run_id("researcher", RUN_ID, call_id)
        told[f"{call_id}.{index}"] = WaitReport(
            call_id=call_id,
            index=index,
            at=after(5 + number),
            approvals=[Awaited(run_id=run_id, id=approval)] if approval else [],
            holds_up_line=holds_up,
        )
    ends = [ended(output="one"), ended(output="two")]
    return script(*ends, own=True, child_reports=told, **fields)


def waits_of(steps: FakeSteps) -> list[tuple[list[str], list[str]]]:
    """Return for which calls the run stood still, and on which approvals, each time."""
    told = [event for event in steps.events if isinstance(event, RunWaiting)]
    stood = [
        saved.waiting for saved in steps.keep.runs if saved.status == "waiting" and saved.waiting
    ]
    return [
        (wait.call_ids or [], [item.id for item in event.approvals])
        for wait, event in zip(stood, told, strict=True)
    ]


async def test_in_line_behind_a_child_that_waits() -> None:
    """Calls of one agent with its own thread go one after another: then all of them wait."""
    steps = of_two(("1.0", "1.0"), ("1.0", ""))
    run = await play(steps)
    assert waits_of(steps) == [(["1.0", "1.1"], ["1.0"])]
    [stood] = [saved.waiting for saved in steps.keep.runs if saved.status == "waiting"]
    assert stood
    assert (stood.run_id, stood.text) == (
        CHILD,
        "Waits for the agent researcher, which waits itself.",
    )
    assert (told(run), run.status) == (["one", "two"], "completed")


async def test_whoever_comes_first_holds_the_thread() -> None:
    """The order of the calls says nothing of that; the next one waits when it is its turn."""
    steps = of_two(("1.1", "2.0"), ("1.1", ""), ("1.0", "1.0"), ("1.0", ""))
    steps.children = {"1.1": ended(output="two"), "1.0": ended(output="one")}
    await play(steps)
    assert waits_of(steps) == [(["1.0", "1.1"], ["2.0"]), (["1.0", "1.1"], ["1.0"])]


class DecidedLate(FakeSteps):
    """Hears of waits before people decide."""

    def _next(self, names: Sequence[str]) -> str:
        return "child_report 1.0.0" if "child_report 1.0.0" in names else super()._next(names)


async def test_one_that_joins_the_line_late() -> None:
    """A call that was approved while another one waits is in line from its beginning."""
    steps = of_two(("1.0", "1.0"), ("1.0", ""), kind=DecidedLate)
    asking = {"may_need_approval": True, "approval_timeout_s": None}
    tool = called_agent("researcher", own_thread=True).model_copy(update=asking)
    steps.pinned = pin().model_copy(update={"tools": [tool]})
    steps.unasked, steps.decisions = ["1.0"], {"1.1": decided("1.1", at_s=5)}
    await play(steps)
    assert waits_of(steps) == [(["1.1", "1.0"], ["1.1", "1.0"]), (["1.0", "1.1"], ["1.0"])]


@pytest.mark.parametrize("own", [True, False])
async def test_others_go_on_beside_a_child_that_waits(own: bool) -> None:
    """So it is without a common thread, and where the report was taken by an older worker."""
    steps = of_two(("1.0", "1.0"), ("1.0", ""), holds_up=None if own else True)
    tool = called_agent("researcher", own_thread=own)
    steps.pinned = pin().model_copy(update={"tools": [tool]})
    await play(steps)
    assert waits_of(steps) == []


async def test_a_child_reports() -> None:
    """A called run tells its caller when it waits and goes on, in numbers; others do not."""
    asks = {
        "model": [answer("", ("pay", "{}")), answer("Paid.")],
        "tools": {"1.0": result("paid")},
        "decisions": {"1.0": decided("1.0")},
        "pinned": pin("?pay"),
    }
    called = order(parent=ParentCall(run_id="lead.x", call_id="3.1"))
    steps = FakeSteps(**asks)
    await play(steps, called)
    waits, goes_on = steps.reported
    assert (waits.call_id, waits.index) == ("3.1", 0)
    assert waits.approvals == [Awaited(run_id=RUN_ID, id="1.0")]
    assert (goes_on.index, goes_on.approvals, goes_on.calls) == (1, [], [])
    steps = FakeSteps(**asks)
    await play(steps)
    assert steps.reported == []


async def test_waits_are_told_all_the_way_up() -> None:
    """A run in the middle tells its own caller what waits below it."""
    called = order(parent=ParentCall(run_id="chief.x", call_id="2.0"))
    steps = script(ended(output="."), child_reports={"1.0.0": reported(0, "1.0")})
    await play(steps, called)
    assert [report.approvals for report in steps.reported] == [
        [Awaited(run_id=CHILD, id="1.0")],
        [],
    ]
