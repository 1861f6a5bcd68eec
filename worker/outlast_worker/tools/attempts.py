"""Calls an author's function once, within a time: async ones as tasks, sync ones in threads."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from outlast.agent_tool import AgentTool
from outlast.tool import AnyTool
from outlast_worker.engine.names import tool_step
from outlast_worker.tools.author_code import STOP_GRACE_S, Contained, await_safely, call_safely

FIRST_DELAY_S = 0.5

T = TypeVar("T")


def retry_delay_s(attempt: int) -> float:
    """Return how long to wait after an attempt that failed; the first one is 0."""
    return FIRST_DELAY_S * 2**attempt


def total_timeout_s(tool: AnyTool) -> float:
    """Return how long a call can take at most, its retries included."""
    delays = sum(retry_delay_s(attempt) for attempt in range(tool.retries))
    return (tool.timeout.total_seconds() + STOP_GRACE_S) * (tool.retries + 1) + delays


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


class Attempts:
    """Attempts at tools' functions.

    Args:
        threads: How many sync ones run at once.
    """

    def __init__(self, threads: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="tool")

    def close(self) -> None:
        """Forget calls that have not begun; running ones end when they do."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def call(self, tool: AnyTool, arguments: dict[str, Any], timeout_s: float) -> Any:
        """Call a tool once, within a time.

        Raises:
            TimedOut: It took longer.
            Exception: Whatever it raised.
        """
        if tool.is_async:
            return await self.await_in_time(tool, timeout_s, tool.fn, **arguments)
        return await self.run_in_thread(tool, timeout_s, tool.fn, **arguments)

    async def await_in_time(
        self,
        tool: AnyTool,
        timeout_s: float,
        fn: Callable[..., Awaitable[T]],
        /,
        *args: Any,
        **kwargs: Any,
    ) -> T:
        """Await an async function.

        Raises:
            TimedOut: It took longer.
            Exception: Whatever it raised.
        """
        # The task's name tells the watchdog which tool holds up the loop.
        task = asyncio.create_task(await_safely(fn, *args, **kwargs), name=tool_step(tool.name))
        task.add_done_callback(_retrieve_exception)
        try:
            await asyncio.wait([task], timeout=timeout_s)
        finally:
            late = not task.done()
            if late:
                task.cancel()
                await asyncio.wait([task], timeout=STOP_GRACE_S)
        if late:
            raise TimedOut(tool, timeout_s, runs_on=not task.done())
        try:
            return task.result()
        except asyncio.CancelledError as error:
            # The tool cancelled itself, or awaited what was cancelled; this call was not.
            raise Contained(error) from error

    async def run_in_thread(
        self,
        tool: AnyTool | AgentTool,
        timeout_s: float,
        fn: Callable[..., T],
        /,
        *args: Any,
        **kwargs: Any,
    ) -> T:
        """Call a sync function.

        Raises:
            TimedOut: It took longer, or no thread was free for it.
            Exception: Whatever it raised.
        """
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


def _retrieve_exception(task: asyncio.Task[Any]) -> None:
    """Keep asyncio from reporting the error of a call that is not waited for any more."""
    if not task.cancelled():
        task.exception()
