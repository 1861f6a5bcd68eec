"""Hooks among the steps of a run: where they are called, and what a cut leaves behind."""

from dataclasses import replace

import pytest

from fakes.orders import on_thread, order
from fakes.records import after, answer, decided, pin, result
from fakes.steps import FakeSteps
from outlast.protocol import ImagePart, TextPart
from outlast_worker.engine.exceptions import Cancelled
from outlast_worker.engine.records import HookPoint, HookRecord, Pin, PinnedHook
from unit.worker.engine.playing import assert_valid_for_a_model, play

_POINTS: tuple[HookPoint, ...] = (
    "before_model",
    "after_model",
    "before_tool",
    "after_tool",
    "on_end",
)
PAY = ("pay", '{"cents":1}')


def hooked(*points: HookPoint, tools: tuple[str, ...] = ("pay",)) -> Pin:
    hooks = [PinnedHook(point=point, name=point) for point in points]
    return pin(*tools).model_copy(update={"hooks": hooks})


def script(*points: HookPoint, **more: object) -> FakeSteps:
    return FakeSteps(
        model=[answer("", PAY), answer("Done.", at_s=5)],
        tools={"1.0": result("paid")},
        pinned=hooked(*points),
        **more,  # type: ignore[arg-type]
    )


async def test_their_places() -> None:
    """Each is called in a step of its own, where its name says; the end last of all."""
    steps = script(*_POINTS)
    run = await play(steps, on_thread())
    assert (run.status, run.output) == ("completed", "Done.")
    called = [n for n in steps.log if n.startswith(("model", "tool 1", "hook", "release", "close"))]
    assert [name.rsplit(" ", 1)[0] if "hook" in name else name for name in called] == [
        "hook before_model",
        "model 1.1",
        "hook after_model",
        "hook before_tool",
        "tool 1.0",
        "hook after_tool",
        "hook before_model",
        "model 2.1",
        "hook after_model",
        "close_inbox",
        "hook on_end",
        "release_thread",
    ]


async def test_without_hooks() -> None:
    """An agent without hooks has no step more."""
    steps = script()
    await play(steps, order())
    assert not steps.hooked


@pytest.mark.parametrize("at", range(1, 8))
@pytest.mark.parametrize("again", [False, True], ids=["once", "twice"])
async def test_cancelled(at: int, again: bool) -> None:
    """A cancellation during any of them leaves a whole run behind, and the end is told of."""
    probe = script(*_POINTS)
    await play(probe, on_thread())
    step = [name for name in probe.log if name.startswith("hook ")][at - 1]
    cut: dict[str, Exception] = {step: Cancelled()}
    if again:
        cut["cancelled_at"] = Cancelled()
    steps = script(*_POINTS, raising=cut)
    run = await play(steps, on_thread())
    assert (run.status, run.error, run.output) == ("cancelled", None, None)
    assert steps.hooked[-1].hook.name == "on_end"
    assert steps.hooked[-1].subject.status == "cancelled"  # type: ignore[union-attr]
    assert len(steps.thread.released) == 1
    assert_valid_for_a_model(run)


async def test_what_waits_for_a_person_is_withdrawn() -> None:
    """A hook that fails ends the run at once: nobody decides on its other calls any more."""
    steps = FakeSteps(
        model=[answer("", ("pay", "{}"), ("note", "{}"))],
        tools={"1.1": result("noted")},
        pinned=hooked("after_tool", tools=("?pay", "note")),
        hooks={"after_tool": [HookRecord.failed("ValueError", after(4))]},
        late={"1.0": decided("1.0", "reject")},
    )
    run = await play(steps, on_thread())
    assert (run.status, run.error and run.error.type) == ("failed", "hook-failed")
    assert "close_decision 1.0" in steps.log
    assert run.approvals[0].resolution
    assert_valid_for_a_model(run)


@pytest.mark.parametrize("status", ["completed", "cancelled"])
async def test_an_end_that_fails(status: str) -> None:
    """A run that has its answer fails; one that was cancelled stays so."""
    raising: dict[str, Exception] = {"model 1.1": Cancelled()} if status == "cancelled" else {}
    failed = HookRecord.failed("ValueError", after(4))
    steps = script("on_end", raising=raising, hooks={"on_end": [failed]})
    run = await play(steps, order())
    assert run.status == ("failed" if status == "completed" else "cancelled")
    assert (run.error is not None) == (status == "completed")


@pytest.mark.parametrize(
    "said",
    [
        HookRecord(at=after(4), output="masked"),
        HookRecord(at=after(4), verdict="refuse", text="masked"),
    ],
)
async def test_a_result_with_an_image_that_is_changed(said: HookRecord) -> None:
    """What a hook puts in place of a result takes the place of its images, too."""
    parts = [TextPart(text="a secret"), ImagePart(url="https://x/secret.png")]
    steps = script("after_tool", hooks={"after_tool": [said]})
    drawn = result("a secret (an image)").model_copy(update={"parts": parts})
    run = await play(replace(steps, tools={"1.0": drawn}))
    assert "secret" not in str(run.messages)
    assert "secret" not in str(steps.events)
