"""About how long a prompt is, and where it can be cut: by the length of texts.

Models count otherwise, each in its own way. It is good for shares, and where nobody has counted.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pydantic_core import to_json

from outlast.protocol import Content, TextPart
from outlast_worker.engine.records import StoredMessage

CHARS_PER_TOKEN = 4
_MESSAGE_TOKENS = 4
# An image or a document: what it costs is not seen by its length.
_PART_TOKENS = 1_000
KEPT_SHARE = 0.25
"""How much of a prompt stays as it was said."""


def estimate_tokens(messages: Iterable[StoredMessage]) -> int:
    """Return about how many tokens models read in these messages."""
    return sum(map(_tokens_of, messages))


def tokens_of_text(text: str) -> int:
    """Return about how many tokens a text is."""
    return -(-len(text) // CHARS_PER_TOKEN)


def find_cut(messages: Sequence[StoredMessage]) -> int:
    """Return how many messages, from the first, can be left out; 0 if that is none.

    The end stays, as a share of the whole: as many turns as fit, at least the last one. A call and
    its result are never parted, and where that costs little a question opens what stays.
    """
    sizes = [_tokens_of(message) for message in messages]
    room = sum(sizes) * KEPT_SHARE
    # What only stands for others gives way to what stands for it.
    least = 1 if messages and messages[0].stands_for is None else 2
    anywhere = at_question = _Cut(0, 0)
    kept = 0
    for position in range(len(messages) - 1, least - 1, -1):
        kept += sizes[position]
        if kept > room and anywhere.position:
            break
        if messages[position].role == "tool":
            continue
        anywhere = _Cut(position, kept)
        if messages[position].role == "user":
            at_question = anywhere
    return (at_question if at_question.kept * 2 >= anywhere.kept else anywhere).position


class _Cut(NamedTuple):
    position: int
    kept: int


def _tokens_of(message: StoredMessage) -> int:
    if message.refused and message.role != "tool":
        return 0
    called = [call.arguments for call in message.tool_calls or ()]
    bytes_called = len(to_json(called)) if called else 0
    return _MESSAGE_TOKENS + _of_content(message.read) + bytes_called // CHARS_PER_TOKEN


def _of_content(content: Content) -> int:
    if isinstance(content, str):
        return tokens_of_text(content)
    return sum(
        tokens_of_text(part.text) if isinstance(part, TextPart) else _PART_TOKENS
        for part in content
    )
