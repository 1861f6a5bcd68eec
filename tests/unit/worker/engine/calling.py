"""Runs that call agents."""

from typing import Any

from fakes.orders import RUN_ID
from fakes.records import after, answer, called_agent, pin
from fakes.steps import FakeSteps
from outlast.names import child_run_id
from outlast.protocol import Run, Usage
from outlast_worker.engine.steps import ChildEnd

CHILD = child_run_id("researcher", RUN_ID, "1.0")


def ended(status: Any = "completed", **fields: Any) -> ChildEnd:
    used = Usage(input_tokens=10, output_tokens=5, model_calls=2, tool_calls=3, cost_usd=0.5)
    shown = {"run_id": CHILD, "agent": "researcher", "usage": used, "ended_at": after(9), **fields}
    return ChildEnd(Run(status=status, **shown))


def script(
    *ends: ChildEnd,
    own: bool = False,
    context: bool = True,
    kind: type[FakeSteps] = FakeSteps,
    **fields: Any,
) -> FakeSteps:
    tool = called_agent("researcher", own_thread=own, gets_context=context)
    pinned = pin("note").model_copy(update={"tools": [tool, *pin("note").tools]})
    asked = [("researcher", '{"input": "Why?"}')] * len(ends or [None])
    children = {f"1.{index}": end for index, end in enumerate(ends)}
    model = [answer("", *asked), answer("Done.")]
    return kind(**{"model": model, "pinned": pinned, "children": children, **fields})


def told(run: Run) -> list[str]:
    return [str(message.content) for message in run.messages or [] if message.role == "tool"]
