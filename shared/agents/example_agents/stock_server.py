"""An MCP server: the stock of the furniture shop. `python -m example_agents.stock_server`.

Over stdio; the worker starts it. It belongs to no agent: any MCP client may use it.
"""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from mcp.server.mcpserver import Elicit, MCPServer, Resolve
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import BaseModel, Field

_AT_FIRST = {"Desk lamp, brass": 12, "Office chair, grey": 0, "Monitor arm": 3, "Bookshelf, oak": 1}

server = MCPServer("stock", instructions="What the shop has, and what it orders from its makers.")


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def list_stock() -> dict[str, int]:
    """List all items with how many pieces there are."""
    return _read()


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def find_stock(item: str) -> int:
    """Look up how many pieces of an item there are."""
    return _read()[_name_of(item)]


@server.tool()
def order_more(item: str, pieces: int) -> str:
    """Order pieces of an item from its maker, which costs money."""
    stock = _read()
    if item not in stock or not 0 < pieces <= 100:
        raise ToolError("Name an item that is in stock lists, and 1 to 100 pieces.")
    stock[item] += pieces
    _write(stock)
    return f"Ordered {pieces} × {item}; there will be {stock[item]}."


class Count(BaseModel):
    """What somebody found in the store room."""

    pieces: int = Field(ge=0, title="Pieces on the shelf")


def _ask_for_count(item: str) -> Elicit[Count]:
    return Elicit(f"Please count: how many pieces of {_name_of(item)} are there?", Count)


@server.tool(annotations=ToolAnnotations(idempotent_hint=True))
def take_stock(item: str, count: Annotated[Count, Resolve(_ask_for_count)]) -> str:
    """Have somebody count an item, and correct the stock."""
    name = _name_of(item)
    _write({**_read(), name: count.pieces})
    return f"There are {count.pieces} × {name}; somebody has counted them."


def _name_of(item: str) -> str:
    """Return what is meant, if that is one item."""
    stock = _read()
    meant = [name for name in stock if item.lower() in name.lower()]
    if item not in stock and len(meant) != 1:
        raise ToolError(f"There is no {item!r}. There are: {'; '.join(stock)}.")
    return item if item in stock else meant[0]


def _read() -> dict[str, int]:
    with suppress(FileNotFoundError):
        return json.loads(_path().read_text())
    return dict(_AT_FIRST)


def _write(stock: dict[str, int]) -> None:
    path = _path()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(stock))


def _path() -> Path:
    return Path(os.environ.get("STOCK_FILE", ".outlast/stock.json"))


if __name__ == "__main__":
    server.run()
