"""Lets go of a run that only waits: for its time, for its thread, for a person.

Restate itself suspends a run after the inactivity timeout, but it also closes the input of a
run whose step takes longer than that, which then hears of a cancellation only when the step
ends. So that timeout is longer than any step, and runs that wait suspend themselves.
"""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from restate import Context


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
