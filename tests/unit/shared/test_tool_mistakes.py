"""What an author may get wrong is said with the fix, when the file is imported."""

import functools
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import AfterValidator, Field

from fakes.names import named
from outlast import DefinitionError, ToolContext, Unknown, tool
from unit.shared.declaring import Address, Colour, Point, schema_of


def good() -> str:
    """Do it."""
    return ""


def fn_without_docstring(value: str) -> str:
    return value


def fn_with_an_empty_docstring() -> str:
    """ """  # noqa: D419
    return ""


def fn_without_args(value: str, other: str) -> str:
    """Do it."""
    return value


def fn_with_an_empty_line(value: str) -> str:
    """Do it.

    Args:
        value:
    """
    return value


def fn_without_hint(value) -> str:  # pyright: ignore[reportMissingParameterType]
    """Do it.

    Args:
        value: What.
    """
    return value


def fn_with_args(*args: str) -> str:
    """Do it."""
    return ""


def fn_with_kwargs(**kwargs: str) -> str:
    """Do it."""
    return ""


def fn_positional(value: str, /) -> str:
    """Do it.

    Args:
        value: What.
    """
    return value


def fn_with_a_context_without_hint(context) -> str:  # pyright: ignore[reportMissingParameterType]
    """Do it."""
    return ""


def fn_with_an_optional_context(context: ToolContext | None = None) -> str:
    """Do it."""
    return ""


def fn_with_two_contexts(first: ToolContext, second: ToolContext) -> str:
    """Do it."""
    return ""


def fn_with_an_odd_type(value: inspect.Signature) -> str:
    """Do it.

    Args:
        value: What.
    """
    return ""


def fn_with_a_callable(value: Callable[[], int]) -> str:
    """Do it.

    Args:
        value: What.
    """
    return ""


def fn_with_an_odd_result() -> inspect.Signature:
    """Do it."""
    return inspect.Signature()


@dataclass
class Odd:
    signature: inspect.Signature


def fn_with_an_odd_part(value: list[Odd]) -> str:
    """Do it.

    Args:
        value: What.
    """
    return ""


def fn_with_an_odd_constraint(value: Annotated[str, Field(pattern="(")]) -> str:
    """Do it.

    Args:
        value: What.
    """
    return ""


def fn_with_a_spare_line(order: str, context: ToolContext) -> str:
    """Do it.

    Args:
        ordr: What.
        order: What.
        context: Which may be described.
    """
    return ""


def fn_with_an_outdented_line(order: str) -> str:
    """Do it.

    Args:
        order: What,
        such as: A-1.
    """
    return ""


def fn_with_a_field(value: int = Field(5, ge=1)) -> str:
    """Do it.

    Args:
        value: What.
    """
    return ""


def fn_that_returns_a_coroutine() -> Coroutine[Any, Any, str]:
    """Do it."""
    raise NotImplementedError


def fn_that_may_return_an_awaitable() -> str | Awaitable[str]:
    """Do it."""
    return ""


async def fn_that_yields() -> AsyncIterator[str]:
    """Do it."""
    yield ""


def fn_that_yields_without_a_hint():  # pyright: ignore[reportUnknownParameterType]
    """Do it."""
    yield ""


async def fn_that_yields_and_says_nothing_of_it() -> Any:
    """Do it."""
    yield ""


def fn_that_returns_what_yields() -> AsyncIterator[str]:
    """Do it."""
    return fn_that_yields()


def fn_with_an_iterator() -> Iterator[str]:
    """Do it."""
    yield ""


class Shop:
    def method(self, order: str) -> str:
        """Do it.

        Args:
            order: Which.
        """
        return order

    def method_of_the_class(cls, order: str) -> str:  # noqa: N805  # pyright: ignore[reportSelfClsParameterName]
        """Do it.

        Args:
            order: Which.
        """
        return order


def fn_with_a_callable_result() -> Callable[[], int]:
    """Do it."""
    return int


def fn_with_an_undefined_hint(value: "Nowhere") -> str:  # noqa: F821  # pyright: ignore[reportUndefinedVariable]
    """Do it.

    Args:
        value: What.
    """
    return ""


def fn_with_a_broken_hint(value: Any) -> str:
    """Do it.

    Args:
        value: What.
    """
    return ""


fn_with_a_broken_hint.__annotations__["value"] = "list["


@pytest.mark.parametrize(
    ("fn", "fix"),
    [
        (fn_without_docstring, "needs a docstring"),
        (fn_with_an_empty_docstring, "needs a docstring"),
        (fn_without_args, "does not describe value, other; add a line under `Args:`"),
        (fn_with_an_empty_line, "`value: What it means.`"),
        (fn_without_hint, "write `value: str`"),
        (fn_with_a_context_without_hint, "write `context: ToolContext`"),
        (fn_with_an_optional_context, "write `context: ToolContext`"),
        (fn_with_args, r"takes no \*args"),
        (fn_with_kwargs, r"takes no \*args, \*\*kwargs"),
        (fn_positional, "positional-only"),
        (fn_with_two_contexts, "once is enough"),
        (fn_with_an_odd_type, "parameter 'value' is of the type inspect.Signature, .*use str, int"),
        (
            fn_with_a_callable,
            r"parameter 'value' is of the type .*Callable\[\[\], int\], .*use str",
        ),
        (fn_with_an_odd_part, r"list\[.*Odd\] \(because of inspect.Signature\), .*use str"),
        (
            fn_with_an_odd_constraint,
            "parameter 'value' has a constraint that str can't have.*regex",
        ),
        (fn_with_a_spare_line, "describes 'ordr', which is no parameter .*: order, context"),
        (fn_with_an_outdented_line, "describes 'such as', .*indent it"),
        (fn_with_a_field, r"write `value: Annotated\[int, Field\(…\)\]`"),
        (fn_that_returns_a_coroutine, "write `async def fn_that_returns_a_coroutine`"),
        (fn_that_may_return_an_awaitable, "somebody has to await"),
        (fn_that_returns_what_yields, "somebody has to await"),
        (fn_that_yields, "has a `yield`, .* in a list and return that"),
        (fn_that_yields_without_a_hint, "has a `yield`"),
        (fn_that_yields_and_says_nothing_of_it, "has a `yield`"),
        (fn_with_an_iterator, "has a `yield`"),
        (Shop.method, "'self', but a tool is a function, not a method; write it outside"),
        (Shop.method_of_the_class, "'cls', but a tool is a function"),
        (classmethod(good), "a tool is a function"),  # pyright: ignore[reportArgumentType]  # the mistake
        (staticmethod(good), "a tool is a function"),
        (min, "write a `def` that calls it"),
        (fn_with_a_callable_result, r"it returns .*Callable.*return text, numbers"),
        (
            fn_with_an_odd_result,
            "it returns inspect.Signature, .*return text, numbers, lists, dicts",
        ),
        (fn_with_an_undefined_hint, "import it at the top of the file"),
        (fn_with_a_broken_hint, "hint"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_mistakes_in_a_function(fn: Any, fix: str) -> None:
    """A function that can't be a tool is refused when it is decorated, with the way to mend it."""
    with pytest.raises(DefinitionError, match=rf"(?s)^tool {fn.__name__}: .*{fix}"):
        tool(fn)


@pytest.mark.parametrize("fn", [fn_with_an_odd_type, fn_with_an_odd_part, fn_with_an_odd_result])
def test_no_advice_for_others(fn: Any) -> None:
    """What pydantic would advise its own users is not what an author can do."""
    with pytest.raises(DefinitionError) as raised:
        tool(fn)
    assert "arbitrary_types_allowed" not in str(raised.value)


@pytest.mark.parametrize(
    ("hint", "default", "fix"),
    [
        (int, "many", "its default 'many' is not .*valid integer.*change one of them"),
        (int, "5", "its default '5' is not"),
        (str, None, r"its default None is not .*write `str \| None`"),
        (date, "2026-01-02", "valid date"),
        (Colour, "red", "Colour"),
        (Literal["a", "b"], "c", "'a' or 'b'"),
        (list[int], ["x"], "valid integer"),
        (Annotated[int, Field(ge=1)], 0, "greater than or equal to 1"),
        (Annotated[int, AfterValidator({}.__getitem__)], 0, "its default 0 is not"),
    ],
    ids=named,
)
def test_mistakes_in_a_default(hint: Any, default: Any, fix: str) -> None:
    """A default that the model could not give is refused: the function would get it as it is."""
    with pytest.raises(DefinitionError, match=f"^tool fn: parameter 'value' is of the .*{fix}"):
        schema_of(hint, default)


@pytest.mark.parametrize(
    ("hint", "default"),
    [
        (float, 0),
        (Any, "x"),
        (Colour, Colour.RED),
        (Address | None, None),
        (Address, Address(street="a")),
        (Point, Point(1)),
        (Sequence[str], ()),
        (tuple[int, ...], (1, 2)),
        (dict[str, Any], {}),
        (Path, Path("a")),
        (timedelta, timedelta(1)),
        (UUID, UUID(int=1)),
    ],
    ids=named,
)
def test_defaults_that_fit(hint: Any, default: Any) -> None:
    """A value of the type is a default, whatever it looks like as JSON."""
    assert schema_of(hint, default)


@pytest.mark.parametrize("fn", [5, "refund", Point, functools.partial(print)], ids=named)
def test_what_is_no_function(fn: Any) -> None:
    """`@tool` on anything but a function is refused, with how options are written."""
    with pytest.raises(DefinitionError, match=r"no function; .*@tool\(name="):
        tool(fn)


async def _verify(unknown: str) -> Unknown:
    return Unknown()


@pytest.mark.parametrize(
    ("options", "fix"),
    [
        ({"effect": "twice"}, "'read', 'idempotent', 'once'"),
        ({"effect": "once", "retries": 1}, "leave out retries"),
        ({"verify": _verify}, 'verify goes with effect="once"'),
        ({"effect": "once", "verify": True}, "an async function"),
        ({"effect": "once", "verify": lambda: None}, "an async function"),
        ({"effect": "once", "verify": _verify}, "asks for 'unknown', which is no parameter"),
        ({"retries": -1}, "0 or more"),
        ({"timeout": timedelta(0)}, "more than nothing"),
        ({"timeout": timedelta(seconds=-1)}, "more than nothing"),
        ({"name": 5}, "letters of English, digits, _ and -"),
        ({"name": "two words"}, "letters of English, digits, _ and -"),
        ({"name": "x" * 65}, "at most 64"),
        ({"name": "ä"}, "letters of English, digits, _ and -"),
        ({"timeout": 30}, "timedelta"),
        ({"timeout": timedelta.max}, "timeout must be 365 days at most"),
        ({"timeout": timedelta(days=365, seconds=1)}, "365 days at most"),
        ({"retries": 1.5}, "0 or more"),
        ({"name": "9lives"}, "letters"),
    ],
    ids=named,
)
def test_mistakes_in_options(options: dict[str, Any], fix: str) -> None:
    """An option that can't work is refused, with what would."""
    with pytest.raises(DefinitionError, match=fix):
        tool(**options)(good)


def test_unknown_option() -> None:
    """A misspelt option is Python's own error."""
    with pytest.raises(TypeError, match="needs_aproval"):
        tool(needs_aproval=True)  # pyright: ignore  # noqa: PGH003
