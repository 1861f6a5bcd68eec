"""A model client of a few lines, and the tool: what the loops to compare with have in common."""

from types import TracebackType
from typing import Any, Self

import aiohttp
import orjson

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "lookup",
            "description": "Look up an item.",
            "parameters": {
                "type": "object",
                "properties": {"query": {"type": "string"}},
                "required": ["query"],
            },
        },
    }
]


class DirectClient:
    """Calls the model over aiohttp, and nothing else."""

    def __init__(self, model_url: str) -> None:
        self._url = f"{model_url}/chat/completions"
        self._headers = {"content-type": "application/json", "authorization": "Bearer x"}

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def ask(self, messages: list[dict[str, Any]]) -> dict[str, Any]:
        """Call the model."""
        body = orjson.dumps({"model": "bench", "messages": messages, "tools": TOOLS})
        async with self._session.post(self._url, data=body, headers=self._headers) as answer:
            return orjson.loads(await answer.read())["choices"][0]["message"]


async def look_up(call: dict[str, Any]) -> str:
    """Call the tool."""
    return f"value of {orjson.loads(call['function']['arguments'])['query']}"
