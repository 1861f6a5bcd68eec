"""A tool call always gives a record: a result, or a text from which the model can go on."""

import json
from typing import Any

import pytest

from outlast import Agent, ImagePart, ToolContext, ToolError, ToolOutput, tool
from outlast_worker.engine.planned_calls import PlannedCall
from outlast_worker.tools.results import MAX_PARTS_BYTES, MAX_RESULT_BYTES
from outlast_worker.tools.runner import ToolRunner
from unit.worker.tools.executing import context, execute


async def test_result(runner: ToolRunner) -> None:
    """Arguments arrive converted, and the result is JSON, with the time that the call took."""

    @tool
    async def add(first: int, second: int = 2) -> dict[str, int]:
        """Add.

        Args:
            first: One.
            second: Another one.
        """
        return {"sum": first + second}

    record = await execute(runner, add, '{"first": 5}')
    assert (record.output, record.is_error) == ('{"sum":7}', False)
    assert record.duration_ms >= 0


async def test_context(runner: ToolRunner) -> None:
    """A tool that asks for the context gets it, whatever it calls the parameter."""
    seen: list[ToolContext] = []

    @tool
    async def look(order: str, ctx: ToolContext) -> str:
        """Look.

        Args:
            order: Which.
        """
        seen.append(ctx)
        return order

    assert (await execute(runner, look, '{"order": "A-1"}')).output == "A-1"
    assert seen == [context()]


async def test_names_of_parameters(runner: ToolRunner) -> None:
    """A tool may name its parameters as it likes: none is taken by what runs it."""

    @tool
    def pick(tool: str, fn: str) -> str:
        """Pick.

        Args:
            tool: Which one.
            fn: What for.
        """
        return f"{tool} {fn}"

    record = await execute(runner, pick, '{"tool": "hammer", "fn": "nail"}')
    assert record.output == "hammer nail"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ('{"cents": "many"}', "cents"),
        ('{"cents": 1, "extra": 2}', "extra"),
        ("{}", "cents"),
        ('{"cents": {"nested": 1}}', "cents"),
    ],
)
async def test_invalid_arguments(runner: ToolRunner, arguments: str, named: str) -> None:
    """What is wrong with the arguments is said with the field, and the tool is not run."""

    @tool
    async def refund(cents: int) -> str:
        """Refund.

        Args:
            cents: How much.
        """
        raise AssertionError("run with invalid arguments")

    record = await execute(runner, refund, arguments)
    assert (record.is_error, record.error_type) == (True, "invalid_arguments")
    assert record.output.startswith(f"The arguments of refund are not valid: {named}: ")
    shown = json.dumps(json.loads(arguments), separators=(",", ":"))
    assert record.output.endswith(f"They were: {shown}")


@pytest.mark.parametrize("arguments", ['{"cents": ', "[1]", '{"cents": NaN}'])
async def test_unreadable_arguments(runner: ToolRunner, arguments: str) -> None:
    """A text that is not an object that everybody reads alike is shown, and the tool is not run."""

    @tool(needs_approval=True)
    async def refund(cents: int) -> str:
        """Refund.

        Args:
            cents: How much.
        """
        raise AssertionError("run with unreadable arguments")

    record = await execute(runner, refund, arguments)
    assert (record.is_error, record.error_type) == (True, "invalid_arguments")
    assert record.output.startswith("The arguments of refund can't be read: ")
    assert record.output.endswith(f"They were: {arguments}")


async def test_a_tool_that_this_worker_lacks_is_not_run_unasked(runner: ToolRunner) -> None:
    """After a deploy a check may come to a worker without the tool: it refuses the call."""
    agent = Agent(name="support", instructions="Help.")
    call = PlannedCall(turn=1, call_id="1.0", name="pay", arguments={}, known=True)
    check = await runner.check(agent, call, context())
    assert (check.outcome, check.error_type) == ("refused", "unknown_tool")
    assert "There is no tool 'pay'" in (check.reason or "")


async def test_invalid_arguments_are_shown_in_part(runner: ToolRunner) -> None:
    """Garbled arguments of any length don't fill the conversation."""

    @tool
    async def refund() -> str:
        """Refund."""
        return ""

    record = await execute(runner, refund, '{"x": "' + "y" * 10_000)
    assert len(record.output) < 1000


async def test_unknown_tool(runner: ToolRunner) -> None:
    """A tool that the pinned agent has not is not run, and the model is told what there is."""

    @tool
    async def refund() -> str:
        """Refund."""
        raise AssertionError("run without being known")

    record = await execute(runner, refund, known=False)
    assert (record.error_type, record.output) == (
        "unknown_tool",
        "There is no tool 'refund'. The tools are: refund.",
    )
    call = PlannedCall(turn=1, call_id="1.0", name="other", arguments={}, known=True)
    without = Agent(name="support", instructions="Help.")
    assert "The tools are: none." in (await runner.execute(without, call, context())).output


async def test_tool_error(runner: ToolRunner) -> None:
    """The text of a ToolError is what the model reads, as it is, and so do clients."""

    @tool
    async def find() -> str:
        """Find."""
        raise ToolError("There is no order A-9. Ask for the number.")

    record = await execute(runner, find)
    assert (record.output, record.is_error) == ("There is no order A-9. Ask for the number.", True)
    assert record.told is None
    assert record.error_type == "tool_error"


@pytest.mark.parametrize("raised", [ValueError("no such day"), KeyError("day"), SystemError()])
async def test_exception(runner: ToolRunner, logged: list[Any], raised: Exception) -> None:
    """An exception becomes a text for the model; clients hear its class, the log has its trace."""

    @tool
    def fail() -> str:
        """Fail."""
        raise raised

    record = await execute(runner, fail)
    assert (record.is_error, record.error_type) == (True, "tool_error")
    failed = f"The tool fail failed: {type(raised).__name__}"
    assert record.told == f"{failed}: {raised}"
    assert record.output == f"{failed}. The worker's log says more."
    [entry] = logged
    assert entry["event"] == "tool_failed"
    assert (entry["tool"], entry["run_id"], entry["call_id"]) == ("fail", "test.run", "1.0")
    assert entry["exc_info"]


@pytest.mark.parametrize("chars", [MAX_RESULT_BYTES, MAX_RESULT_BYTES + 1])
async def test_size(runner: ToolRunner, chars: int) -> None:
    """A result of up to 256 KiB is given; a larger one becomes an error that says so."""

    @tool
    async def read() -> str:
        """Read."""
        return "x" * chars

    record = await execute(runner, read)
    assert record.is_error == (chars > MAX_RESULT_BYTES)
    assert record.error_type == ("too_large" if record.is_error else None)
    if record.is_error:
        assert f"{chars} bytes" in record.output


async def test_size_of_an_error(runner: ToolRunner) -> None:
    """An error text is cut to the same size, between characters."""

    @tool
    async def read() -> str:
        """Read."""
        raise ToolError("ä" * MAX_RESULT_BYTES)

    record = await execute(runner, read)
    assert record.output == "ä" * (MAX_RESULT_BYTES // 2)


async def test_an_output_of_parts(runner: ToolRunner) -> None:
    """Images and documents are recorded beside the text that names them."""

    @tool
    async def chart() -> ToolOutput:
        """Draw."""
        return ToolOutput("A chart:", ImagePart.of(b"png"))

    record = await execute(runner, chart)
    assert (record.output, record.is_error) == ("A chart:\n(an image)", False)
    assert record.parts == list(ToolOutput("A chart:", ImagePart.of(b"png")).parts)


@pytest.mark.parametrize("size", [MAX_PARTS_BYTES, MAX_PARTS_BYTES // 2])
async def test_parts_that_are_too_large(runner: ToolRunner, size: int) -> None:
    """More than can be journaled is told to the model as an error."""

    @tool
    async def chart() -> ToolOutput:
        """Draw."""
        return ToolOutput(ImagePart(url="data:image/png;base64," + "a" * size))

    record = await execute(runner, chart)
    assert record.is_error is (size == MAX_PARTS_BYTES)
    assert (record.parts is None) is record.is_error
