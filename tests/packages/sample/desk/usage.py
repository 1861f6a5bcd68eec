"""What type checkers must know, and what they must refuse. Nobody runs this."""

from collections.abc import Sequence
from typing import assert_type

from desk import desk
from desk.resources import Shop
from desk.tools import Refund, approve, close, refund, stock
from outlast import Tool, ToolContext
from outlast.testing import CalledTool, call, run_in_memory, text


async def decorated_tools_keep_their_signatures(context: ToolContext[Shop]) -> None:
    assert_type(stock("lamp", context), int)
    assert_type(stock(item="lamp", context=context), int)
    assert_type(await refund("A-1", 5, context), Refund)
    assert_type(await refund("A-1", cents=5, context=context), Refund)
    assert_type(close(context), str)
    await approve()
    stock(5, context)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    stock("lamp")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def resources_are_typed(context: ToolContext[Shop], plain: ToolContext) -> None:
    assert_type(context.resources, Shop)
    assert_type(context.resources.items, dict[str, int])
    assert_type(plain.resources, object)
    assert plain.resources.items  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    stock("lamp", plain)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def contexts_of_tests_are_typed() -> None:
    context = ToolContext.for_test(resources=Shop(), context={"company": "Acme"})
    assert_type(context, ToolContext[Shop])
    assert_type(ToolContext.for_test(), ToolContext[None])
    assert_type(stock("lamp", context), int)
    close(ToolContext.for_test())
    bare = ToolContext.for_test()
    stock("lamp", bare)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def tools_are_tools(made: Tool[[str, ToolContext[Shop]], int] = stock) -> None:
    assert_type(made.name, str)


async def runs_in_memory_are_typed() -> None:
    result = await run_in_memory(
        desk,
        "Refund A-1.",
        model=[call("refund", order_id="A-1", cents=5), text("Done.")],
        context={"company": "Acme"},
        decisions={"refund": "approve"},
        resources=Shop(),
    )
    assert_type(result.tool_calls, list[CalledTool])
    assert_type([called.name for called in result.tool_calls], list[str])
    assert_type(result.requests[0].tools, Sequence[str])
    await run_in_memory(desk, "Hi.", model=[], decisions={"refund": "perhaps"})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]
