"""`run_in_memory`: the real loop and real tools, with a scripted model, in no time."""

import asyncio
import time
from datetime import timedelta
from typing import Any

import pytest

from outlast import Agent, tool
from outlast.testing import (
    Decision,
    ModelRequest,
    RunResult,
    call,
    calls,
    fault,
    raw_call,
    run_in_memory,
    text,
)
from unit.worker.testing.desk import Till, desk

ACME = {"company": "Acme"}
SMALL = call("refund", order_id="A-1", cents=5)
LARGE = call("refund", order_id="A-1", cents=500)


async def run(**options: Any) -> RunResult:
    return await run_in_memory(desk, "Refund A-1.", context=ACME, **options)


async def test_a_whole_run() -> None:
    """Tools run in their order with the arguments of the script, and what came of all is told."""
    till = Till()
    result = await run(
        model=[call("find_order", order_id="A-1"), SMALL, text("It is on its way.")],
        resources=till,
        metadata={"ticket": "7"},
    )
    assert (result.status, result.output, result.error) == ("completed", "It is on its way.", None)
    assert till.paid == [5]
    first, second = result.tool_calls
    assert (first.call_id, first.name, first.arguments) == (
        "1.0",
        "find_order",
        {"order_id": "A-1"},
    )
    assert (first.result, first.is_error, first.ran) == ("A-1 in tool", False, True)
    assert (second.call_id, second.json()) == ("2.0", {"cents": 5})
    assert [message.role for message in result.messages] == [
        *("user", "assistant", "tool", "assistant", "tool", "assistant")
    ]
    assert [event.type for event in result.events][:: len(result.events) - 1] == [
        *("run.started", "run.completed")
    ]
    assert result.run.metadata == {"ticket": "7"}
    assert (result.usage.model_calls, result.usage.tool_calls) == (3, 2)


async def test_what_the_model_is_asked() -> None:
    """A test can look at what the model saw, call by call."""
    result = await run(model=[SMALL, text("Done.")], resources=Till())
    first, second = result.requests
    assert (first.turn, first.attempt, first.model) == (1, 1, "scripted/model")
    assert first.instructions == "You work for Acme."
    assert first.tools == ["find_order", "refund", "close_account"]
    assert (first.last, second.last) == ("Refund A-1.", '{"cents":5}')


async def test_model_as_a_function() -> None:
    """A function answers by what it is asked."""

    def model(request: ModelRequest) -> Any:
        return text(f"I read {request.last}") if request.turn > 1 else SMALL

    assert (await run(model=model, resources=Till())).output == 'I read {"cents":5}'


async def test_calls_of_one_answer_run_side_by_side() -> None:
    """Two tools that wait for each other both end: none of them waits for its turn."""
    met = asyncio.Barrier(2)

    @tool
    async def meet(name: str) -> str:
        """Meet somebody.

        Args:
            name: Whom.
        """
        await met.wait()
        return f"met {name}"

    agent = Agent(name="host", instructions="Introduce people.", tools=[meet])
    both = calls(call("meet", name="Ana"), call("meet", name="Li"), text="One moment.")
    result = await run_in_memory(agent, "Hello.", model=[both, text("You know each other.")])
    assert [called.result for called in result.tool_calls] == ["met Ana", "met Li"]
    assert result.messages[1].content == "One moment."


async def test_an_exception() -> None:
    """A test sees what the model is told of it, and can look at what clients see."""

    @tool
    def find() -> str:
        """Find."""
        raise KeyError("A-1")

    agent = Agent(name="finder", instructions="Find.", tools=[find])
    ended = await run_in_memory(agent, "Go.", model=[call("find"), text("Sorry.")])
    told = "The tool find failed: KeyError: 'A-1'"
    assert (ended.tool_calls[0].result, ended.requests[1].last) == (told, told)
    shown = "The tool find failed: KeyError. The worker's log says more."
    assert [message.content for message in ended.messages if message.role == "tool"] == [shown]


async def test_tools_that_fail() -> None:
    """What is wrong with a call is told to the model, as in production."""
    asked = calls(
        call("find_order", order_id="A-9"),
        call("find_order", order=1),
        raw_call("find_order", '{"order_id": "A'),
        call("no_such_tool"),
    )
    result = await run(model=[asked, text("Sorry.")])
    told = [called.result for called in result.tool_calls]
    assert all(called.is_error for called in result.tool_calls)
    assert told[0] == "There is no order A-9."
    assert "not valid: order_id: Field required" in told[1]
    assert "can't be read" in told[2]
    assert "There is no tool 'no_such_tool'" in told[3]


# Approvals.


@pytest.mark.parametrize("decisions", [{"refund": "approve"}, {"1.0": Decision(action="approve")}])
async def test_approved(decisions: Any) -> None:
    """A decision is found by the tool's name and by the call's id; the call runs."""
    till = Till()
    result = await run(model=[LARGE, text("Done.")], resources=till, decisions=decisions)
    assert till.paid == [500]
    [approval] = result.run.approvals
    assert approval.resolution
    assert (approval.call_id, approval.resolution.action) == ("1.0", "approve")


async def test_the_calls_id_counts_before_the_name() -> None:
    """One call of a tool can be decided otherwise than the others."""
    till = Till()
    model = [calls(LARGE, LARGE), text("Done.")]
    decisions: Any = {"refund": "reject", "1.1": "approve"}
    result = await run(model=model, resources=till, decisions=decisions)
    assert till.paid == [500]
    assert [called.ran for called in result.tool_calls] == [False, True]


async def test_rejected_with_a_reason() -> None:
    """The model reads the reason, and the tool does not run."""
    till = Till()
    decision = Decision(action="reject", reason="Too much.", by="ana")
    result = await run(
        model=[LARGE, text("Sorry.")], resources=till, decisions={"refund": decision}
    )
    [called] = result.tool_calls
    assert (called.ran, called.arguments["cents"], till.paid) == (False, 500, [])
    assert called.result.endswith("rejected by a person and not run: Too much.")


async def test_approved_with_other_arguments() -> None:
    """The call runs with the person's arguments, and those are shown."""
    till = Till()
    changed = Decision(action="approve", arguments={"order_id": "A-1", "cents": 200})
    result = await run(model=[LARGE, text("Done.")], resources=till, decisions={"refund": changed})
    assert (till.paid, result.tool_calls[0].arguments["cents"]) == ([200], 200)


async def test_expired() -> None:
    """Hours pass at once, and all times of the run follow."""
    till = Till()
    result = await run(
        model=[LARGE, text("Sorry.")], resources=till, decisions={"refund": "expire"}
    )
    assert till.paid == []
    assert "Nobody approved this call of refund in time" in result.tool_calls[0].result
    assert result.run.ended_at
    assert result.run.created_at
    assert result.run.ended_at - result.run.created_at > timedelta(hours=8)
    assert sorted(m.created_at for m in result.messages) == [m.created_at for m in result.messages]


async def test_a_call_that_needs_no_approval() -> None:
    """The tool's own condition decides, with the run's resources."""
    till = Till(is_open=False)
    await run(model=[LARGE, text("Done.")], resources=till)
    assert till.paid == [500]


# Faults of the model.


async def test_a_fault_that_passes() -> None:
    """The model is asked again after a wait that takes no time; the run tells of the try."""
    began = time.monotonic()
    faults = [fault("rate-limit", retry_after_s=300), fault("malformed"), fault("timeout")]
    result = await run(model=[*faults, text("Done.")])
    assert result.output == "Done."
    assert [request.attempt for request in result.requests] == [1, 2, 3, 4]
    assert result.run.ended_at
    assert result.run.created_at
    assert result.run.ended_at - result.run.created_at > timedelta(seconds=300)
    assert time.monotonic() - began < 100


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("auth", "model-auth"),
        ("not-found", "model-not-found"),
        ("rejected", "model-rejected"),
        ("quota", "model-unavailable"),
        ("context-too-long", "context-too-long"),
        ("content-policy", "content-policy"),
    ],
)
async def test_a_fault_that_stays(kind: Any, error: str) -> None:
    """The run fails as it would with a provider."""
    result = await run(model=[fault(kind)])
    assert result.status == "failed"
    assert result.error
    assert (result.error.type, result.output) == (error, None)


async def test_faults_until_nobody_tries_again() -> None:
    """The worker's own limits count, over minutes that take no time."""
    unavailable = [fault("unavailable", retry_after_s=250)] * 3
    result = await run(model=unavailable)
    assert result.error
    assert result.error.type == "model-unavailable"


async def test_an_answer_that_was_cut() -> None:
    """A finish reason ends the run as incomplete."""
    result = await run(model=[text("Once upon", finish_reason="length")])
    assert (result.status, result.run.incomplete_reason) == ("incomplete", "output_length")
    assert result.output == "Once upon"


# Streams and progress.


async def test_a_stream() -> None:
    """Previews come in pieces; an attempt that breaks off begins anew."""
    broken = fault("unavailable", pieces=["I wi"])
    answer = text(pieces=["I wi", "ll."], reasoning="Hm.")
    result = await run(model=[broken, answer], stream=True)
    assert result.output == "I will."
    shown = [event.model_dump(exclude={"run_id", "turn"}) for event in result.live]
    assert [(e["type"], e["attempt"], e.get("text")) for e in shown] == [
        ("message.reset", 1, None),
        ("message.delta", 1, "I wi"),
        ("message.reset", 2, None),
        ("reasoning.delta", 2, "Hm."),
        ("message.delta", 2, "I wi"),
        ("message.delta", 2, "ll."),
    ]


async def test_without_a_stream_only_tools_tell_how_far_they_are() -> None:
    """A run that is not streamed has no previews of its answers."""
    result = await run(model=[SMALL, text("Done.")], resources=Till())
    [progress] = result.live
    assert progress.model_dump(exclude={"run_id"}) == {
        "type": "tool_call.progress",
        "call_id": "1.0",
        "done": 1,
        "total": 2,
        "message": "sent",
    }


# What a run is given.
