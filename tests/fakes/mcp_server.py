"""An MCP server of the real library: over stdio, or over HTTP on the port that it is given.

It notes in the file `MCP_NOTES` what it did, one word a line.
"""

import argparse
import asyncio
import base64
import os
from pathlib import Path
from typing import Annotated

from mcp.server.mcpserver import Context, Elicit, MCPServer, Resolve
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import (
    CallToolResult,
    CreateMessageRequest,
    CreateMessageRequestParams,
    EmbeddedResource,
    ImageContent,
    InputRequiredResult,
    ResourceLink,
    SamplingMessage,
    TextContent,
    TextResourceContents,
    ToolAnnotations,
)
from pydantic import BaseModel

server = MCPServer("fake")
_PIXEL = base64.b64encode(b"\x89PNG pixel").decode()


def _note(word: str) -> None:
    with Path(os.environ["MCP_NOTES"]).open("a") as notes:
        notes.write(f"{word}\n")


_note("started")


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool(annotations=ToolAnnotations(idempotent_hint=True))
def put(key: str) -> str:
    """Put a thing in its place."""
    _note(f"put:{key}")
    return "done"


@server.tool()
def pay(cents: int) -> str:
    """Pay somebody."""
    _note(f"paid:{cents}")
    return "paid"


@server.tool(name="name with.dots")
def oddly_named() -> str:
    """Have a name that models can't call."""
    return "found"


@server.tool()
def fail() -> str:
    """Fail."""
    raise ToolError("out of paper")


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
async def dawdle(context: Context) -> str:
    """Take a minute, and say how far it is."""
    await context.report_progress(1, 60, "one second")
    _note("dawdling")
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        _note("cancelled")
        raise
    return "late"


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def secret() -> str:
    """Tell what the environment holds."""
    return ",".join(f"{name}={os.environ.get(name)}" for name in ("TOKEN", "OPENAI_API_KEY"))


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def die_once() -> str:
    """Die at the first call, and never again."""
    if "died" in Path(os.environ["MCP_NOTES"]).read_text().split():
        return "alive"
    _note("died")
    os._exit(3)


@server.tool()
def die() -> str:
    """Die."""
    _note("died")
    os._exit(3)


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def gallery() -> CallToolResult:
    """Give a bit of everything."""
    return CallToolResult(
        content=[
            TextContent(text="A picture:"),
            ImageContent(data=_PIXEL, mime_type="image/png"),
            ResourceLink(name="manual", uri="file:///manual.txt"),
            EmbeddedResource(resource=TextResourceContents(uri="memo:1", text="remember")),
        ]
    )


class Supplier(BaseModel):
    name: str


class Pieces(BaseModel):
    count: int


def _ask_supplier(item: str) -> Elicit[Supplier]:
    return Elicit(f"Who supplies {item}?", Supplier)


def _ask_pieces() -> Elicit[Pieces]:
    return Elicit("How many pieces?", Pieces)


@server.tool()
def order(
    item: str,
    supplier: Annotated[Supplier, Resolve(_ask_supplier)],
    pieces: Annotated[Pieces, Resolve(_ask_pieces)],
) -> str:
    """Order from somebody, whom a person names."""
    _note(f"ordered:{item}")
    return f"ordered {pieces.count} × {item} from {supplier.name}"


@server.tool(annotations=ToolAnnotations(idempotent_hint=True))
def reserve(item: str, supplier: Annotated[Supplier, Resolve(_ask_supplier)]) -> str:
    """Reserve at somebody, whom a person names."""
    return f"reserved {item} at {supplier.name}"


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def dream() -> str | InputRequiredResult:
    """Ask a model, which nobody lends."""
    words = SamplingMessage(role="user", content=TextContent(text="Dream."))
    params = CreateMessageRequestParams(messages=[words], max_tokens=5)
    return InputRequiredResult(input_requests={"dream": CreateMessageRequest(params=params)})


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    if port := parser.parse_args().port:
        server.run("streamable-http", host="127.0.0.1", port=port)
    else:
        server.run()
