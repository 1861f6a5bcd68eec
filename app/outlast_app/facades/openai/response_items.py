"""What a response was asked, and what a conversation holds: as items, page by page."""

from collections.abc import Iterator, Sequence
from typing import Any

from outlast.events import (
    ApprovalResolved,
    SteerReceived,
    ToolCallCompleted,
    TurnStarted,
)
from outlast.protocol import (
    Content,
    FilePart,
    ImagePart,
    InputMessage,
    Message,
    Resolution,
    Run,
    TextPart,
)
from outlast_app.facades.ids import name_of_asked, name_of_call
from outlast_app.facades.items import Committed
from outlast_app.facades.openai.content import written
from outlast_app.facades.openai.response_object import text_part
from outlast_app.facades.segments import RunLog
from outlast_app.facades.starting import SEEDED

Item = dict[str, Any]


def input_items(run: Run, segment: int, committed: Sequence[Committed]) -> list[Item]:
    """Return what a response was asked, oldest first."""
    if segment > 1:
        return list(_answers_in(run.run_id, segment, committed))
    asked = run.origin.request if run.origin else {}
    begin, said = asked.get(SEEDED), asked.get("said")
    begin = begin if isinstance(begin, int) else 0
    end = begin + (said if isinstance(said, int) else 1)
    messages = (run.messages or [])[begin:end]
    return [item for message in messages for item in items_of(message, message.id)]


def items_of(message: Message | InputMessage, message_id: str) -> Iterator[Item]:
    """Yield what a message is."""
    if message.role == "tool":
        yield {
            "id": f"fco_{message_id}",
            "type": "function_call_output",
            "status": "completed",
            "call_id": message.call_id,
            "output": _text(message.content),
        }
        return
    if message.content or not message.tool_calls:
        yield {
            "id": message_id,
            "type": "message",
            "status": "completed",
            "role": message.role,
            "content": _parts(message),
        }
    for call in message.tool_calls or ():
        yield {
            "id": f"fc_{message_id}_{call.call_id}",
            "type": "function_call",
            "status": "completed",
            "call_id": call.call_id,
            "name": call.name,
            "arguments": written(call.arguments),
        }


def page_of(
    items: Sequence[Item], *, limit: int, is_descending: bool, after: str | None
) -> dict[str, Any]:
    """Return a page of items, which are given oldest first."""
    ordered = list(reversed(items)) if is_descending else list(items)
    if after is not None:
        ids = [item["id"] for item in ordered]
        ordered = ordered[ids.index(after) + 1 :] if after in ids else []
    page = ordered[:limit]
    return {
        "object": "list",
        "data": page,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
        "has_more": len(ordered) > limit,
    }


def _answers_in(run_id: str, segment: int, committed: Sequence[Committed]) -> Iterator[Item]:
    """Yield the answers with which a segment began, and what was said beside them."""
    log = RunLog(takes_approvals=True)
    for item in committed:
        log.take(item.event)
        if log.segment != segment:
            continue
        for called in item.called:
            if called.resolution and called.is_yes_or_no and not called.is_open:
                yield from _decision(run_id, called.key, called.resolution)
        match event := item.event:
            case TurnStarted():
                return
            case ToolCallCompleted() if log.calls[event.call_id].is_clients:
                yield {
                    "id": name_of_call("fco", run_id, event.call_id),
                    "type": "function_call_output",
                    "status": "completed",
                    "call_id": name_of_call("call", run_id, event.call_id),
                    "output": event.output,
                }
            case ApprovalResolved() if event.call_id:
                yield from _decision(run_id, event.call_id, event)
            case SteerReceived():
                yield from items_of(event.message, event.message.id)
            case _:
                pass


def _decision(run_id: str, key: str, ended: ApprovalResolved | Resolution) -> Iterator[Item]:
    if ended.action in ("approve", "reject"):
        yield {
            "id": name_of_asked("mcpa", run_id, key),
            "type": "mcp_approval_response",
            "approval_request_id": name_of_asked("mcpr", run_id, key),
            "approve": ended.action == "approve",
            "reason": ended.reason,
        }


def _parts(message: Message | InputMessage) -> list[dict[str, Any]]:
    kind = "output_text" if message.role == "assistant" else "input_text"
    content = message.content
    parts = [TextPart(text=content)] if isinstance(content, str) else content
    return [_part(part, kind) for part in parts]


def _part(part: TextPart | ImagePart | FilePart, kind: str) -> dict[str, Any]:
    match part:
        case TextPart():
            return (
                text_part(part.text) if kind == "output_text" else {"type": kind, "text": part.text}
            )
        case ImagePart():
            return {"type": "input_image", "image_url": part.url, "detail": "auto"}
        case FilePart():
            return {"type": "input_file", "file_data": part.url, "filename": part.name}


def _text(content: Content) -> str | list[dict[str, Any]]:
    return content if isinstance(content, str) else [_part(part, "input_text") for part in content]
