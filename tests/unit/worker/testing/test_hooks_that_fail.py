"""What is called at the end, and what becomes of a run whose hook fails."""

import asyncio
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from outlast import (
    Agent,
    HookedCall,
    Refuse,
    RunContext,
    after_model,
    after_tool,
    before_model,
    before_tool,
    client_tool,
    input_guardrail,
    on_end,
)
from outlast.protocol import Run
from outlast.testing import call, calls, run_in_memory, text
from unit.worker.testing.hooking import PAID, an_agent, before_pay, run


@pytest.fixture(autouse=True)
def _nobody_has_paid() -> None:
    PAID.clear()


async def test_the_end() -> None:
    """The run is told of as it ends, whatever it comes to."""
    ended: list[tuple[str, Any]] = []

    @on_end
    async def note(run: Run, context: RunContext) -> None:
        assert run.run_id == context.run_id
        ended.append((run.status, run.output))

    await run(note)
    await run_in_memory(
        an_agent(note, input_guardrail(lambda said, _: Refuse(said), name="all")), "Pay.", model=[]
    )
    assert ended == [("completed", "Done."), ("failed", None)]


def _raise(_: Any, *_context: Any) -> Any:
    raise ValueError("secret")


async def _hang(_: Any, *_context: Any) -> Any:
    await asyncio.Event().wait()


def _seven(_: Any, *_context: Any) -> Any:
    return 7


def _block(_: Any, *_context: Any) -> Any:
    time.sleep(0.2)


@pytest.mark.parametrize(
    ("hook", "why"),
    [
        (before_model(_raise), "_raise (before_model) failed: ValueError"),
        (
            after_model(name="odd")(_seven),
            "odd (after_model) failed: it returned a int; it must return one of ModelAnswer",
        ),
        (
            before_tool(name="lost")(lambda call, _: replace(call, arguments={"cents": "x"})),
            "arguments that pay can't take",
        ),
        (
            before_tool(name="nan")(
                lambda call, _: replace(call, arguments={"cents": float("nan")})
            ),
            "arguments that are no JSON",
        ),
        (
            before_model(name="short")(lambda prompt, _: replace(prompt, messages=[])),
            "it returned other messages",
        ),
        (
            after_tool(name="big")(lambda _, result, __: replace(result, output="x" * 300_000)),
            "more than the 262144 bytes",
        ),
        (
            before_tool(timeout=timedelta(seconds=0.05))(_hang),
            "_hang (before_tool) failed: it did not return within 0.05 s",
        ),
        (
            before_tool(timeout=timedelta(seconds=0.05))(_block),
            "_block (before_tool) failed: it did not return within 0.05 s",
        ),
        (on_end(_raise), "_raise (on_end) failed: ValueError"),
    ],
    ids=["raises", "type", "arguments", "nan", "messages", "large", "hangs", "blocks", "end"],
)
async def test_a_hook_that_fails(hook: Any, why: str) -> None:
    """The run fails and names it; nothing that it did not look at passes."""
    agent = an_agent(hook)
    model = [call("pay", cents=1)] if "tool" in hook.point else [text("Done.")]
    model = [] if hook.name in ("_raise", "short") and hook.point == "before_model" else model
    result = await run_in_memory(agent, "Pay.", model=model)
    assert (result.status, result.error and result.error.type) == ("failed", "hook-failed")
    assert result.error
    assert why in result.error.message
    assert "secret" not in result.error.message
    assert ([1] if hook.point == "after_tool" else []) == PAID


async def test_the_other_calls_of_a_turn_whose_hook_fails() -> None:
    """None of them runs, and every call has a result."""
    failing = asyncio.Event()

    @before_tool
    async def fail_for_one(asked: HookedCall, _context: RunContext) -> None:
        if asked.arguments["cents"] == 1:
            failing.set()
            raise ValueError
        await failing.wait()  # else a person would be asked about this one before

    result = await run(
        fail_for_one,
        calls(call("pay_much", cents=500), call("pay", cents=1)),
    )
    assert result.error
    assert result.error.type == "hook-failed"
    assert [said.role for said in result.messages] == ["user", "assistant", "tool", "tool"]
    assert PAID == []


async def test_calls_that_the_worker_does_not_run_itself() -> None:
    """Hooks look at what clients and agents are asked, too, and it goes on to them."""
    seen: list[tuple[str, object]] = []
    hook = before_pay(lambda asked: seen.append((asked.name, asked.arguments)))
    librarian = Agent(name="librarian", description="Finds books.", instructions="Find.")
    desk = Agent(
        name="desk",
        instructions="Help.",
        tools=[client_tool("locate", "Where somebody is."), librarian.as_tool()],
        hooks=[hook],
    )
    result = await run_in_memory(
        desk,
        "Where?",
        model=[calls(call("locate"), call("librarian", input="A map")), text("There.")],
        children={"librarian": [text("Here is one.")]},
        client_results={"locate": "Ulm"},
    )
    assert [called.result for called in result.tool_calls] == ["Ulm", "Here is one."]
    assert seen == [("locate", {}), ("librarian", {"input": "A map"})]
