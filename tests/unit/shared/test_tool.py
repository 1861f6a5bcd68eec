"""`@tool`: from a typed function to a schema, and from a model's text to arguments."""

import enum
import functools
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Optional
from uuid import UUID

import pytest
from pydantic import AfterValidator, BaseModel, Field, ValidationError

from fakes.names import named
from outlast import DefinitionError, Tool, ToolContext, tool
from outlast.protocol import MAX_DELAY_S


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Address(BaseModel):
    street: str
    zip_code: str | None = None


class Order(BaseModel):
    title: str
    """A field that is called as the noise that pydantic adds."""
    address: Address


@dataclass
class Point:
    x: int
    y: int = 0


# The schema.


def schema_of(hint: Any, default: Any = inspect.Parameter.empty) -> dict[str, Any]:
    """Return the schema of a tool's one parameter, which is called `value`."""

    def fn(value: Any) -> str:
        """Do it.

        Args:
            value: What it is.
        """
        return str(value)

    fn.__annotations__["value"] = hint
    if default is not inspect.Parameter.empty:
        fn.__defaults__ = (default,)
    parameters = tool(fn).parameters
    assert parameters["additionalProperties"] is False
    required = parameters.get("required", [])
    assert required == (["value"] if default is inspect.Parameter.empty else [])
    schema = dict(parameters["properties"]["value"])
    assert schema.pop("description") == "What it is."
    return schema


NULLABLE = {"anyOf": [{"type": "string"}, {"type": "null"}]}


@pytest.mark.parametrize(
    ("hint", "schema"),
    [
        (str, {"type": "string"}),
        (int, {"type": "integer"}),
        (float, {"type": "number"}),
        (bool, {"type": "boolean"}),
        (date, {"type": "string", "format": "date"}),
        (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
        (str | None, NULLABLE),
        (Optional[str], NULLABLE),  # noqa: UP045  # authors write it so too
        (Annotated[int, Field(ge=1, le=9)], {"type": "integer", "minimum": 1, "maximum": 9}),
        (Annotated[str, Field(pattern="^A-")], {"type": "string", "pattern": "^A-"}),
        (
            Annotated[list[str], Field(max_length=2)],
            {"type": "array", "items": {"type": "string"}, "maxItems": 2},
        ),
    ],
    ids=named,
)
def test_schema_of_a_hint(hint: Any, schema: dict[str, Any]) -> None:
    """A type hint becomes the JSON schema that says the same."""
    assert schema_of(hint) == schema


@pytest.mark.parametrize(
    ("hint", "default", "schema"),
    [
        (int, 5, {"type": "integer", "default": 5}),
        (str | None, None, {**NULLABLE, "default": None}),
        (Literal["a", "b"], "a", {"type": "string", "enum": ["a", "b"], "default": "a"}),
        (bool, False, {"type": "boolean", "default": False}),
    ],
)
def test_schema_of_a_default(hint: Any, default: Any, schema: dict[str, Any]) -> None:
    """A parameter with a default need not be given, and the model sees the default."""
    assert schema_of(hint, default) == schema


@pytest.mark.parametrize(
    ("hint", "definition"),
    [
        (Colour, {"type": "string", "enum": ["red", "blue"]}),
        (
            Point,
            {
                "type": "object",
                "properties": {"x": {"type": "integer"}, "y": {"type": "integer", "default": 0}},
                "required": ["x"],
                "additionalProperties": False,
            },
        ),
        (
            Address,
            {
                "type": "object",
                "properties": {
                    "street": {"type": "string"},
                    "zip_code": {**NULLABLE, "default": None},
                },
                "required": ["street"],
            },
        ),
    ],
    ids=["enum", "dataclass", "model"],
)
def test_schema_of_a_class(hint: Any, definition: dict[str, Any]) -> None:
    """Enums, dataclasses and models are defined beside the parameters, without generated noise."""

    @tool
    def fn(value: hint) -> str:  # pyright: ignore[reportInvalidTypeForm]
        """Do it.

        Args:
            value: What it is.
        """
        return ""

    assert fn.parameters["properties"]["value"]["$ref"] == f"#/$defs/{hint.__name__}"
    assert fn.parameters["$defs"] == {hint.__name__: definition}


def test_nested_models_keep_their_titles() -> None:
    """Only titles that pydantic makes up are dropped; a field may be called `title`."""

    @tool
    def fn(order: Order) -> str:
        """Do it.

        Args:
            order: What it is.
        """
        return ""

    assert set(fn.parameters["$defs"]) == {"Order", "Address"}
    assert fn.parameters["$defs"]["Order"]["properties"]["title"] == {"type": "string"}
    assert "title" not in fn.parameters


class Book(BaseModel):
    title: str = "Untitled"


def test_defaults_keep_their_titles() -> None:
    """A default is a value and no schema."""

    @tool
    def fn(book: Book = Book()) -> str:  # noqa: B008  # pydantic copies it
        """Do it.

        Args:
            book: What it is.
        """
        return ""

    assert fn.parameters["properties"]["book"]["default"] == {"title": "Untitled"}


def test_descriptions() -> None:
    """The docstring is the tool's description, its `Args:` the parameters', over several lines."""

    @tool
    def find(order_id: str, limit: int = 3) -> str:
        """Find an order.

        It must be of this year.

        Args:
            order_id: The order's number,
                e.g. `A-1001`.
            limit: How many: at most this.

        Returns:
            What was found.

        Raises:
            ToolError: There is none.
        """
        return ""

    assert find.description == "Find an order.\n\nIt must be of this year."
    properties = find.parameters["properties"]
    assert properties["order_id"]["description"] == "The order's number, e.g. `A-1001`."
    assert properties["limit"]["description"] == "How many: at most this."


def test_tool_context_is_not_shown() -> None:
    """The context is ours to give: the model sees nothing of it, and it needs no `Args:` line."""

    @tool
    def find(ctx: ToolContext, order_id: str) -> str:
        """Find.

        Args:
            order_id: Which.
        """
        return ""

    assert list(find.parameters["properties"]) == ["order_id"]
    assert find.context_parameter == "ctx"
    with pytest.raises(ValidationError):
        find.parse({"ctx": {}, "order_id": "A"})


def test_no_parameters() -> None:
    """A tool without parameters has a schema of an empty object, which all providers take."""

    @tool
    def now() -> str:
        """Tell the time."""
        return ""

    assert now.parameters == {"additionalProperties": False, "properties": {}, "type": "object"}
    assert now.parse({}) == {}


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


# What an author may get wrong.


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


@pytest.mark.parametrize(
    ("options", "fix"),
    [
        ({"effect": "once"}, "'read', 'idempotent'"),
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


# Tools that need approval.


def _pay(cents: int) -> str:
    """Pay.

    Args:
        cents: How much.
    """
    return str(cents)


@pytest.mark.parametrize(
    ("options", "fix"),
    [
        ({"approval_timeout": timedelta(hours=1)}, "without needs_approval"),
        ({"needs_approval": True, "approval_timeout": 5}, "write timedelta"),
        ({"needs_approval": True, "approval_timeout": timedelta(0)}, "write timedelta"),
        (
            {"needs_approval": True, "approval_timeout": timedelta.max},
            "approval_timeout must be 365 days at most, .*leave it out",
        ),
        ({"needs_approval": "yes"}, "write True, or a plain function"),
        ({"needs_approval": bool}, "write True, or a plain function"),
        ({"needs_approval": min}, "write True, or a plain function"),
        ({"needs_approval": lambda euros: True}, "'euros', which is no parameter"),
    ],
)
def test_approval_that_can_not_be_asked_for(options: dict[str, Any], fix: str):
    """A mistake about approval raises when the tool is made, with the way to mend it."""
    with pytest.raises(DefinitionError, match=fix):
        tool(**options)(_pay)


async def _ask(cents: int) -> bool:
    return cents > 1


def test_the_longest_times():
    """A call, and a person, may take as long as a start may be put off."""
    year = timedelta(seconds=MAX_DELAY_S)
    made = tool(timeout=year, needs_approval=True, approval_timeout=year)(_pay)
    assert (made.timeout, made.approval_timeout) == (year, year)


def test_approval_by_an_async_function():
    """A condition that has to be awaited is refused."""
    with pytest.raises(DefinitionError, match="plain function"):
        tool(needs_approval=_ask)(_pay)  # pyright: ignore[reportArgumentType]  # the mistake


def _by_a_guest(context: ToolContext) -> bool:
    return context.context.get("guest") is True


@pytest.mark.parametrize(
    ("condition", "asked"),
    [(True, True), (False, False), (lambda cents: cents > 100, False), (_by_a_guest, True)],
)
def test_approval_depends_on_the_call(condition: Any, asked: bool):
    """A condition sees the arguments that it names, and the context if it asks for one."""
    made = tool(needs_approval=condition)(_pay)
    context = ToolContext.for_test(context={"guest": True})
    assert made.asks_first({"cents": 100}, context) is asked
