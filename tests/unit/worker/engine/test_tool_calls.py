"""A turn's tool calls: what is run, and what the model and watchers are told."""

from typing import Any

import pytest

from fakes.steps import FakeSteps, after, answer, pin, result
from outlast.events import ANY_EVENT, ToolCallCompleted, ToolCallStarted
from unit.worker.engine.playing import (
    TWO_CALLS,
    play,
)


async def test_results_in_both_orders() -> None:
    """Events tell results as they came, while the conversation has them as they were asked for."""
    steps = FakeSteps(
        model=[TWO_CALLS, answer("Done.")],
        tools={"1.1": result("fast", at_s=3), "1.0": result("slow", at_s=8)},
    )
    run = await play(steps)
    completed = [event for event in steps.events if isinstance(event, ToolCallCompleted)]
    assert [(e.call_id, e.output, e.duration_ms) for e in completed] == [
        ("1.1", "fast", 500),
        ("1.0", "slow", 500),
    ]
    results = [m for m in run.messages or [] if m.role == "tool"]
    assert [(m.call_id, m.content, m.created_at) for m in results] == [
        ("1.0", "slow", after(8)),
        ("1.1", "fast", after(8)),
    ]


async def test_which_calls_are_known() -> None:
    """A call says whether the pinned agent has the tool; one that it has not is planned too."""
    steps = FakeSteps(
        pinned=pin("refund"),
        model=[TWO_CALLS, answer("Done.")],
        tools={"1.0": result("There is no tool.", is_error=True), "1.1": result("{}")},
    )
    await play(steps)
    assert [(call.name, call.known) for call in steps.planned] == [
        ("find_order", False),
        ("refund", True),
    ]
    assert [call.arguments for call in steps.planned] == ['{"order_id": "A-1"}', '{"cents": 5}']


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("", {}),
        ('{"cents": ', {}),
        ("[1, 2]", {}),
        ('"text"', {}),
        ("null", {}),
        ('{"cents": 5} and more', {}),
        ('{"half": "\\ud800"}', {}),
        ('{"a":' * 3000 + "1" + "}" * 3000, {}),
        ('{"a":' * 195 + "1" + "}" * 195, {}),
        ('{"a": NaN}', {}),
        ('{"cents": 5, "a": [null, "ä"]}', {"cents": 5, "a": [None, "ä"]}),
    ],
    ids=range(11),
)
async def test_arguments_that_a_model_wrote(written: str, shown: Any) -> None:
    """Whatever a model writes as arguments can be shown and kept, and goes to the tool as it is."""
    steps = FakeSteps(
        model=[answer("", ("refund", written)), answer("Done.")],
        tools={"1.0": result("not valid", is_error=True)},
    )
    run = await play(steps)
    assert run.status == "completed"
    started = next(event for event in steps.events if isinstance(event, ToolCallStarted))
    assert started.arguments == shown
    assert ANY_EVENT.validate_json(ANY_EVENT.dump_json(started)) == started
    assert steps.planned[0].arguments == written
