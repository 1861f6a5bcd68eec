"""The decorated function, what it is given, and what its result becomes."""

from collections.abc import Awaitable
from datetime import date, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from fakes.names import named
from outlast import Tool, tool
from unit.shared.declaring import Address, Colour, Order, Point

# The decorated function.


def test_options() -> None:
    """Options are kept; without them a tool is idempotent, has a minute and no retries."""

    @tool
    def plain() -> str:
        """Do it."""
        return ""

    @tool(name="other-name", effect="read", timeout=timedelta(seconds=5), retries=2)
    async def special() -> str:
        """Do it."""
        return ""

    assert (plain.name, plain.effect, plain.timeout, plain.retries, plain.is_async) == (
        "plain",
        "idempotent",
        timedelta(seconds=60),
        0,
        False,
    )
    assert (special.name, special.effect, special.timeout, special.retries, special.is_async) == (
        "other-name",
        "read",
        timedelta(seconds=5),
        2,
        True,
    )


async def test_stays_callable() -> None:
    """A decorated function is called, or awaited, as before: tests of agents need no worker."""

    @tool
    def double(number: int) -> int:
        """Double.

        Args:
            number: What.
        """
        return number * 2

    @tool
    async def double_later(number: int) -> int:
        """Double.

        Args:
            number: What.
        """
        return number * 2

    assert double(4) == double(number=4) == 8
    assert await double_later(4) == 8


# From a model's text to arguments.


@tool
def pay(cents: int, at: date | None = None, colour: Colour = Colour.RED) -> str:
    """Pay.

    Args:
        cents: How much.
        at: When.
        colour: Which.
    """
    return ""


def test_parse() -> None:
    """Values arrive as the hints say, and what was left out has its default."""
    assert pay.parse({"cents": 5, "at": "2026-01-02", "colour": "blue"}) == {
        "cents": 5,
        "at": date(2026, 1, 2),
        "colour": Colour.BLUE,
    }
    assert pay.parse({"cents": "5"}) == {"cents": 5, "at": None, "colour": Colour.RED}


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({}, ("cents",)),
        ({"cents": "many"}, ("cents",)),
        ({"cents": 1, "extra": 1}, ("extra",)),
        ({"cents": 1, "colour": "green"}, ("colour",)),
        ({"cents": None}, ("cents",)),
        ({"cents": 1.5}, ("cents",)),
    ],
)
def test_parse_refuses(arguments: dict[str, Any], field: tuple[str, ...]) -> None:
    """What does not fit is refused, under the parameter's own name."""
    with pytest.raises(ValidationError) as raised:
        pay.parse(arguments)
    assert raised.value.errors()[0]["loc"] == field


def test_models_arrive_as_models() -> None:
    """Nested values are objects of their classes."""

    @tool
    def fn(order: Order, points: list[Point]) -> str:
        """Do it.

        Args:
            order: What.
            points: Where.
        """
        return ""

    parsed = fn.parse({"order": {"title": "a", "address": {"street": "b"}}, "points": [{"x": 1}]})
    assert parsed == {
        "order": Order(title="a", address=Address(street="b")),
        "points": [Point(1, 0)],
    }


@pytest.mark.parametrize(
    "name", ["schema", "copy", "_x", "model_config", "json", "validate", "self_"]
)
def test_any_parameter_name(name: str) -> None:
    """A parameter may be called what pydantic uses itself."""
    scope: dict[str, Any] = {}
    exec(
        f'def fn({name}: int) -> str:\n    """Do it.\n\n    Args:\n        {name}: What.\n    """',
        scope,
    )
    made: Tool[..., Any] = tool(scope["fn"])
    assert list(made.parameters["properties"]) == [name]
    assert made.parse({name: 1}) == {name: 1}


# From a result to text.


async def _later() -> Order: ...


@pytest.mark.parametrize(
    ("hint", "value", "text"),
    [
        (str, "as it is", "as it is"),
        (int, 5, "5"),
        (None, None, "null"),
        (list[date], [date(2026, 1, 2)], '["2026-01-02"]'),
        (Address, Address(street="ä"), '{"street":"ä","zip_code":null}'),
        (Point, Point(1), '{"x":1,"y":0}'),
        (Any, {"a": [1]}, '{"a":[1]}'),
        (Colour, Colour.RED, '"red"'),
    ],
    ids=named,
)
def test_dump(hint: Any, value: Any, text: str) -> None:
    """A text is given as it is, anything else as compact JSON."""

    def fn() -> Any:
        """Do it."""

    fn.__annotations__["return"] = hint
    assert tool(fn).dump(value) == text


def test_dump_of_an_awaited_hint() -> None:
    """An async function may name what calling it gives, and not what awaiting it does."""

    async def fn() -> Awaitable[int]: ...

    fn.__doc__ = "Do it."
    assert tool(fn).dump(5) == "5"


def test_dump_without_a_hint() -> None:
    """A function need not say what it returns."""

    def fn():  # pyright: ignore[reportUnknownParameterType]
        """Do it."""

    assert tool(fn).dump({"a": Address(street="b")}) == '{"a":{"street":"b","zip_code":null}}'


def test_dump_of_what_has_no_json() -> None:
    """A result that can't become JSON raises, for the worker to tell the model."""

    @tool
    def fn() -> Any:
        """Do it."""

    with pytest.raises(Exception, match="serialize"):
        fn.dump(object())
