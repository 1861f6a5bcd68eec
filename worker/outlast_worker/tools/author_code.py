"""Calls what an author wrote (tools, validators, conditions), which may raise anything."""

import asyncio
import concurrent.futures
import os
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")

# A future refuses the first, and takes the second for its own cancellation.
_NOT_FOR_A_FUTURE = (StopIteration, concurrent.futures.CancelledError)


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


async def await_safely(fn: Callable[..., Awaitable[T]], /, **kwargs: Any) -> T:
    """Call an async function of an author's, in a task of its own: a cancellation stays one."""
    with _forks_ending_here():
        try:
            return await fn(**kwargs)
        except (Exception, asyncio.CancelledError):
            raise
        except BaseException as error:  # as above
            raise Contained(error) from error


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
