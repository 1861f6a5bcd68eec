"""A tool call always gives a record: a result, or a text from which the model can go on."""

import asyncio
import concurrent.futures
import contextlib
import contextvars
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any

import pytest
import structlog
from pydantic import AfterValidator, PlainSerializer
from structlog.testing import LogCapture

import outlast_worker.tools.runner
from fakes.steps import NOON
from outlast import Agent, Tool, ToolContext, ToolError, tool
from outlast.contract import DecideOrder
from outlast.protocol import Approval, Decision
from outlast_worker.engine.operations import PlannedCall
from outlast_worker.engine.records import ToolRecord
from outlast_worker.services.decisions import _check
from outlast_worker.tools.runner import MAX_RESULT_BYTES, ToolRunner, total_timeout_s

WAIT_S = 10
A_MOMENT = timedelta(milliseconds=30)
TENANT: contextvars.ContextVar[str] = contextvars.ContextVar("TENANT", default="nobody")


class OddEnd(BaseException):
    """What only a library's author would raise."""


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlast_worker.tools.runner, "_FIRST_DELAY_S", 0.001)


@pytest.fixture
def runner() -> Iterator[ToolRunner]:
    runner = ToolRunner(threads=4)
    yield runner
    runner.close()


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    capture, before = LogCapture(), structlog.get_config()
    structlog.configure(processors=[capture], cache_logger_on_first_use=False)
    yield capture.entries
    structlog.configure(**before)


def context() -> ToolContext:
    return ToolContext.for_test(context={"company": "Acme"})


async def execute(
    runner: ToolRunner, called: Tool[..., Any], arguments: str = "{}", *, known: bool = True
) -> ToolRecord:
    agent = Agent(name="support", instructions="Help.", tools=[called])
    call = PlannedCall(turn=1, call_id="1.0", name=called.name, arguments=arguments, known=known)
    return await runner.execute(agent, call, context())


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


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ('{"cents": "many"}', "cents"),
        ('{"cents": 1, "extra": 2}', "extra"),
        ("{}", "cents"),
        ('{"cents": ', "arguments"),
        ("[1]", "arguments"),
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
    assert record.is_error
    assert record.output.startswith(f"The arguments of refund are not valid: {named}: ")
    assert arguments in record.output


async def test_invalid_arguments_are_shown_in_part(runner: ToolRunner) -> None:
    """Garbled arguments of any length don't fill the conversation."""

    @tool
    async def refund() -> str:
        """Refund."""
        return ""

    record = await execute(runner, refund, '{"x": "' + "y" * 10_000)
    assert len(record.output) < 1000


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
    assert (record.output, record.is_error) == ("The tool refund failed: KeyError: 'cents'", True)
    assert logged[0]["event"] == "tool_failed"


async def test_unknown_tool(runner: ToolRunner) -> None:
    """A tool that the pinned agent has not is not run, and the model is told what there is."""

    @tool
    async def refund() -> str:
        """Refund."""
        raise AssertionError("run without being known")

    record = await execute(runner, refund, known=False)
    assert (record.is_error, record.output) == (
        True,
        "There is no tool 'refund'. The tools are: refund.",
    )
    call = PlannedCall(turn=1, call_id="1.0", name="other", arguments="{}", known=True)
    without = Agent(name="support", instructions="Help.")
    assert "The tools are: none." in (await runner.execute(without, call, context())).output


async def test_tool_error(runner: ToolRunner) -> None:
    """The text of a ToolError is what the model reads, as it is."""

    @tool
    async def find() -> str:
        """Find."""
        raise ToolError("There is no order A-9. Ask for the number.")

    record = await execute(runner, find)
    assert (record.output, record.is_error) == ("There is no order A-9. Ask for the number.", True)


@pytest.mark.parametrize("raised", [ValueError("no such day"), KeyError("day"), SystemError()])
async def test_exception(runner: ToolRunner, logged: list[Any], raised: Exception) -> None:
    """An exception becomes a text for the model, and its trace is logged with the call."""

    @tool
    def fail() -> str:
        """Fail."""
        raise raised

    record = await execute(runner, fail)
    assert record.is_error
    assert record.output == f"The tool fail failed: {type(raised).__name__}: {raised}"
    [entry] = logged
    assert entry["event"] == "tool_failed"
    assert (entry["tool"], entry["run_id"], entry["call_id"]) == ("fail", "test.run", "1.0")
    assert entry["exc_info"]


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
    assert raised.__name__ in record.output
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
        assert raised.__name__ in record.output
    agent = Agent(name="support", instructions="Help.", tools=[refund])
    call = PlannedCall(1, "1.0", "refund", '{"cents": 5}', known=True)
    assert not (await runner.check(agent, call, context())).needed
    approval = Approval(call_id="1.0", name="refund", arguments={}, requested_at=NOON)
    decision = Decision(action="approve", arguments={"cents": 5})
    decide = DecideOrder(call_id="1.0", decision=decision, at=NOON)
    [fault] = await _check(agent, approval, decide)
    assert (fault.field, raised.__name__ in fault.message) == ("body.arguments", True)


async def test_exception_without_a_text(runner: ToolRunner, logged: list[Any]) -> None:
    """An exception that can't even be written is an error like others."""

    class Broken(Exception):
        def __str__(self) -> str:
            raise ValueError("no text")

    @tool
    def pay() -> str:
        """Pay."""
        raise Broken

    assert (await execute(runner, pay)).output == (
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


@pytest.mark.parametrize("chars", [MAX_RESULT_BYTES, MAX_RESULT_BYTES + 1])
async def test_size(runner: ToolRunner, chars: int) -> None:
    """A result of up to 256 KiB is given; a larger one becomes an error that says so."""

    @tool
    async def read() -> str:
        """Read."""
        return "x" * chars

    record = await execute(runner, read)
    assert record.is_error == (chars > MAX_RESULT_BYTES)
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


# Threads.


async def test_sync_tool_leaves_the_loop_free(runner: ToolRunner) -> None:
    """A sync tool may wait for something that only the loop can do."""
    released = threading.Event()

    @tool
    def wait() -> str:
        """Wait."""
        return "free" if released.wait(WAIT_S) else "blocked"

    asyncio.get_running_loop().call_soon(released.set)
    assert (await execute(runner, wait)).output == "free"


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


async def test_sync_tools_run_side_by_side(runner: ToolRunner) -> None:
    """Sync tools meet each other in their threads."""
    meeting = threading.Barrier(3)

    @tool
    def meet() -> str:
        """Meet."""
        meeting.wait(WAIT_S)
        return "met"

    records = await asyncio.gather(*(execute(runner, meet) for _ in range(3)))
    assert [record.output for record in records] == ["met"] * 3


async def test_sync_tool_sees_context_variables(runner: ToolRunner) -> None:
    """A sync tool has the context variables of its call, such as the logger's."""

    @tool
    def who() -> str:
        """Say who."""
        return TENANT.get()

    TENANT.set("acme")
    assert (await execute(runner, who)).output == "acme"


# Time.


async def test_async_timeout(runner: ToolRunner) -> None:
    """An async tool that takes too long is cancelled, and the text says how long it had."""
    cancelled: list[bool] = []

    @tool(timeout=A_MOMENT)
    async def hang() -> str:
        """Hang."""
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise
        return "never"

    record = await execute(runner, hang)
    assert (record.output, record.is_error) == (
        "The tool hang did not finish within 0.03 s.",
        True,
    )
    assert cancelled == [True]


async def test_sync_timeout(runner: ToolRunner) -> None:
    """A sync tool can't be stopped: the text says so, and it is not run a second time beside."""
    released, runs = threading.Event(), []

    @tool(timeout=A_MOMENT, retries=3)
    def hang() -> str:
        """Hang."""
        runs.append(1)
        released.wait(WAIT_S)
        return "late"

    record = await execute(runner, hang)
    released.set()
    assert record.is_error
    assert record.output == "The tool hang did not finish within 0.03 s; it may still be running."
    assert runs == [1]


async def test_async_timeout_is_retried(runner: ToolRunner) -> None:
    """An async tool that took too long is stopped, so it may be tried again."""
    runs: list[int] = []

    @tool(timeout=A_MOMENT, retries=1)
    async def hang_once() -> str:
        """Hang once."""
        runs.append(1)
        if len(runs) == 1:
            await asyncio.Event().wait()
        return "done"

    assert (await execute(runner, hang_once)).output == "done"


async def test_tool_that_does_not_let_itself_be_cancelled(
    runner: ToolRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is left to itself, and not run a second time beside."""
    monkeypatch.setattr(outlast_worker.tools.runner, "_STOP_GRACE_S", 0.01)
    released, runs = asyncio.Event(), list[int]()

    @tool(timeout=A_MOMENT, retries=1)
    async def hang() -> str:
        """Hang."""
        runs.append(1)
        while not released.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await released.wait()
        raise ValueError("late")

    record = await execute(runner, hang)
    released.set()
    assert record.output == "The tool hang did not finish within 0.03 s; it may still be running."
    assert runs == [1]


async def test_tool_that_cancels_itself(runner: ToolRunner, logged: list[Any]) -> None:
    """That is its own failure, and ends neither the run nor the wait for it."""

    @tool
    async def give_up() -> str:
        """Give up."""
        task = asyncio.current_task()
        assert task
        task.cancel()
        await asyncio.sleep(0)
        return "never"

    assert "CancelledError" in (await execute(runner, give_up)).output


async def test_no_thread_is_free(logged: list[Any]) -> None:
    """A sync tool that never got a thread has not run, and the text says so."""
    runner, released, runs = ToolRunner(threads=1), threading.Event(), list[str]()

    @tool(timeout=A_MOMENT)
    def hang(name: str) -> str:
        """Hang.

        Args:
            name: Whose turn it is.
        """
        runs.append(name)
        released.wait(WAIT_S)
        return name

    await execute(runner, hang, '{"name": "first"}')
    record = await execute(runner, hang, '{"name": "second"}')
    released.set()
    assert "it was not begun" in record.output
    assert "may still be running" not in record.output
    runner.close()
    assert runs == ["first"]


@pytest.mark.parametrize("asks", [True, lambda: threading.Event().wait(WAIT_S) and False])
async def test_asking_does_not_wait_for_a_thread(asks: Any) -> None:
    """A call that always needs approval needs no thread to say so; nor does a condition hang."""
    runner, released = ToolRunner(threads=1), threading.Event()

    @tool(timeout=A_MOMENT)
    def hang() -> str:
        """Hang."""
        released.wait(WAIT_S)
        return "late"

    @tool(timeout=A_MOMENT, needs_approval=asks)
    def pay() -> str:
        """Pay."""
        return "paid"

    await execute(runner, hang)
    agent = Agent(name="support", instructions="Help.", tools=[pay])
    call = PlannedCall(turn=1, call_id="1.0", name="pay", arguments="{}", known=True)
    check = await asyncio.wait_for(runner.check(agent, call, context()), WAIT_S / 2)
    released.set()
    runner.close()
    assert check.needed


async def test_a_tools_own_timeout(runner: ToolRunner, logged: list[Any]) -> None:
    """A TimeoutError of the tool's own is its error, not our limit."""

    @tool
    async def fetch() -> str:
        """Fetch."""
        raise TimeoutError("the bank is slow")

    record = await execute(runner, fetch)
    assert record.output == "The tool fetch failed: TimeoutError: the bank is slow"


async def test_cancelled_call(runner: ToolRunner) -> None:
    """Cancelling a call stops its async tool, and nothing turns that into a result."""
    began, stopped = asyncio.Event(), asyncio.Event()

    @tool(retries=2)
    async def hang() -> str:
        """Hang."""
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return "never"

    running = asyncio.create_task(execute(runner, hang))
    await asyncio.wait_for(began.wait(), WAIT_S)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert stopped.is_set()


# Retries.


@pytest.mark.parametrize("retries", [0, 1, 3])
async def test_retries(runner: ToolRunner, logged: list[Any], retries: int) -> None:
    """A failing tool runs once and then as often as it may, always with the same key."""
    keys: list[str] = []

    @tool(retries=retries)
    async def fail(context: ToolContext) -> str:
        """Fail."""
        keys.append(context.idempotency_key)
        raise ValueError(f"attempt {len(keys)}")

    record = await execute(runner, fail)
    assert keys == ["test.run:1.0"] * (retries + 1)
    assert record.output.endswith(f"ValueError: attempt {retries + 1}")
    assert [entry["attempt"] for entry in logged] == list(range(1, retries + 2))


async def test_retry_that_works(runner: ToolRunner, logged: list[Any]) -> None:
    """A later attempt's result is the call's result."""
    runs: list[int] = []

    @tool(retries=5)
    def fail_twice() -> str:
        """Fail twice."""
        runs.append(1)
        if len(runs) < 3:
            raise ToolError("busy")
        return "done"

    record = await execute(runner, fail_twice)
    assert (record.output, record.is_error, len(runs)) == ("done", False, 3)


async def test_invalid_arguments_are_not_retried(runner: ToolRunner) -> None:
    """Arguments don't get better by themselves."""

    @tool(retries=5)
    async def refund(cents: int) -> str:
        """Refund.

        Args:
            cents: How much.
        """
        raise AssertionError("run with invalid arguments")

    assert "cents" in (await execute(runner, refund)).output


def test_total_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """The longest that a call can take is all its attempts, their ends, and the waits between."""
    monkeypatch.setattr(outlast_worker.tools.runner, "_FIRST_DELAY_S", 0.5)
    monkeypatch.setattr(outlast_worker.tools.runner, "_STOP_GRACE_S", 2)

    @tool(timeout=timedelta(seconds=10), retries=3)
    async def slow() -> str:
        """Be slow."""
        return ""

    assert total_timeout_s(slow) == 4 * (10 + 2) + 0.5 + 1 + 2
