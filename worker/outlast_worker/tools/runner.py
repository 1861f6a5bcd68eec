"""Runs one tool call, inside its journaled step.

Whatever happens, a record comes back: a result, or a text from which the model can go on.
"""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import to_json

from outlast.agent import Agent
from outlast.agent_tool import AgentTool
from outlast.effects import Done, NotDone
from outlast.errors import InDoubt, ToolError
from outlast.logging import get_logger
from outlast.protocol import Time, ToolErrorType
from outlast.run_context import RunContext
from outlast.tool import AnyTool
from outlast.tool_context import ToolContext
from outlast.tool_output import ToolOutput
from outlast_worker.engine.names import tool_step
from outlast_worker.engine.planned_calls import PlannedCall
from outlast_worker.engine.records import (
    ApprovalCheck,
    EffectOutcome,
    EffectVerdict,
    ServerAsks,
    ToolRecord,
)
from outlast_worker.mcp.tools import Listing, McpTools
from outlast_worker.stopwatch import Stopwatch
from outlast_worker.tools.author_code import (
    Contained,
    await_safely,
    call_safely,
    kind_of,
    text_of,
)

MAX_RESULT_BYTES = 256 * 1024
MAX_PARTS_BYTES = 4 * 1024 * 1024
"""Of a result with images and documents, which are part of the journal as all results are."""
_FIRST_DELAY_S = 0.5
# How long a cancelled call may take to end; from then on it is left to itself.
_STOP_GRACE_S = 2.0
_SHOWN_ARGUMENTS_CHARS = 500

_logger = get_logger()
T = TypeVar("T")


class Failure:
    """Why a call failed: for everybody, and for the model, where clients see less."""

    def __init__(self, kind: ToolErrorType, shown: str, told: str | None = None) -> None:
        self.kind: ToolErrorType = kind
        self.shown = _shortened(shown)
        self.told = told and _shortened(told)

    def as_check(self, at: Time) -> ApprovalCheck:
        """Return the check of a call that is not run because of it."""
        return ApprovalCheck(
            outcome="refused", at=at, reason=self.shown, told=self.told, error_type=self.kind
        )


class TimedOut(Exception):
    """The tool took longer than it may; not a TimeoutError that it raised itself."""

    def __init__(
        self, tool: AnyTool | AgentTool, timeout_s: float, *, runs_on: bool, began: bool = True
    ) -> None:
        seconds = f"{round(max(timeout_s, 0), 2):g}"  # of a claim what was left, to the nanosecond
        self.runs_on = runs_on
        self.began = began
        self.text = f"The tool {tool.name} did not finish within {seconds} s"
        if runs_on:
            self.text += "; it may still be running"
        elif not began:
            self.text += ": it was not begun, since other calls take all of the worker's threads"
        self.text += "."


class ToolRunner:
    """Runs tool calls; sync tools in threads of its own.

    Args:
        threads: How many sync tools run at once.
        servers: Have tools, too, if there are any.
        sleep: Waits before an attempt is repeated.
    """

    def __init__(
        self,
        threads: int,
        servers: McpTools | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._servers = servers
        self._sleep = sleep
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="tool")

    def close(self) -> None:
        """Forget calls that have not begun; running ones end when they do."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def find(self, agent: Agent, call: PlannedCall) -> AnyTool | None:
        """Return the tool that is called, of the agent or of one of its servers."""
        if call.server_tool:
            if self._servers is None:
                return None
            return self._servers.find(agent, call.server_tool, call.answered)
        return next((tool for tool in agent.functions if tool.name == call.name), None)

    async def list_of_servers(self, agent: Agent, context: RunContext) -> list[Listing]:
        """Ask an agent's MCP servers what they have for a run."""
        if self._servers is None:
            return []
        return await self._servers.list(agent, context.tenant, context.metadata)

    async def check(self, agent: Agent, call: PlannedCall, context: ToolContext) -> ApprovalCheck:
        """Tell whether a person must approve a call before it runs.

        One that can't run is refused, and not asked about: the model is told what is wrong.
        """
        at = datetime.now(UTC)
        if call.fault:
            return _unreadable(call.fault).as_check(at)
        asked = (each for each in agent.agent_tools if each.name == call.name)
        tool = self.find(agent, call) or next(asked, None)
        if tool is None:
            return unknown_tool(agent, call).as_check(at)
        try:
            arguments = call_safely(tool.parse, call.arguments)
        except Exception as error:  # noqa: BLE001  # an author's validators may raise anything
            return invalid_arguments(tool, call, context, error).as_check(at)
        try:
            needed = tool.needs_approval
            if not isinstance(needed, bool):
                timeout_s = tool.condition_timeout.total_seconds()
                needed = await self._run_in_thread(
                    tool, timeout_s, tool.asks_first, arguments, context
                )
        except TimedOut:
            needed = True
        except Exception:  # an author's condition may raise anything
            _logger.exception("needs_approval_failed", tool=tool.name)
            needed = True
        return ApprovalCheck(outcome="needed" if needed else "not_needed", at=at)

    async def execute(self, agent: Agent, call: PlannedCall, context: ToolContext) -> ToolRecord:
        """Run a call with its timeout and its retries."""
        watch = Stopwatch()
        match self._prepare(agent, call, context):
            case tool, arguments:
                return await self._try_repeatedly(tool, arguments, context, watch)
            case failure:
                return error_record(failure, watch)

    def refusal(
        self, agent: Agent, call: PlannedCall, context: ToolContext
    ) -> ApprovalCheck | None:
        """Return why a call can't run, if it can't."""
        prepared = self._prepare(agent, call, context)
        return None if isinstance(prepared, tuple) else prepared.as_check(datetime.now(UTC))

    async def execute_once(
        self, agent: Agent, call: PlannedCall, context: ToolContext, timeout_s: float
    ) -> EffectOutcome:
        """Run the call of a `once` tool; where it is open whether it happened, it is in doubt."""
        watch = Stopwatch()
        prepared = self._prepare(agent, call, context)
        if not isinstance(prepared, tuple):
            return _done(error_record(prepared, watch))
        tool, arguments = prepared
        try:
            result = await self.attempt(tool, arguments, timeout_s)
        except InDoubt as error:
            return EffectOutcome(outcome="in_doubt", at=watch.read(), why=text_of(error))
        except ToolError as error:
            return _done(error_record(Failure("tool_error", text_of(error)), watch))
        except TimedOut as late:
            if not late.began:
                return EffectOutcome(outcome="not_begun", at=watch.read())
            why = late.text.removesuffix(".").replace("The tool", "the tool", 1)
            return EffectOutcome(outcome="in_doubt", at=watch.read(), why=why)
        except Exception as error:  # noqa: BLE001  # a tool may raise anything; the model is told
            return _done(error_record(failure_of(tool, context, 0, error), watch))
        return _done(_once_result(tool, result, context, watch))

    async def verify(self, agent: Agent, call: PlannedCall, context: ToolContext) -> EffectVerdict:
        """Find out whether a call in doubt happened; `unknown` if that fails."""
        watch = Stopwatch()
        prepared = self._prepare(agent, call, context)
        if not isinstance(prepared, tuple):
            return EffectVerdict(outcome="unknown", at=watch.read())
        tool, arguments = prepared
        try:
            verdict = await self._await(
                tool, tool.timeout.total_seconds(), tool.find_out, arguments, context
            )
            if isinstance(verdict, Done):
                record = _once_result(tool, verdict.result, context, watch)
                return EffectVerdict(outcome="done", at=record.ended_at, record=record)
            outcome = "not_done" if isinstance(verdict, NotDone) else "unknown"
            return EffectVerdict(outcome=outcome, at=watch.read())
        except Exception:  # an author's code may raise anything: then a person decides
            _logger.exception("verify_failed", tool=tool.name, call_id=context.call_id)
            return EffectVerdict(outcome="unknown", at=watch.read())

    def _prepare(
        self, agent: Agent, call: PlannedCall, context: ToolContext
    ) -> "tuple[AnyTool, dict[str, Any]] | Failure":
        """Return the tool with what it is called with, or why it can't be."""
        if call.fault:
            return _unreadable(call.fault)
        tool = self.find(agent, call)
        if not call.known or tool is None:
            return unknown_tool(agent, call)
        try:
            arguments = call_safely(tool.parse, call.arguments)
        except Exception as error:  # noqa: BLE001  # an author's validators may raise anything
            return invalid_arguments(tool, call, context, error)
        if tool.context_parameter:
            arguments[tool.context_parameter] = context
        return tool, arguments

    async def _try_repeatedly(
        self, tool: AnyTool, arguments: dict[str, Any], context: ToolContext, watch: Stopwatch
    ) -> ToolRecord:
        failure = Failure("internal", "")
        for attempt in range(tool.retries + 1):
            try:
                timeout_s = tool.timeout.total_seconds()
                return result_record(tool, await self.attempt(tool, arguments, timeout_s), watch)
            except ToolError as error:
                failure = Failure("tool_error", text_of(error))
            except TimedOut as late:
                failure = Failure("timeout", late.text)
                if late.runs_on:
                    break  # a second one beside it helps nobody
            except Exception as error:  # noqa: BLE001  # a tool may raise anything; the model is told
                failure = failure_of(tool, context, attempt, error)
            if attempt < tool.retries:
                await self._sleep(_FIRST_DELAY_S * 2**attempt)
        return error_record(failure, watch)

    async def attempt(self, tool: AnyTool, arguments: dict[str, Any], timeout_s: float) -> Any:
        """Call a tool once, within a time.

        Raises:
            TimedOut: It took longer.
            Exception: Whatever it raised.
        """
        if tool.is_async:
            return await self._await(tool, timeout_s, tool.fn, **arguments)
        return await self._run_in_thread(tool, timeout_s, tool.fn, **arguments)

    async def _await(
        self,
        tool: AnyTool,
        timeout_s: float,
        fn: Callable[..., Awaitable[T]],
        /,
        *args: Any,
        **kwargs: Any,
    ) -> T:
        # The task's name tells the watchdog which tool holds up the loop.
        task = asyncio.create_task(await_safely(fn, *args, **kwargs), name=tool_step(tool.name))
        task.add_done_callback(_retrieve_exception)
        try:
            await asyncio.wait([task], timeout=timeout_s)
        finally:
            late = not task.done()
            if late:
                task.cancel()
                await asyncio.wait([task], timeout=_STOP_GRACE_S)
        if late:
            raise TimedOut(tool, timeout_s, runs_on=not task.done())
        try:
            return task.result()
        except asyncio.CancelledError as error:
            # The tool cancelled itself, or awaited what was cancelled; this call was not.
            raise Contained(error) from error

    async def _run_in_thread(
        self,
        tool: AnyTool | AgentTool,
        timeout_s: float,
        fn: Callable[..., T],
        /,
        *args: Any,
        **kwargs: Any,
    ) -> T:
        variables = contextvars.copy_context()
        began = False

        def begin() -> T:
            nonlocal began
            began = True
            return variables.run(call_safely, fn, *args, **kwargs)

        limit = asyncio.timeout(timeout_s)
        try:
            async with limit:
                return await asyncio.get_running_loop().run_in_executor(self._executor, begin)
        except TimeoutError:
            if limit.expired():
                raise TimedOut(tool, timeout_s, began=began, runs_on=began) from None
            raise


def _done(record: ToolRecord) -> EffectOutcome:
    return EffectOutcome(outcome="done", at=record.ended_at, record=record)


def _once_result(tool: AnyTool, result: Any, context: ToolContext, watch: Stopwatch) -> ToolRecord:
    """Return the record of a call that did happen, whatever becomes of its result."""
    try:
        record = result_record(tool, result, watch)
    except Exception as error:  # noqa: BLE001  # an author's types may raise anything
        record = error_record(failure_of(tool, context, 0, error), watch)
    if not record.is_error:
        return record
    told = f"The call of {tool.name} did happen; don't repeat it. Its result can't be read: "
    changes = {"output": told + record.output, "told": record.told and told + record.told}
    return record.model_copy(update=changes)


def _retrieve_exception(task: asyncio.Task[Any]) -> None:
    """Keep asyncio from reporting the error of a call that is not waited for any more."""
    if not task.cancelled():
        task.exception()


def total_timeout_s(tool: AnyTool) -> float:
    """Return how long a call can take at most, its retries included."""
    delays = sum(_FIRST_DELAY_S * 2**attempt for attempt in range(tool.retries))
    return (tool.timeout.total_seconds() + _STOP_GRACE_S) * (tool.retries + 1) + delays


def result_record(tool: AnyTool, result: Any, watch: Stopwatch) -> ToolRecord:
    """Return the record of what a tool returned; of a fault, if it is too large to be read."""
    if isinstance(result, ServerAsks):
        return ToolRecord(
            output="",
            is_error=False,
            started_at=watch.started_at,
            ended_at=watch.read(),
            asks=result,
        )
    parts = list(result.parts) if isinstance(result, ToolOutput) else None
    output = result.text if isinstance(result, ToolOutput) else call_safely(tool.dump, result)
    for size, most in (
        (len(output.encode()), MAX_RESULT_BYTES),
        (len(to_json(parts)) if parts else 0, MAX_PARTS_BYTES),
    ):
        if size > most:
            text = f"The result of {tool.name} has {size} bytes; at most {most} can be read."
            return error_record(Failure("too_large", f"{text} Ask for less."), watch)
    return ToolRecord(
        output=output,
        is_error=False,
        started_at=watch.started_at,
        ended_at=watch.read(),
        parts=parts,
    )


def error_record(failure: Failure, watch: Stopwatch) -> ToolRecord:
    """Return the record of a call that failed."""
    return ToolRecord(
        output=failure.shown,
        is_error=True,
        started_at=watch.started_at,
        ended_at=watch.read(),
        told=failure.told,
        error_type=failure.kind,
    )


def _shortened(text: str) -> str:
    """Return a text that can be journaled."""
    return text.encode(errors="replace")[:MAX_RESULT_BYTES].decode(errors="ignore")


def _unreadable(fault: str) -> Failure:
    return Failure("invalid_arguments", fault)


def unknown_tool(agent: Agent, call: PlannedCall) -> Failure:
    """Say which tools there are, as far as the model is told of them."""
    deferred = {tool.name for tool in agent.tools if agent.defers(tool)}
    names = ", ".join(name for name in agent.callable_names if name not in deferred) or "none"
    return Failure("unknown_tool", f"There is no tool {call.name!r}. The tools are: {names}.")


def invalid_arguments(
    tool: AnyTool | AgentTool, call: PlannedCall, context: ToolContext, error: Exception
) -> Failure:
    """Say what is wrong with the arguments, and show them: the model may have garbled them."""
    if not isinstance(error, ValidationError):
        return failure_of(tool, context, 0, error)
    faults = "; ".join(
        f"{'.'.join(str(part) for part in fault['loc']) or 'arguments'}: {fault['msg']}"
        for fault in error.errors(include_url=False)
    )
    shown = to_json(call.arguments).decode()[:_SHOWN_ARGUMENTS_CHARS]
    text = f"The arguments of {tool.name} are not valid: {faults}. They were: {shown}"
    return Failure("invalid_arguments", text)


def failure_of(
    tool: AnyTool | AgentTool, context: ToolContext, attempt: int, error: Exception
) -> Failure:
    """Tell the model what was raised; clients see its class, since its text may hold secrets."""
    _logger.error(
        "tool_failed",
        tool=tool.name,
        run_id=context.run_id,
        call_id=context.call_id,
        attempt=attempt + 1,
        exc_info=error,
    )
    failed = f"The tool {tool.name} failed: {kind_of(error)}"
    shown, told = f"{failed}. The worker's log says more.", f"{failed}: {text_of(error)}"
    return Failure("tool_error", shown, told)
