"""A test that does not fit its run fails, and says what the run did and what to write."""

import asyncio
from typing import Any, cast

import pytest

from outlast import Agent, tool
from outlast.testing import Decision, RunResult, call, calls, fault, raw_call, run_in_memory, text
from unit.worker.testing.desk import Till, desk

LARGE = call("refund", order_id="A-1", cents=500)


async def run(**options: Any) -> RunResult:
    return await run_in_memory(
        desk, "Refund A-1.", context={"company": "Acme"}, resources=Till(), **options
    )


async def mistake(**options: Any) -> str:
    with pytest.raises(AssertionError) as raised:
        await run(**options)
    return str(raised.value)


async def test_script_too_short() -> None:
    """The message has the turn, what came before it, and what to add."""
    told = await mistake(model=[call("find_order", order_id="A-1")])
    assert told == (
        "The model is asked in turn 2, and the script has no answer left: all 1 were given. Add "
        'what it does next to `model=[…]`: text("…") ends the run, call("tool", …) asks for a '
        "tool.\n\n"
        "The run so far:\n"
        '  user: "Refund A-1."\n'
        "  call 1.0: find_order(order_id='A-1')\n"
        "  result 1.0: A-1 in tool"
    )


async def test_script_too_long() -> None:
    """What nobody asked for is named as the test writes it."""
    spare = [
        call("refund", cents=5),
        raw_call("refund", "{"),
        calls(call("a"), call("b"), text="Hm."),
        fault("auth"),
    ]
    told = await mistake(model=[text("Done."), *spare])
    assert "The run ended (completed), and of `model=[…]` 4 of 5 were not asked for: " in told
    assert (
        "call('refund', cents=5), raw_call('refund', '{'), calls(call('a'), call('b'), "
        "text='Hm.'), fault('auth'). Take them out"
    ) in told
    assert 'turn 1: "Done."' in told


async def test_script_too_long_since_the_run_failed() -> None:
    """Why the run ended before is in the message."""
    told = await mistake(model=[fault("not-found"), text("Done.")])
    assert "The run ended (failed: There is no such model.), and of" in told


async def test_no_decision() -> None:
    """A call that waits for a person is named, with the line to write; nothing runs."""
    told = await mistake(model=[LARGE, text("Done.")])
    assert "1.0 of refund waits for a person, and nothing says what they decide." in told
    assert '`decisions={"refund": "approve"}`' in told
    assert "call 1.0 waits: refund(order_id='A-1', cents=500)" in told


async def test_spare_decision() -> None:
    """A decision that nobody asks for is a typing error, or a gate that does not close."""
    told = await mistake(model=[text("Done.")], decisions={"refnd": "approve"})
    assert "nobody was asked about 'refnd' of `decisions={…}`" in told


async def test_expiry_without_a_time() -> None:
    """What would wait for ever can't expire."""
    model = [call("close_account"), text("Done.")]
    told = await mistake(model=model, decisions={"close_account": "expire"})
    assert "The approval of close_account does not expire: its tool has no" in told


async def test_decision_with_arguments_that_do_not_fit() -> None:
    """The app would refuse them, so the test does."""
    decision = Decision(action="approve", arguments={"cents": "many"})
    told = await mistake(model=[LARGE], decisions={"refund": decision})
    assert "The arguments in the decision on refund do not fit the tool" in told
    assert "cents" in told


async def test_steering_in_a_turn_that_never_comes() -> None:
    """What could not be said is told."""
    told = await mistake(model=[text("Done.")], steering={2: "Stop."})
    assert "it never came to turn 2 of `steering={…}`" in told


async def test_nothing_goes_on_after_a_mistake() -> None:
    """A tool that still runs is cancelled, and waited for."""
    ended: list[str] = []

    @tool
    async def wait() -> str:
        """Wait."""
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")
        return ""

    @tool(needs_approval=True)
    async def ask() -> str:
        """Ask."""
        return ""

    agent = Agent(name="clerk", instructions="Wait.", tools=[wait, ask])
    with pytest.raises(AssertionError, match="waits for a person"):
        await run_in_memory(agent, "Hi.", model=[calls(call("wait"), call("ask"))])
    assert ended == ["cancelled"]
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (
            lambda: fault(cast("Any", "rate-limited")),
            "fault 'rate-limited' is not one of rate-limit, ",
        ),
        (calls, r"calls\(\) needs some"),
        (lambda: text("Hi.", pieces=["H", "o."]), "the pieces make 'Ho.', not 'Hi.'"),
    ],
)
def test_scripts_that_mean_nothing(make: Any, told: str) -> None:
    """A script is refused where it is written."""
    with pytest.raises(ValueError, match=told):
        make()
