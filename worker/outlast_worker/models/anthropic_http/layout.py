"""In which order a model's blocks came: what it thought, said, called, and what its provider ran.

Anthropic wants its blocks back as they came. The texts and calls of an answer are journaled anyway,
and what it thought has the shape that litellm gives it, so that either client goes on from what the
other one kept. Where that does not tell the order, a layout does:

    "thinking"            the next block of thinking
    "call"                the next tool call
    {"text": 5}           the next five characters, perhaps with `citations`
    {"type": …, …}        a block of what the provider ran, as it came
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from outlast_worker.models.sent_back import SentBack

Block = dict[str, Any]
Layout = list[Any]

THINKING = "thinking_blocks"
LAYOUT = "anthropic_layout"
BACK = SentBack(
    message=frozenset({THINKING, LAYOUT}), call=frozenset({"caller"}), alone=frozenset({LAYOUT})
)
_THOUGHTS: Mapping[str, tuple[str, ...]] = {
    "thinking": ("thinking", "signature"),
    "redacted_thinking": ("data",),
}
_SEAL_CHARS = 64


def is_thought(block: Mapping[str, Any]) -> bool:
    """Tell whether a block is one of thinking."""
    return block.get("type") in _THOUGHTS


def clean_thought(block: Mapping[str, Any]) -> Block | None:
    """Return a block of thinking as it may go back; None if it lacks what proves that it is one."""
    names = _THOUGHTS.get(block.get("type", ""), ())
    if not names or not block.get(names[-1]):
        return None
    return {"type": block["type"], **{name: block.get(name) or "" for name in names}}


def seal_of(thought: Mapping[str, Any]) -> str:
    """Return the end of what proves that a block of thinking is one: no other block has it."""
    return str(thought[_THOUGHTS[thought["type"]][-1]])[-_SEAL_CHARS:]


def fields_of(blocks: Sequence[Block]) -> dict[str, Any]:
    """Return what an answer has to keep of its blocks for its provider.

    Args:
        blocks: Whole ones: those of text and calls count by their place.
    """
    thoughts: list[Block] = []
    layout: Layout = []
    for block in blocks:
        match block.get("type"):
            case "text":
                layout.append(_place_of(block))
            case "tool_use":
                layout.append("call")
            case kind if kind in _THOUGHTS:
                if thought := clean_thought(block):
                    thoughts.append(thought)
                    layout.append("thinking")
            case _:
                layout.append(block)
    fields: dict[str, Any] = {THINKING: thoughts} if thoughts else {}
    if not _is_plain(layout):
        fields[LAYOUT] = layout
    return fields


def lay_out(
    text: str, calls: Sequence[Block], thoughts: Sequence[Block], layout: Layout | None
) -> Iterator[Block]:
    """Return a message's blocks in the order in which they came."""
    if layout is None or _length(layout) != len(text):
        layout = ["thinking"] * len(thoughts) + [{"text": len(text)}] + ["call"] * len(calls)
    next_thoughts, next_calls, said = iter(thoughts), iter(calls), 0
    for item in layout:
        match item:
            case "thinking":
                yield from _next(next_thoughts)
            case "call":
                yield from _next(next_calls)
            case {"type": _}:
                yield item
            case {"text": int(chars), **others}:
                piece, said = text[said : said + chars], said + chars
                if piece.strip():
                    yield {"type": "text", "text": piece, **others}
            case _:
                pass
    yield from next_calls


def _place_of(block: Block) -> dict[str, Any]:
    citations = block.get("citations")
    return {"text": len(block["text"]), **({"citations": citations} if citations else {})}


def _is_plain(layout: Layout) -> bool:
    """Tell whether it is the usual order: thinking, one text, calls."""
    kinds = [item if isinstance(item, str) else "text" for item in layout]
    in_order = sorted(kinds, key=["thinking", "text", "call"].index) == kinds
    texts = [item for item in layout if not isinstance(item, str)]
    return in_order and (not texts or (len(texts) == 1 and texts[0].keys() == {"text"}))


def _length(layout: Layout) -> int:
    chars = 0
    for item in layout:
        match item:
            case {"type": _}:
                pass
            case {"text": int(more)}:
                chars += more
            case _:
                pass
    return chars


def _next(blocks: Iterator[Block]) -> Iterator[Block]:
    if (block := next(blocks, None)) is not None:
        yield block
