"""What an MCP tool gave, as a tool of ours returns it."""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from outlast.protocol import FilePart, ImagePart, Part, TextPart
from outlast.tool_output import ToolOutput
from outlast_worker.text import repair_surrogates

if TYPE_CHECKING:
    from mcp_types import CallToolResult


def output_of(result: "CallToolResult") -> str | ToolOutput:
    """Return all that a result holds: what it says, shows, points to, and its structure."""
    parts = [part for block in result.content for part in _parts_of_block(block)]
    texts = [part.text for part in parts if isinstance(part, TextPart)]
    structure = result.structured_content
    if structure is not None and not _is_said(structure, texts, result.content):
        texts.append(json.dumps(structure, ensure_ascii=False))
        parts.append(TextPart(text=texts[-1]))
    return "\n\n".join(texts) if len(texts) == len(parts) else ToolOutput(*parts)


def _parts_of_block(block: Any) -> Iterator[Part]:
    match block.type:
        case "text":
            yield TextPart(text=repair_surrogates(block.text))
        case "image":
            yield ImagePart(url=f"data:{block.mime_type};base64,{block.data}")
        case "audio":  # which hardly a model takes; a provider that does not refuses the run
            yield TextPart(text=f"({block.mime_type}, which can't be played here)")
        case "resource_link":
            told = [block.name, block.uri, block.description]
            yield TextPart(text=repair_surrogates(" · ".join(str(each) for each in told if each)))
        case "resource":
            yield _embedded(block.resource)
        case _:  # of a newer protocol
            yield TextPart(text=block.model_dump_json(by_alias=True, exclude_none=True))


def _embedded(resource: Any) -> Part:
    if (text := getattr(resource, "text", None)) is not None:
        return TextPart(text=repair_surrogates(f"{resource.uri}\n{text}"))
    kind = resource.mime_type or "application/octet-stream"
    url = f"data:{kind};base64,{resource.blob}"
    return ImagePart(url=url) if kind.startswith("image/") else FilePart(url=url)


def _is_said(structure: Any, texts: Sequence[str], blocks: Sequence[Any]) -> bool:
    """Tell whether a result's content is its structure, or what is the one field of that.

    Servers wrap a value that is no object in a field, or repeat all of the content there.
    """
    meant = [structure]
    if isinstance(structure, dict) and len(fields := cast("dict[str, Any]", structure)) == 1:
        meant += fields.values()
    repeated = [block.model_dump(mode="json", by_alias=True, exclude_none=True) for block in blocks]
    return repeated in meant or any(_says(text, meant) for text in texts)


def _says(text: str, meant: Sequence[Any]) -> bool:
    with suppress(ValueError):
        return text in meant or json.loads(text) in meant
    return False
