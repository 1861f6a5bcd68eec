"""What a tool returns that is more than text."""

from collections.abc import Sequence
from dataclasses import dataclass

from outlast.protocol import FilePart, ImagePart, Part, TextPart


@dataclass(frozen=True, init=False)
class ToolOutput:
    """Text, images and documents that a tool returns, in order.

    Return it from a tool: `ToolOutput("The chart:", ImagePart.of(png))`.
    """

    parts: Sequence[Part]

    def __init__(self, *parts: str | Part) -> None:
        """Take the parts; a text may stand for itself."""
        made = [TextPart(text=part) if isinstance(part, str) else part for part in parts]
        if not made:
            raise ValueError("a ToolOutput has at least one part")
        object.__setattr__(self, "parts", tuple(made))

    @property
    def text(self) -> str:
        """What of it is text; the rest is named in its place."""
        return "\n".join(_text_of(part) for part in self.parts)


def _text_of(part: Part) -> str:
    match part:
        case TextPart():
            return part.text
        case ImagePart():
            return "(an image)"
        case FilePart():
            return f"(the file {part.name})" if part.name else "(a file)"
