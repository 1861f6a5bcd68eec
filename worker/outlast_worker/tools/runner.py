"""Runs one tool call, inside its journaled step.

Whatever happens, a record comes back: a result, or a text from which the model can go on.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from outlast.agent import Agent
from outlast.effects import Done, NotDone
from outlast.errors import InDoubt, ToolError
from outlast.logging import get_logger
from outlast.run_context import RunContext
from outlast.tool import AnyTool
from outlast.tool_context import ToolContext
from outlast_worker.engine.planned_calls import PlannedCall
from outlast_worker.engine.records import ApprovalCheck, EffectOutcome, EffectVerdict, ToolRecord
from outlast_worker.mcp.tools import Listing, McpTools
from outlast_worker.stopwatch import Stopwatch
from outlast_worker.tools.attempts import Attempts, TimedOut, retry_delay_s
from outlast_worker.tools.author_code import call_safely, text_of
from outlast_worker.tools.results import (
    Failure,
    error_record,
    failure_of,
    invalid_arguments,
    record_of_once,
    result_record,
    unknown_tool,
)

_logger = get_logger()


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
        self.attempts = Attempts(threads)

    def close(self) -> None:
        """Forget calls that have not begun; running ones end when they do."""
        self.attempts.close()

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
                needed = await self.attempts.run_in_thread(
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
            result = await self.attempts.call(tool, arguments, timeout_s)
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
        return _done(record_of_once(tool, result, context, watch))

    async def verify(self, agent: Agent, call: PlannedCall, context: ToolContext) -> EffectVerdict:
        """Find out whether a call in doubt happened; `unknown` if that fails."""
        watch = Stopwatch()
        prepared = self._prepare(agent, call, context)
        if not isinstance(prepared, tuple):
            return EffectVerdict(outcome="unknown", at=watch.read())
        tool, arguments = prepared
        try:
            verdict = await self.attempts.await_in_time(
                tool, tool.timeout.total_seconds(), tool.find_out, arguments, context
            )
            if isinstance(verdict, Done):
                record = record_of_once(tool, verdict.result, context, watch)
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
                return result_record(
                    tool, await self.attempts.call(tool, arguments, timeout_s), watch
                )
            except ToolError as error:
                failure = Failure("tool_error", text_of(error))
            except TimedOut as late:
                failure = Failure("timeout", late.text)
                if late.runs_on:
                    break  # a second one beside it helps nobody
            except Exception as error:  # noqa: BLE001  # a tool may raise anything; the model is told
                failure = failure_of(tool, context, attempt, error)
            if attempt < tool.retries:
                await self._sleep(retry_delay_s(attempt))
        return error_record(failure, watch)


def _done(record: ToolRecord) -> EffectOutcome:
    return EffectOutcome(outcome="done", at=record.ended_at, record=record)


def _unreadable(fault: str) -> Failure:
    return Failure("invalid_arguments", fault)
