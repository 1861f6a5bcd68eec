"""What an answer has to be, and how it is read."""

from dataclasses import dataclass
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from outlast.output import Output, OutputMismatch


class Ticket(BaseModel):
    title: str
    urgency: Literal["low", "high"]
    tags: list[str] = []


@dataclass
class Point:
    x: int
    y: int


TICKET = '{"title": "Lamp", "urgency": "low"}'


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Ticket, TICKET, {"title": "Lamp", "urgency": "low", "tags": []}),
        (Ticket, f"```json\n{TICKET}\n```", {"title": "Lamp", "urgency": "low", "tags": []}),
        (Point, ' {"x": 1, "y": 2}\n', {"x": 1, "y": 2}),
        (list[int], '{"result": [1, 2]}', [1, 2]),
        (int | None, '{"result": null}', None),
        (Ticket | None, f'{{"result": {TICKET}}}', {"title": "Lamp", "urgency": "low", "tags": []}),
        (dict[str, int], '{"a": 1}', {"a": 1}),
    ],
)
def test_types(kind: Any, text: str, value: Any) -> None:
    """Any type is asked for as an object, and read as what it is."""
    output = Output.of_type(kind)
    assert output.shape["type"] == "object"
    assert output.read(text) == value


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("I think it is the lamp.", "it can't be read as JSON"),
        ("[]", "they are not a JSON object"),
        ('{"title": "a", "title": "b"}', "is there twice"),
        ('{"title": "Lamp"}', "urgency: Field required"),
        ('{"title": "Lamp", "urgency": "now"}', "urgency: Input should be 'low' or 'high'"),
    ],
)
def test_mismatches(text: str, fault: str) -> None:
    """What is wrong is said in words that a model can act on, without the author's code."""
    with pytest.raises(OutputMismatch) as mismatch:
        Output.of_type(Ticket).read(text)
    assert fault in str(mismatch.value)
    assert "pydantic" not in str(mismatch.value)


@pytest.mark.parametrize("text", ['{"results": [1]}', '{"result": [1], "more": 2}', "{}"])
def test_what_is_wrapped(text: str) -> None:
    """What is no object has to stand where it was asked for."""
    with pytest.raises(OutputMismatch, match="an object with 'result' alone"):
        Output.of_type(list[int]).read(text)


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"type": "object", "required": ["a"]}, '{"a": 1}', {"a": 1}),
        ({"type": "integer"}, '{"result": 5}', 5),
        (
            {"$ref": "#/$defs/n", "$defs": {"n": {"type": "integer"}}},
            '{"result": 5}',
            5,
        ),
    ],
)
def test_schemas(schema: Any, text: str, value: Any) -> None:
    """A run's own schema is asked for and checked in the same way."""
    output = Output.of_schema(schema)
    assert output.read(text) == value
    with pytest.raises(OutputMismatch):
        output.read('{"result": "x"}')


def test_types_that_nobody_can_read() -> None:
    """They are refused, with the reason in a line."""
    with pytest.raises(TypeError) as refused:
        Output.of_type(type(Ellipsis))
    assert "\n" not in str(refused.value)
