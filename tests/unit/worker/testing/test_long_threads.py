"""Long threads in tests: prompts are made shorter as in production."""

from typing import Any

import pytest

from outlast import Agent
from outlast.events import Compacted
from outlast.testing import (
    ModelRequest,
    RunResult,
    Usage,
    call,
    calls,
    fault,
    run_in_memory,
    text,
)
from unit.worker.testing.desk import find_order

FULL = Usage(input_tokens=800, output_tokens=10, cost_usd=0.5)


def agent(**declared: Any) -> Agent:
    given = {"name": "clerk", "instructions": "Help.", "tools": [find_order]}
    return Agent(**{**given, "context_window": 1_000, **declared})


async def talk(clerk: Agent, turns: int = 4) -> RunResult:
    """Have a conversation."""
    result = await run_in_memory(clerk, "0", model=[text("about 0")], thread_id="t")
    for number in range(1, turns):
        said = text(f"about {number} " * 30)
        result = await run_in_memory(clerk, f"{number}", model=[said], history=result.thread)
    return result


def heard(request: ModelRequest) -> list[str]:
    return [str(message.content) for message in request.messages]


def compacted(result: RunResult) -> list[Compacted]:
    return [event for event in result.events if isinstance(event, Compacted)]


async def test_a_run_is_summed_up_between_turns() -> None:
    """The script's next answer is the summary, which the request says."""
    asks = call("find_order", order_id="A-1")
    thinks = calls(asks, text="Let me see. " * 100)
    script = [thinks, calls(asks, usage=FULL), text("Found A-1."), text("Done.")]
    result = await run_in_memory(agent(), "Find A-1.", model=script)
    assert (result.output, len(compacted(result))) == ("Done.", 1)
    assert [request.sums_up for request in result.requests] == [False, False, True, False]
    first, *_ = heard(result.requests[-1])
    assert first.startswith("[What was said before is left out here.")
    assert "Found A-1." in first
    assert "Find A-1." in first  # in the user's words
    assert result.usage.model_calls == 4
    assert len(result.messages) == 6


async def test_the_next_run_goes_on_from_the_summary() -> None:
    """A thread's `history` is what runs read of it."""
    before = await talk(agent(), turns=6)
    script = [text("They counted."), text("Yes.")]
    long = await run_in_memory(agent(), "x" * 2_000, model=script, history=before.thread)
    assert [request.sums_up for request in long.requests] == [True, False]
    following = await run_in_memory(agent(), "And?", model=[text("So.")], history=long.thread)
    said = heard(following.requests[0])
    assert "They counted." in said[0]
    assert said[-2:] == ["Yes.", "And?"]
    assert len(said) < len(long.history)


async def test_a_model_that_refuses() -> None:
    """What no model takes is summed up; without a summary it is left out."""
    history = (await talk(agent(), turns=6)).thread
    for summary, how in ((text("They counted."), "summary"), (fault("auth"), "window")):
        script = [fault("context-too-long"), summary, text("Yes.")]
        result = await run_in_memory(agent(), "And?", model=script, history=history)
        assert (result.output, compacted(result)[0].how) == ("Yes.", how)


async def test_a_window() -> None:
    """No model is asked for a summary."""
    history = (await talk(agent(), turns=6)).thread
    script = [fault("context-too-long"), text("Yes.")]
    result = await run_in_memory(agent(compaction="window"), "And?", model=script, history=history)
    assert (result.output, compacted(result)[0].how) == ("Yes.", "window")


async def test_turned_off() -> None:
    """The run fails as its provider says."""
    history = (await talk(agent(), turns=6)).thread
    script = [fault("context-too-long")]
    result = await run_in_memory(agent(compaction=None), "And?", model=script, history=history)
    assert result.error is not None
    assert result.error.type == "context-too-long"


@pytest.mark.parametrize("declared", [{}, {"context_window": None}])
async def test_short_conversations_are_left_alone(declared: dict[str, Any]) -> None:
    """Nothing is asked that a script does not know of."""
    result = await talk(agent(**declared), turns=3)
    assert not compacted(result)
