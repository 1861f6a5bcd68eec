"""A thread's messages as `useChat` takes them, so that a page begins where the last one was."""

from collections.abc import Sequence
from typing import Any

from outlast.agent import Agent
from outlast.client_tool import ClientTool
from outlast.protocol import Content, FilePart, ImagePart, Message, TextPart, ToolCall
from outlast_app.facades.ai_sdk.calls import client_output
from outlast_app.facades.ai_sdk.chunks import message_id
from outlast_app.facades.conversations import run_saying
from outlast_app.facades.ids import name_of_own_call

_FIRST = "first"


def ui_messages(agent: Agent, said: Sequence[Message]) -> list[dict[str, Any]]:
    """Return the messages, all answers of a run as one."""
    clients = {tool.name for tool in agent.tools if isinstance(tool, ClientTool)}
    found: list[dict[str, Any]] = []
    calls: dict[tuple[str, str], dict[str, Any]] = {}
    for message in said:
        if message.role == "user":
            found.append({"id": message.id, "role": "user", "parts": _parts(message.content)})
        elif message.role == "assistant":
            parts = _answer_of(found, message)
            parts += [{"type": "step-start"}, *_parts(message.content)]
            for call in message.tool_calls or ():
                part = {**_call(message, call, clients), "input": call.arguments}
                calls[message.run_id, call.call_id] = part
                parts.append(part)
        elif part := calls.get((message.run_id, message.call_id or "")):
            _complete(part, message)
    _name_once(found)
    return found


def _answer_of(found: list[dict[str, Any]], message: Message) -> list[dict[str, Any]]:
    """Return the parts of the answer that a message belongs to."""
    run_id = run_saying(message)
    answer_id = message_id(run_id) if run_id else message.id
    if not (found and found[-1]["id"] == answer_id):
        found.append({"id": answer_id, "role": "assistant", "parts": [], _FIRST: message.id})
    return found[-1]["parts"]


def _name_once(found: list[dict[str, Any]]) -> None:
    """Name messages apart: an answer in which its run was spoken to is several."""
    seen: set[str] = set()
    for message in reversed(found):
        first = message.pop(_FIRST, None)
        if message["id"] in seen and first:
            message["id"] = first
        seen.add(message["id"])


def _parts(content: Content) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content, "state": "done"}] if content else []
    return [_part(part) for part in content]


def _part(part: TextPart | ImagePart | FilePart) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text, "state": "done"}
    media_type = "image/*" if isinstance(part, ImagePart) else "application/octet-stream"
    if part.url.startswith("data:"):
        media_type = part.url[5:].partition(",")[0].partition(";")[0] or media_type
    shown = {"type": "file", "mediaType": media_type, "url": part.url}
    if isinstance(part, FilePart) and part.name:
        shown["filename"] = part.name
    return shown


def _call(message: Message, call: ToolCall, clients: set[str]) -> dict[str, Any]:
    call_id = name_of_own_call("call", run_saying(message), call.call_id) or call.call_id
    part = {"toolCallId": call_id, "state": "input-available"}
    if call.name in clients:
        return {"type": f"tool-{call.name}", **part}
    return {"type": "dynamic-tool", "toolName": call.name, "providerExecuted": True, **part}


def _complete(part: dict[str, Any], result: Message) -> None:
    text = result.content
    if result.approval and result.approval.action in {"reject", "expired"}:
        part["state"] = "output-denied"
        part["approval"] = {"id": part["toolCallId"], "approved": False}
        if result.approval.reason:
            part["approval"]["reason"] = result.approval.reason
    elif result.is_error:
        part |= {"state": "output-error", "errorText": text if isinstance(text, str) else "failed"}
    elif isinstance(text, str):
        is_clients = part["type"] != "dynamic-tool"
        part |= {"state": "output-available", "output": client_output(text) if is_clients else text}
    else:
        shown = [each.model_dump(exclude_none=True) for each in text]
        part |= {"state": "output-available", "output": shown}
