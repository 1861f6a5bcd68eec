"""What a tool returns that is more than text."""

import pytest

from outlast import FilePart, ImagePart, TextPart, ToolOutput, tool

PNG = b"\x89PNG\r\n"


def test_parts() -> None:
    """Texts may stand for themselves; bytes become what a message holds."""
    output = ToolOutput("The chart:", ImagePart.of(PNG), FilePart.of(b"a,b", "text/csv", "a.csv"))
    assert list(output.parts) == [
        TextPart(text="The chart:"),
        ImagePart(url="data:image/png;base64,iVBORw0K"),
        FilePart(url="data:text/csv;base64,YSxi", name="a.csv"),
    ]
    assert output.text == "The chart:\n(an image)\n(the file a.csv)"


def test_nothing_at_all() -> None:
    """A result that says nothing is a mistake of the tool's."""
    with pytest.raises(ValueError, match="at least one part"):
        ToolOutput()


def test_a_tool_that_returns_it() -> None:
    """It may stand in a tool's signature."""

    @tool
    async def chart() -> ToolOutput:
        """Draw."""
        return ToolOutput("ok")

    assert chart.name == "chart"
