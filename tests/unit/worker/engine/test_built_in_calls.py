"""Calls of tools that the worker brings along are steps like others, of what was pinned."""

from fakes.records import answer, pin, result
from fakes.steps import FakeSteps
from outlast.events import ToolCallCompleted
from outlast_worker.engine.exceptions import Cancelled
from outlast_worker.engine.operations import RunBuiltIn
from outlast_worker.engine.records import Pin, PinnedTool
from unit.worker.engine.playing import assert_valid_for_a_model, play

SEARCH = PinnedTool(name="search_tools", description="…", parameters={}, kind="built_in")
RARE = PinnedTool(name="rare", description="…", parameters={}, deferred=True)


class SeeingSteps(FakeSteps):
    """Keeps what is begun of this kind."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.built_in: list[RunBuiltIn] = []

    def begin(self, operation):  # type: ignore[no-untyped-def]  # as what it overrides
        if isinstance(operation, RunBuiltIn):
            self.built_in.append(operation)
        return super().begin(operation)


def pinned() -> Pin:
    made = pin("note")
    return made.model_copy(update={"tools": [*made.tools, RARE, SEARCH]})


async def test_a_call() -> None:
    """It knows the tools of the pin, whatever the worker has by now; its result is journaled."""
    steps = SeeingSteps(
        model=[answer("", ("search_tools", '{"query": "x"}'), ("rare", "{}")), answer("Done.")],
        tools={"1.0": result("found"), "1.1": result("rarely")},
        pinned=pinned(),
    )
    run = await play(steps)
    [operation] = steps.built_in
    assert (operation.tool, operation.tools) == (SEARCH, pinned().tools)
    assert [call.name for call in steps.planned] == ["search_tools", "rare"]
    ended = [event for event in steps.events if isinstance(event, ToolCallCompleted)]
    assert [event.output for event in ended] == ["found", "rarely"]
    assert run.usage.tool_calls == 2
    assert_valid_for_a_model(run)


async def test_the_whole_pin_goes_along() -> None:
    """Of which tools the model is told is found out where it is asked: all tools are known here."""
    steps = FakeSteps(model=[answer("Done.")], pinned=pinned())
    await play(steps)
    assert [tool.name for tool in steps.calls[0].pin.tools] == ["note", "rare", "search_tools"]


async def test_a_cancellation() -> None:
    """A run that is cancelled in the middle keeps a conversation that models take."""
    steps = FakeSteps(
        model=[answer("", ("search_tools", '{"query": "x"}'))],
        tools={"1.0": result("found")},
        raising={"tool 1.0": Cancelled()},
        pinned=pinned(),
    )
    run = await play(steps)
    assert run.status == "cancelled"
    assert_valid_for_a_model(run)
