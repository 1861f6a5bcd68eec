"""Plays runs over scripted steps."""

from typing import Any

from fakes.orders import order
from fakes.records import NOON, answer, result
from fakes.steps import FakeSteps
from outlast.contract import RunOrder
from outlast.protocol import Run
from outlast_worker.engine.loop import AgentLoop
from outlast_worker.engine.records import StoredMessage

TWO_CALLS = answer("Let me see.", ("find_order", '{"order_id": "A-1"}'), ("refund", '{"cents": 5}'))


STEPS = ["sleep", "acquire_thread", "pin", "model 1.1", "tool 1.0", "tool 1.1", "model 2.1"]


async def play(steps: FakeSteps, ordered: RunOrder | None = None) -> Run:
    return await AgentLoop(steps, ordered or order()).run()


def script_with_tools(**more: Any) -> FakeSteps:
    return FakeSteps(
        model=[TWO_CALLS, answer("Done.")],
        tools={"1.0": result("first"), "1.1": result("second")},
        **more,
    )


def remembered(role: Any, content: str) -> StoredMessage:
    return StoredMessage(id="old", role=role, content=content, run_id="x", created_at=NOON)


def assert_valid_for_a_model(run: Run) -> None:
    """Each tool call has exactly one result, between its message and the next other one."""
    waiting: list[str] = []
    for message in run.messages or []:
        if message.role == "tool":
            assert message.call_id == waiting.pop(0)
        else:
            assert not waiting
            waiting = [call.call_id for call in message.tool_calls or []]
    assert not waiting
