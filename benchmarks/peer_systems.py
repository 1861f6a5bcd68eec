"""Other frameworks, beside the product."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from benchmarks.systems import InMemory, in_memory

# Its name, the module that runs it, and the environment that this needs.
_PEERS = (
    ("LangGraph, in memory", "benchmarks.peers.langgraph_loop", "langgraph", ""),
    ("LangGraph, SQLite", "benchmarks.peers.langgraph_loop", "langgraph", "--sqlite"),
    ("pydantic-ai, in memory", "benchmarks.peers.pydantic_ai_loop", "pydantic-ai", ""),
    ("pydantic-ai + DBOS, SQLite", "benchmarks.peers.pydantic_ai_loop", "pydantic-ai", "--sqlite"),
)


def peers(
    environments: Path | None, folder: Path, model_url: str
) -> list[AbstractAsyncContextManager[InMemory]]:
    """Return the peers, to be started; none without their environments.

    Args:
        environments: Where they are, if anywhere.
        folder: For databases.
        model_url: The model's.
    """
    if environments is None:
        return []
    return [
        in_memory(
            name,
            *(module, "--model-url", model_url),
            *((option, str(folder / f"{environment}.sqlite")) if option else ()),
            python=str(environments / environment / "bin" / "python"),
        )
        for name, module, environment, option in _PEERS
    ]
