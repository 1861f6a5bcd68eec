"""An MCP server of the protocol of 2025, which asks people in the middle of calls, over stdio.

It speaks for itself, without the library, whose servers are newer. It notes in the file
`MCP_NOTES` what it did, one word a line.
"""

import json
import os
import select
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

_SUPPLIER = {
    "type": "object",
    "properties": {
        "supplier": {"type": "string", "title": "Supplier", "enum": ["Lamps & Sons", "Lux"]},
        "pieces": {"type": "integer", "minimum": 1, "default": 1},
    },
    "required": ["supplier"],
}
_TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
Asking = Generator[dict[str, Any], dict[str, Any], str]


class Failed(Exception):
    """The text says why a call failed."""


def note(word: str) -> None:
    with Path(os.environ["MCP_NOTES"]).open("a") as notes:
        notes.write(f"{word}\n")


def order(item: str) -> Asking:
    """Order from somebody: never twice."""
    answer = yield _form("Who supplies it?", _SUPPLIER)
    if answer.get("action") != "accept":
        raise Failed(f"not ordered: {answer.get('action')}")
    supplier = answer["content"]["supplier"]
    note(f"ordered:{item}")
    return f"ordered {item} from {supplier}"


def describe() -> Asking:
    """Ask twice, and say what was answered."""
    name = yield _form("What is it called?", _TEXT)
    colour = yield _form("Which colour has it?", _TEXT)
    return f"{name['content']['text']}, {colour['content']['text']}"


def sign() -> Asking:
    """Have a person sign somewhere."""
    asked = {"mode": "url", "message": "Please sign.", "elicitationId": "e1"}
    answer = yield {**asked, "url": "https://sign.example/1"}
    return f"signed: {answer['action']} {'content' in answer}"


def hurry() -> Asking:
    """Give up on a person who does not answer at once."""
    answer = yield {**_form("Quick, what is it?", _TEXT), "within_s": 0.5}
    if not answer:
        note("gave_up")
        raise Failed("nobody answered in time")
    return f"quick: {answer['content']['text']}"


def demand() -> Asking:
    """Ask for what can't be checked."""
    answer = yield _form("Loop?", {"type": "object", "properties": {"a": {"$ref": "#"}}})
    return f"refused: {answer['error']['message']}"


def dream() -> Asking:
    """Ask a model, which nobody lends."""
    words = {"role": "user", "content": {"type": "text", "text": "Dream."}}
    answer = yield {"messages": [words], "maxTokens": 5, "method": "sampling/createMessage"}
    return f"refused: {answer['error']['message']}"


_HINTS = {"order": {}, "sign": {"readOnlyHint": True}}
_TOOLS = {tool.__name__: tool for tool in (order, describe, sign, hurry, demand, dream)}


def _form(message: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"message": message, "requestedSchema": schema}


def _lines(within_s: float | None = None) -> Iterator[dict[str, Any]]:
    """Yield what comes in; end when nothing does within a time."""
    while within_s is None or select.select([sys.stdin], [], [], within_s)[0]:
        line = sys.stdin.buffer.raw.readline()  # type: ignore[attr-defined]
        if not line:
            sys.exit()
        yield json.loads(line)


def _send(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def _ask(params: dict[str, Any], call_id: int) -> dict[str, Any] | None:
    """Ask, and return what came back: nothing if too late, None if nobody wants the call."""
    within_s, method = params.pop("within_s", None), params.pop("method", "elicitation/create")
    asked_id = f"asks-{call_id}"
    note("asked")
    _send({"id": asked_id, "method": method, "params": params})
    for message in _lines(within_s):
        if message.get("id") == asked_id:
            return message.get("result") or {"error": message["error"]}
        if message.get("method") == "notifications/cancelled":
            note("cancelled")
            return None
    return {}


def _call(message: dict[str, Any]) -> None:
    params = message["params"]
    asking = _TOOLS[params["name"]](**params["arguments"])
    try:
        asked = next(asking)
        while (answer := _ask(asked, message["id"])) is not None:
            asked = asking.send(answer)
    except StopIteration as done:
        result = {"content": [{"type": "text", "text": done.value}]}
    except Failed as error:
        result = {"content": [{"type": "text", "text": str(error)}], "isError": True}
    else:
        return
    _send({"id": message["id"], "result": result})


def _answer(message: dict[str, Any]) -> Any:
    match message["method"]:
        case "initialize":
            return {
                "protocolVersion": "2025-11-25",
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "asking", "version": "1"},
            }
        case "tools/list":
            return {
                "tools": [
                    {
                        "name": name,
                        "description": tool.__doc__,
                        "inputSchema": {"type": "object"},
                        "annotations": _HINTS.get(name, {"idempotentHint": True}),
                    }
                    for name, tool in _TOOLS.items()
                ]
            }
        case _:
            return None


if __name__ == "__main__":
    note(f"pid:{os.getpid()}")
    for message in _lines():
        if message.get("method") == "tools/call":
            _call(message)
        elif "id" in message and "method" in message:
            if (result := _answer(message)) is not None:
                _send({"id": message["id"], "result": result})
            else:
                _send({"id": message["id"], "error": {"code": -32601, "message": "unknown"}})
