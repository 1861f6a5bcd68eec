"""Executes tools as a run would."""

from datetime import timedelta
from typing import Any

from outlast import Agent, Tool, ToolContext
from outlast_worker.engine.planned_calls import plan_call
from outlast_worker.engine.records import PinnedTool, RequestedCall, ToolRecord
from outlast_worker.tools.runner import ToolRunner

WAIT_S = 10


A_MOMENT = timedelta(milliseconds=30)


def context() -> ToolContext:
    return ToolContext.for_test(context={"company": "Acme"})


async def execute(
    runner: ToolRunner, called: Tool[..., Any], arguments: str = "{}", *, known: bool = True
) -> ToolRecord:
    agent = Agent(name="support", instructions="Help.", tools=[called])
    tool = PinnedTool(name=called.name, description="…", parameters={}) if known else None
    call = plan_call(1, 0, RequestedCall(name=called.name, arguments=arguments), tool)
    return await runner.execute(agent, call, context())
