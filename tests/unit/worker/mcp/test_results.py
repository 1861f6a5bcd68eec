"""What a server gives is told once, however often it says it."""

from typing import Any

import pytest
from mcp_types import CallToolResult, ImageContent, TextContent

from outlast import ToolOutput
from outlast_worker.mcp.results import output_of

IMAGE = ImageContent(data="aGk=", mime_type="image/png")


@pytest.mark.parametrize(
    ("text", "structure", "told"),
    [
        ("3", {"result": 3}, "3"),
        ("3", {"content": "3"}, "3"),
        ("three", {"a": 3}, 'three\n\n{"a": 3}'),
        ("3", {"a": 3, "b": 3}, '3\n\n{"a": 3, "b": 3}'),
    ],
)
def test_a_structure(text: str, structure: Any, told: str) -> None:
    """It is left out where a text says the same, if in a field of its own."""
    result = CallToolResult(content=[TextContent(text=text)], structured_content=structure)
    assert output_of(result) == told


def test_a_structure_that_repeats_an_image() -> None:
    """No model reads it as a text."""
    written = IMAGE.model_dump(mode="json", by_alias=True, exclude_none=True)
    output = output_of(CallToolResult(content=[IMAGE], structured_content={"content": [written]}))
    assert isinstance(output, ToolOutput)
    assert [part.type for part in output.parts] == ["image"]
