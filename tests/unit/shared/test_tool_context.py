"""The context of a call: its resources, and how a test makes one."""

from dataclasses import dataclass
from typing import Any

import pytest
from typing_extensions import TypeAliasType

from outlast import DefinitionError, ToolContext, tool


@dataclass
class Desk:
    name: str


Alias = ToolContext[Desk]
# What `type Named = ToolContext[Desk]` makes since Python 3.12.
Named = TypeAliasType("Named", ToolContext[Desk])


def plain(context: ToolContext, cents: int) -> str:
    """Pay.

    Args:
        cents: How much.
    """
    return f"{cents}"


def typed(context: ToolContext[Desk], cents: int) -> str:
    """Pay.

    Args:
        cents: How much.
    """
    return f"{context.resources.name}: {cents}"


def in_a_text(context: "ToolContext[Desk]", cents: int) -> str:
    """Pay.

    Args:
        cents: How much.
    """
    return f"{context.resources.name}: {cents}"


async def by_an_alias(context: Alias, cents: int) -> str:
    """Pay.

    Args:
        cents: How much.
    """
    return f"{context.resources.name}: {cents}"


def by_a_named_type(context: Named, cents: int) -> str:
    """Pay.

    Args:
        cents: How much.
    """
    return f"{context.resources.name}: {cents}"


@pytest.mark.parametrize("fn", [plain, typed, in_a_text, by_an_alias, by_a_named_type])
def test_type_of_the_resources_is_ours(fn: Any) -> None:
    """However a tool names the type of its resources, the model sees nothing of the context."""
    made = tool(fn)
    assert made.context_parameter == "context"
    assert list(made.parameters["properties"]) == ["cents"]


def optional(context: ToolContext[Desk] | None = None) -> str:
    """Pay."""
    return ""


def twice(first: ToolContext, second: ToolContext[Desk]) -> str:
    """Pay."""
    return ""


@pytest.mark.parametrize(
    ("fn", "fix"), [(optional, "always there; write `context: ToolContext`"), (twice, "twice")]
)
def test_contexts_of_other_kinds(fn: Any, fix: str) -> None:
    """A context that may be missing, and two of them, are refused with their resources, too."""
    with pytest.raises(DefinitionError, match=fix):
        tool(fn)


def _if_typed(desk: ToolContext[Desk]) -> bool:
    return desk.resources.name == "strict"


def _if_in_a_text(desk: "ToolContext[Desk]", cents: int) -> bool:
    return desk.resources.name == "strict" and cents > 0


@pytest.mark.parametrize("condition", [_if_typed, _if_in_a_text])
@pytest.mark.parametrize("name", ["strict", "easy"])
def test_condition_with_resources(condition: Any, name: str) -> None:
    """A condition reaches the resources by whatever name it gives its context."""
    made = tool(needs_approval=condition)(typed)
    context = ToolContext.for_test(resources=Desk(name))
    assert made.asks_first({"cents": 1}, context) is (name == "strict")


def test_condition_with_a_type_that_is_not_there() -> None:
    """A hint that can't be read is refused, with the way to mend it."""

    def condition(desk: "ToolContext[NoSuchType]") -> bool:  # noqa: F821  # pyright: ignore[reportUndefinedVariable]  # the mistake
        return True

    with pytest.raises(DefinitionError, match=r"'NoSuchType', which is not defined.*import it"):
        tool(needs_approval=condition)(plain)


def test_resources_are_not_shown() -> None:
    """What tools use may hold secrets: a context that is printed or logged does not show it."""
    context = ToolContext.for_test(resources=Desk("a secret"))
    assert "a secret" not in repr(context)


def test_context_for_a_test() -> None:
    """A test names what counts; the rest fits together as in production."""
    reports: list[Any] = []
    context = ToolContext.for_test(
        resources=Desk("d"),
        context={"company": "Acme"},
        run_id="support.a",
        call_id="2.1",
        on_progress=lambda *report: reports.append(report),
    )
    assert (context.resources, context.context) == (Desk("d"), {"company": "Acme"})
    assert context.idempotency_key == "support.a:2.1"
    context.report_progress(1, 3, "sent")
    assert reports == [(1, 3, "sent")]
    assert ToolContext.for_test(idempotency_key="").idempotency_key == ""
    assert ToolContext.for_test().resources is None
