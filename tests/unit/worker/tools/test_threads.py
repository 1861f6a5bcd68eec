"""Plain functions run in threads, side by side, and leave the loop free."""

import asyncio
import contextvars
import threading
from typing import Any

import pytest

from outlast import Agent, DurableContext, tool
from outlast_worker.engine.planned_calls import PlannedCall
from outlast_worker.tools.runner import ToolRunner
from unit.worker.tools.executing import A_MOMENT, WAIT_S, context, execute

TENANT: contextvars.ContextVar[str] = contextvars.ContextVar("TENANT", default="nobody")


async def test_sync_tool_leaves_the_loop_free(runner: ToolRunner) -> None:
    """A sync tool may wait for something that only the loop can do."""
    released = threading.Event()

    @tool
    def wait() -> str:
        """Wait."""
        return "free" if released.wait(WAIT_S) else "blocked"

    asyncio.get_running_loop().call_soon(released.set)
    assert (await execute(runner, wait)).output == "free"


async def test_sync_tools_run_side_by_side(runner: ToolRunner) -> None:
    """Sync tools meet each other in their threads."""
    meeting = threading.Barrier(3)

    @tool
    def meet() -> str:
        """Meet."""
        meeting.wait(WAIT_S)
        return "met"

    records = await asyncio.gather(*(execute(runner, meet) for _ in range(3)))
    assert [record.output for record in records] == ["met"] * 3


async def test_sync_tool_sees_context_variables(runner: ToolRunner) -> None:
    """A sync tool has the context variables of its call, such as the logger's."""

    @tool
    def who() -> str:
        """Say who."""
        return TENANT.get()

    TENANT.set("acme")
    assert (await execute(runner, who)).output == "acme"


async def test_no_thread_is_free(logged: list[Any]) -> None:
    """A sync tool that never got a thread has not run, and the text says so."""
    runner, released, runs = ToolRunner(threads=1), threading.Event(), list[str]()

    @tool(timeout=A_MOMENT)
    def hang(name: str) -> str:
        """Hang.

        Args:
            name: Whose turn it is.
        """
        runs.append(name)
        released.wait(WAIT_S)
        return name

    await execute(runner, hang, '{"name": "first"}')
    record = await execute(runner, hang, '{"name": "second"}')
    released.set()
    assert "it was not begun" in record.output
    assert "may still be running" not in record.output
    runner.close()
    assert runs == ["first"]


@pytest.mark.parametrize("asks", [True, lambda: threading.Event().wait(WAIT_S) and False])
async def test_asking_does_not_wait_for_a_thread(asks: Any) -> None:
    """A call that always needs approval needs no thread to say so; nor does a condition hang."""
    runner, released = ToolRunner(threads=1), threading.Event()

    @tool(timeout=A_MOMENT)
    def hang() -> str:
        """Hang."""
        released.wait(WAIT_S)
        return "late"

    @tool(timeout=A_MOMENT, needs_approval=asks)
    def pay() -> str:
        """Pay."""
        return "paid"

    await execute(runner, hang)
    agent = Agent(name="support", instructions="Help.", tools=[pay])
    call = PlannedCall(turn=1, call_id="1.0", name="pay", arguments={}, known=True)
    check = await asyncio.wait_for(runner.check(agent, call, context()), WAIT_S / 2)
    released.set()
    runner.close()
    assert check.outcome == "needed"


async def test_a_condition_of_a_durable_tool(runner: ToolRunner) -> None:
    """It has the time of a step, not the weeks of the whole call."""
    released = threading.Event()

    @tool(durable=True, step_timeout=A_MOMENT, needs_approval=lambda: released.wait(WAIT_S))
    async def ship(context: DurableContext) -> str:
        """Ship."""
        return context.call_id

    agent = Agent(name="support", instructions="Help.", tools=[ship])
    call = PlannedCall(turn=1, call_id="1.0", name="ship", arguments={}, known=True)
    check = await asyncio.wait_for(runner.check(agent, call, context()), WAIT_S / 2)
    released.set()
    assert check.outcome == "needed"
