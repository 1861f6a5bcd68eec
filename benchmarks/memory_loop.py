"""The same loop in memory, without durability: over litellm, or straight over aiohttp.

python -m benchmarks.memory_loop --model-url URL [--litellm]
"""

import argparse
import os
from collections.abc import Awaitable, Callable
from typing import Any

import uvloop

from benchmarks.client import TOOLS, DirectClient, look_up
from benchmarks.measuring import Cell, serve_cells

Ask = Callable[[list[dict[str, Any]]], Awaitable[dict[str, Any]]]


async def loop(cell: Cell, ask: Ask) -> str:
    """Run the loop."""
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "You are a helpful agent."},
        {"role": "user", "content": f"tools={cell.tools}"},
    ]
    while True:
        message = await ask(messages)
        messages.append(message)
        if not message.get("tool_calls"):
            return message["content"]
        for call in message["tool_calls"]:
            output = await look_up(call)
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": output})


async def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model-url", required=True)
    parser.add_argument("--litellm", action="store_true")
    given = parser.parse_args()
    async with DirectClient(given.model_url) as client:
        ask = _over_litellm(given.model_url) if given.litellm else client.ask
        await serve_cells(lambda cell: loop(cell, ask))


def _over_litellm(model_url: str) -> Ask:
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm  # noqa: PLC0415  # takes seconds

    async def ask(messages: list[dict[str, Any]]) -> dict[str, Any]:
        answer: Any = await litellm.acompletion(
            model="openai/bench", messages=messages, tools=TOOLS, api_base=model_url, api_key="x"
        )
        return answer.choices[0].message.model_dump(exclude_none=True)

    return ask


if __name__ == "__main__":
    uvloop.run(main())
