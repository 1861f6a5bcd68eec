"""Lets go of what only waits: for its time, for its thread, for a person, for another handler.

Restate itself suspends a run after the inactivity timeout, but it also closes the input of a
run whose step takes longer than that, which then hears of a cancellation only when the step
ends. So that timeout is longer than any step, and runs that wait suspend themselves.

What is with the worker holds one of Restate's places (`concurrent-invocations-limit`). A handler
that waits for another one gives its place up: when all are held, the other one could have none.
"""

import asyncio
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from restate import Context

# Most handlers answer within milliseconds. Suspended at once, the caller would be replayed each
# time; it holds its place for so long at most, and then the circle is broken.
_PATIENCE_S = 0.1


def suspending_soon(ctx: Context) -> AbstractContextManager[None]:
    """Suspend the invocation unless what is awaited within, another handler, answers at once."""
    return suspending_after(ctx, _PATIENCE_S)


@contextmanager
def suspending_after(ctx: Context, delay_s: float) -> Generator[None]:
    """Suspend the invocation if what is awaited within takes longer.

    To the SDK this looks like Restate closing the input, at which it suspends.
    """
    handle = asyncio.get_running_loop().call_later(delay_s, _close_input, ctx)
    try:
        yield
    finally:
        handle.cancel()


def _close_input(ctx: Any) -> None:
    # The SDK has no public way; tests/integration/test_suspension.py pins this one. Restate then
    # closes the real input: the response must not end before that (see `outlast_worker.server`).
    ctx.receive._queue.put_nowait({"type": "http.request", "body": b"", "more_body": False})  # noqa: SLF001
