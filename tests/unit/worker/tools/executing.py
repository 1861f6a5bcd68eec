"""Executes tools as a run would."""

from datetime import timedelta
from typing import Any

from outlast import Agent, Tool, ToolContext
from outlast_worker.engine.operations import PlannedCall
from outlast_worker.engine.records import ToolRecord
from outlast_worker.tools.runner import ToolRunner

WAIT_S = 10


A_MOMENT = timedelta(milliseconds=30)


def context() -> ToolContext:
    return ToolContext.for_test(context={"company": "Acme"})


async def execute(
    runner: ToolRunner, called: Tool[..., Any], arguments: str = "{}", *, known: bool = True
) -> ToolRecord:
    agent = Agent(name="support", instructions="Help.", tools=[called])
    call = PlannedCall(turn=1, call_id="1.0", name=called.name, arguments=arguments, known=known)
    return await runner.execute(agent, call, context())
