"""pydantic-ai: an agent in memory, or durable with DBOS on SQLite.

python -m benchmarks.peers.pydantic_ai_loop --model-url URL [--sqlite FILE]
"""

import argparse
from collections.abc import Awaitable, Callable
from typing import Any

import uvloop
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from benchmarks.measuring import Cell, serve_cells

_INSTRUCTIONS = "You are a helpful agent."


async def lookup(query: str) -> str:
    """Look up an item."""
    return f"value of {query}"


def in_memory(model_url: str) -> Callable[[str], Awaitable[Any]]:
    """Return what runs the agent."""
    agent = Agent(_model(model_url), name="bench", instructions=_INSTRUCTIONS)
    agent.tool_plain(lookup)
    return agent.run


def on_dbos(model_url: str, database: str) -> Callable[[str], Awaitable[Any]]:
    """Return what runs the agent as a workflow whose model and tool calls are steps."""
    # Only the durable one needs it.
    from dbos import DBOS  # noqa: PLC0415
    from pydantic_ai.durable_exec.dbos import DBOSDurability  # noqa: PLC0415

    config: Any = {"name": "bench", "system_database_url": f"sqlite:///{database}"}
    DBOS(config={**config, "log_level": "ERROR", "application_version": "1"})
    agent = Agent(
        _model(model_url),
        name="bench",
        instructions=_INSTRUCTIONS,
        capabilities=[DBOSDurability()],
    )
    agent.tool_plain(DBOS.step()(lookup))

    @DBOS.workflow()
    async def run(text: str) -> Any:
        return await agent.run(text)

    DBOS.launch()
    return run


def _model(model_url: str) -> OpenAIChatModel:
    return OpenAIChatModel("bench", provider=OpenAIProvider(base_url=model_url, api_key="x"))


async def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model-url", required=True)
    parser.add_argument("--sqlite")
    given = parser.parse_args()
    start = on_dbos(given.model_url, given.sqlite) if given.sqlite else in_memory(given.model_url)

    async def run(cell: Cell) -> str:
        return (await start(f"tools={cell.tools}")).output

    await serve_cells(run)


if __name__ == "__main__":
    uvloop.run(main())
