"""A cancelled run: whole, at whatever moment it was cut."""

import pytest

from fakes.orders import on_thread
from fakes.records import after
from outlast_worker.engine.exceptions import Cancelled
from unit.worker.engine.playing import STEPS, assert_valid_for_a_model, play, script_with_tools


@pytest.mark.parametrize("again", [False, True], ids=["once", "twice"])
@pytest.mark.parametrize("step", STEPS)
async def test_cancelled_at(step: str, again: bool) -> None:
    """A cancellation at any await, and a second one during the end, leave a whole run behind."""
    cancelled: dict[str, Exception] = {step: Cancelled()}
    if again:
        cancelled["cancelled_at"] = Cancelled()
    steps = script_with_tools(raising=cancelled, cancel_asked_at=after(500))
    run = await play(steps, on_thread(admission="join", after_s=1))
    assert (run.status, run.error, run.output) == ("cancelled", None, None)
    assert [event.type for event in steps.events][-1] == "run.cancelled"
    assert [event.seq for event in steps.events] == list(range(1, len(steps.events) + 1))
    assert steps.keep.runs[-1].status == "cancelled"
    assert steps.keep.runs[-1].waiting_for is None
    assert len(steps.thread.released) == 1
    assert steps.log[-4:] == ["release_thread", "run.cancelled", "save cancelled", "settle 1 ended"]
    if not again:
        assert run.ended_at == after(500)
    assert_valid_for_a_model(run)


async def test_cancelled_between_tool_results() -> None:
    """Results that came before the cancellation stay; the other calls are told as unfinished."""
    steps = script_with_tools(raising={"tool 1.1": Cancelled()})
    run = await play(steps, on_thread())
    first, second = [m for m in run.messages or [] if m.role == "tool"]
    assert (first.content, first.is_error) == ("first", False)
    assert "It may have run" in str(second.content)
    assert second.is_error
    assert run.usage.tool_calls == 1


async def test_cancelled_without_word_of_when() -> None:
    """A cancellation that came past our handler has the time of the last step."""
    steps = script_with_tools(raising={"model 1.1": Cancelled()})
    assert (await play(steps)).ended_at == after(1)
