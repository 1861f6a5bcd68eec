"""Calls what an author wrote (tools, validators, conditions), which may raise anything."""

import asyncio
import concurrent.futures
import inspect
import os
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")

# A future refuses the first, and takes the second for its own cancellation.
_NOT_FOR_A_FUTURE = (StopIteration, concurrent.futures.CancelledError)
# How long a function that is cancelled may take to end; from then on it is left to itself.
STOP_GRACE_S = 2.0


def call_safely(fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
    """Call what an author wrote: it may raise anything, but nothing that ends more than itself."""
    with _forks_ending_here():
        try:
            return fn(*args, **kwargs)
        except _NOT_FOR_A_FUTURE as error:
            raise Contained(error) from error
        except Exception:
            raise
        except BaseException as error:  # SystemExit and KeyboardInterrupt would end the worker
            raise Contained(error) from error


async def await_safely(fn: Callable[..., Awaitable[T]], /, *args: Any, **kwargs: Any) -> T:
    """Call an async function of an author's, in a task of its own: a cancellation stays one."""
    with _forks_ending_here():
        try:
            return await fn(*args, **kwargs)
        except (Exception, asyncio.CancelledError):
            raise
        except BaseException as error:  # as above
            raise Contained(error) from error


async def call_in_time(fn: Callable[..., Any], /, *args: Any, timeout: timedelta, name: str) -> Any:
    """Call a function of an author's, in a thread if it is not async, for so long at most.

    Args:
        fn: The function.
        *args: What it takes.
        timeout: How long it may take.
        name: What it is called if it holds up the event loop.

    Raises:
        TookTooLong: It did not return in time. A plain function may still be running.
    """
    if is_async(fn):
        running = asyncio.create_task(await_safely(partial(fn, *args)), name=name)
    else:
        running = asyncio.create_task(asyncio.to_thread(call_safely, fn, *args), name=name)
    running.add_done_callback(_retrieve_exception)
    try:
        await asyncio.wait([running], timeout=timeout.total_seconds())
    finally:
        late = not running.done()
        if late:
            running.cancel()
            await asyncio.wait([running], timeout=STOP_GRACE_S if is_async(fn) else 0)
    if late:
        raise TookTooLong(f"it did not return within {timeout.total_seconds():g} s")
    try:
        returned = running.result()
    except asyncio.CancelledError as error:  # its own doing: nobody cancelled this call
        raise Contained(error) from error
    if inspect.iscoroutine(returned):
        returned.close()
        raise TypeError("it returned a coroutine: write `async def`, or await it")
    return returned


def is_async(fn: Callable[..., Any]) -> bool:
    """Tell whether a function, or an object that can be called, is async."""
    return inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(
        getattr(fn, "__call__", None)  # noqa: B004  # an object's own method, not whether it has one
    )


class TookTooLong(Exception):
    """A function did not return in its time."""


def _retrieve_exception(task: asyncio.Task[Any]) -> None:
    """Keep asyncio from reporting the error of a call that is not waited for any more."""
    if not task.cancelled():
        task.exception()


@contextmanager
def _forks_ending_here() -> Generator[None]:
    """End processes that were forked within: left to themselves they would be second workers."""
    process = os.getpid()
    try:
        yield
    finally:
        if os.getpid() != process:
            os._exit(0)


class Contained(Exception):
    """Stands for what would have ended more than the call it came from."""

    def __init__(self, contained: BaseException) -> None:
        super().__init__(text_of(contained))
        self.kind = kind_of(contained)


def kind_of(error: BaseException) -> str:
    """Return the name of an exception's class."""
    return error.kind if isinstance(error, Contained) else type(error).__name__


def text_of(error: BaseException) -> str:
    """Return an exception's text."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001  # an author's exception may be broken, too
        return "(its text can't be read)"
