"""Whatever an author wrote may raise anything: it ends the call, and no more."""

import asyncio
import concurrent.futures
import threading
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, PlainSerializer

from outlast import Agent, ToolError, tool
from outlast_worker.engine.planned_calls import PlannedCall
from outlast_worker.tools.runner import ToolRunner
from unit.worker.tools.executing import WAIT_S, context, execute


class OddEnd(BaseException):
    """What only a library's author would raise."""


async def test_validator_that_fails(runner: ToolRunner, logged: list[Any]) -> None:
    """A validator of the author's that breaks is the tool's failure, and not the run's."""

    def break_down(value: int) -> int:
        raise KeyError("cents")

    @tool
    async def refund(cents: Annotated[int, AfterValidator(break_down)]) -> str:
        """Refund.

        Args:
            cents: How much.
        """
        raise AssertionError("run with invalid arguments")

    record = await execute(runner, refund, '{"cents": 5}')
    assert (record.told, record.is_error) == ("The tool refund failed: KeyError: 'cents'", True)
    assert record.output == "The tool refund failed: KeyError. The worker's log says more."
    assert logged[0]["event"] == "tool_failed"


@pytest.mark.parametrize(
    "raised",
    [
        StopIteration,
        SystemExit,
        KeyboardInterrupt,
        GeneratorExit,
        OddEnd,
        asyncio.CancelledError,
        concurrent.futures.CancelledError,
    ],
    ids=lambda raised: f"{raised.__module__}.{raised.__name__}",
)
@pytest.mark.parametrize("is_async", [True, False])
async def test_what_would_end_more_than_the_call(
    runner: ToolRunner, logged: list[Any], raised: type[BaseException], is_async: bool
) -> None:
    """`next` of nothing, `sys.exit`, Ctrl-C, a foreign cancellation: only the tool ends."""

    @tool
    async def fail() -> str:
        """Fail."""
        raise raised

    @tool(name="fail")
    def fail_in_thread() -> str:
        """Fail."""
        raise raised

    executed = execute(runner, fail if is_async else fail_in_thread)
    record = await asyncio.wait_for(executed, WAIT_S)
    assert record.is_error
    assert raised.__name__ in (record.told or "")
    assert record.output.startswith("The tool fail failed: ")
    assert logged


@pytest.mark.parametrize("raised", [SystemExit, KeyboardInterrupt, OddEnd])
async def test_validator_that_would_end_the_worker(
    runner: ToolRunner, logged: list[Any], raised: type[BaseException]
) -> None:
    """An author's validators and serializers end the call, and no more."""

    def leave(_: Any) -> Any:
        raise raised

    @tool
    async def refund(cents: Annotated[int, AfterValidator(leave)]) -> str:
        """Refund.

        Args:
            cents: How much.
        """
        raise AssertionError("run with invalid arguments")

    @tool
    async def find() -> Annotated[int, PlainSerializer(leave)]:
        """Find."""
        return 5

    for record in (
        await execute(runner, refund, '{"cents": 5}'),
        await execute(runner, find),
    ):
        assert record.is_error
        assert raised.__name__ in (record.told or "")
    agent = Agent(name="support", instructions="Help.", tools=[refund])
    call = PlannedCall(1, "1.0", "refund", {"cents": 5}, known=True)
    check = await runner.check(agent, call, context())
    assert (check.outcome, raised.__name__ in (check.reason or "")) == ("refused", True)
    assert check.told == f"The tool refund failed: {raised.__name__}: "


async def test_exception_without_a_text(runner: ToolRunner, logged: list[Any]) -> None:
    """An exception that can't even be written is an error like others."""

    class Broken(Exception):
        def __str__(self) -> str:
            raise ValueError("no text")

    @tool
    def pay() -> str:
        """Pay."""
        raise Broken

    assert (await execute(runner, pay)).told == (
        "The tool pay failed: Broken: (its text can't be read)"
    )


async def test_result_that_is_no_json(runner: ToolRunner, logged: list[Any]) -> None:
    """A result that can't become JSON is an error for the model, not of the run."""

    @tool
    def give() -> object:
        """Give."""
        return threading.Lock()

    record = await execute(runner, give)
    assert record.is_error
    assert record.output.startswith("The tool give failed: ")
    assert logged


async def test_half_a_character(runner: ToolRunner, logged: list[Any]) -> None:
    """A text that is not Unicode is an error for the model, not of the run."""

    @tool
    def read() -> str:
        """Read."""
        return "caf\udce9"

    assert (await execute(runner, read)).is_error


async def test_error_with_half_a_character(runner: ToolRunner) -> None:
    """An error text that is not Unicode, such as an odd file's name, is told all the same."""

    @tool
    def read() -> str:
        """Read."""
        raise ToolError("no such file: caf\udce9")

    record = await execute(runner, read)
    assert record.is_error
    assert record.output.startswith("no such file: caf")
