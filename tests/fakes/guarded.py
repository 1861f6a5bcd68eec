"""An agent whose hooks leave traces, wait at gates, and do what the run's metadata says."""

import asyncio
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from outlast import (
    Agent,
    AskAgain,
    AskPerson,
    HookedCall,
    Instead,
    ModelAnswer,
    Prompt,
    Refuse,
    RunContext,
    ToolContext,
    ToolResult,
    after_model,
    after_tool,
    before_model,
    before_tool,
    on_end,
    tool,
)
from outlast.protocol import Run


def _write(**trace: object) -> None:
    with Path(os.environ["EFFECTS_FILE"]).open("a") as file:
        file.write(json.dumps(trace) + "\n")


async def _trace(point: str, context: RunContext) -> None:
    """Tell that a hook was called; wait at the gate of its name, if the run has one there."""
    _write(hook=point, run=context.run_id)
    if gate := context.metadata.get(f"{point}_gate"):
        while not (Path(os.environ["GATES_DIR"]) / gate).exists():  # noqa: ASYNC110  # as in `hold`
            await asyncio.sleep(0.01)


@before_model
async def mask_words(prompt: Prompt, context: RunContext) -> Prompt | None:
    """Hide card numbers."""
    await _trace("before_model", context)
    masked = [
        said.model_copy(update={"content": str(said.content).replace("4711", "****")})
        for said in prompt.messages
    ]
    return replace(prompt, messages=masked)


@after_model
async def check_answer(answer: ModelAnswer, context: RunContext) -> Any:
    """Ask again for what is rude, and refuse what is vile."""
    await _trace("after_model", context)
    return {"rude": AskAgain("Be polite."), "vile": Refuse("It was vile.")}.get(answer.text)


@before_tool
async def check_call(call: HookedCall, context: RunContext) -> Any:
    """Do with the amount what it stands for."""
    await _trace("before_tool", context)
    match call.arguments["cents"]:
        case 13:
            return Refuse("Not thirteen.")
        case 50:
            return AskPerson("Is fifty right?")
        case 60:
            return Instead("paid long ago")
        case 1000:
            return replace(call, arguments={"cents": 999})
        case 666:
            raise ValueError("the devil")
        case _:
            return None


@after_tool
async def check_result(call: HookedCall, result: ToolResult, context: RunContext) -> ToolResult:
    """Hide card numbers."""
    await _trace("after_tool", context)
    return replace(result, output=result.output.replace("4711", "****"))


@on_end
async def tell_end(run: Run, context: RunContext) -> None:
    """Tell that the run ends."""
    await _trace(f"on_end {run.status}", context)


@tool
async def charge(cents: int, context: ToolContext) -> str:
    """Charge a card.

    Args:
        cents: How much.
    """
    _write(tool="charge", key=context.idempotency_key, cents=cents)
    return f"charged {cents} to 4711"


async def _instructions(context: RunContext) -> str:
    await _trace("instructions", context)
    return f"Guard {context.context.get('what', 'all')}."


agent = Agent(
    name="guarded",
    instructions=_instructions,
    tools=[charge],
    hooks=[mask_words, check_answer, check_call, check_result, tell_end],
)
