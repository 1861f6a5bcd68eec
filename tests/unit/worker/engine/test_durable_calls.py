"""A run whose model calls durable tools: they tell it when they wait, and when they go on."""

import pytest

from fakes.orders import on_thread
from fakes.records import after, answer, pin, result
from fakes.steps import FakeSteps
from outlast.events import RunWaiting
from outlast_worker.engine.exceptions import Cancelled
from outlast_worker.engine.records import DurableReport, HookRecord, PinnedHook
from unit.worker.engine.playing import assert_valid_for_a_model, play

ONE = answer("", ("ship", "{}"))
TWO = answer("", ("ship", "{}"), ("note", "{}"))


def waits(signal: str | None = None, *, at_s: float = 3) -> DurableReport:
    return DurableReport(
        at=after(at_s),
        waits="signal" if signal else "timer",
        signal=signal,
        until=None if signal else after(900),
    )


def goes_on(at_s: float = 4) -> DurableReport:
    return DurableReport(at=after(at_s))


def script(*reports: DurableReport) -> FakeSteps:
    """Have the model call a durable tool, which reports this before it ends."""
    steps = FakeSteps(
        model=[ONE, answer("Done.", at_s=20)],
        tools={"1.0": result("shipped", at_s=10)},
        reports={"1.0": reports},
        pinned=pin("ship", "note"),
    )
    tools = [
        tool.model_copy(update={"kind": "durable", "signals": ["paid"]})
        if tool.name == "ship"
        else tool
        for tool in steps.pinned.tools  # pyright: ignore[reportAttributeAccessIssue]  # it is a pin
    ]
    steps.pinned = steps.pinned.model_copy(update={"tools": tools})
    return steps


async def test_a_call_that_never_waits() -> None:
    """It is called with what it takes, and closed with its result."""
    steps = script()
    run = await play(steps)
    assert (run.status, run.output) == ("completed", "Done.")
    assert "call_durable 1.0 paid" in steps.log
    assert steps.log.index("close_durable 1.0") > steps.log.index("durable 1.0")
    assert [m.content for m in run.messages or [] if m.role == "tool"] == ["shipped"]
    assert not [event for event in steps.events if isinstance(event, RunWaiting)]
    assert_valid_for_a_model(run)


async def test_a_call_that_waits_for_a_signal() -> None:
    """The run says for what it stands still, once, and that it goes on."""
    steps = script(waits("paid"), goes_on())
    run = await play(steps)
    assert run.status == "completed"
    [waiting] = [event for event in steps.events if isinstance(event, RunWaiting)]
    assert (waiting.waiting_for, waiting.at) == ("signal", after(3))
    assert [item.id for item in waiting.calls] == ["1.0"]
    shown = [saved.waiting for saved in steps.keep.runs if saved.waiting]
    assert {wait.text for wait in shown} == {"Waits for the signal paid of ship."}
    assert steps.keep.runs[-1].waiting is None


async def test_a_call_that_sleeps() -> None:
    """A wait for the time is shown with its end; nobody outside is told to do something."""
    steps = script(waits())
    run = await play(steps)
    assert run.status == "completed"
    assert not [event for event in steps.events if isinstance(event, RunWaiting)]
    [shown] = {(s.waiting.kind, s.waiting.until) for s in steps.keep.runs if s.waiting}
    assert shown == ("timer", after(900))


async def test_a_call_that_waits_beside_one_that_does_not() -> None:
    """A run of which something is in flight does not stand still."""
    steps = script(waits("paid"))
    steps.model = [TWO, answer("Done.", at_s=20)]
    steps.tools = {"1.1": result("noted", at_s=5), "1.0": result("shipped", at_s=10)}
    run = await play(steps)
    assert run.status == "completed"
    events = [event.type for event in steps.events]
    # Only when the other call had ended.
    assert events.index("run.waiting") > events.index("tool_call.completed")


@pytest.mark.parametrize("at", ["durable 1.0", "report 1.0 0"])
async def test_a_cancellation(at: str) -> None:
    """A cancelled run has a result for the call, and closes nothing that is gone anyhow."""
    steps = script(waits("paid"))
    steps.__dict__["_unraised"] = {at: Cancelled()}
    run = await play(steps, on_thread())
    assert run.status == "cancelled"
    assert_valid_for_a_model(run)
    [(items, _)] = steps.thread.released
    assert items[-1].role == "tool"


async def test_a_run_that_fails_cancels_its_calls() -> None:
    """Nothing goes on for a run that has ended, whatever it was that ended it."""
    steps = script(waits("paid"))
    steps.model = [TWO]
    steps.tools = {"1.1": result("noted", at_s=5)}
    steps.hooks = {"check": [HookRecord.failed("broken", after(6))]}
    hook = PinnedHook(name="check", point="after_tool")
    steps.pinned = steps.pinned.model_copy(update={"hooks": [hook]})
    run = await play(steps)
    assert run.status == "failed"
    assert "cancel_durable durable 1.0" in steps.log
    assert_valid_for_a_model(run)
