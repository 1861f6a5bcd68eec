"""Runs the worker's event loop, which a tool may stop."""

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop

from outlast.logging import get_logger

_logger = get_logger()


def run_whole(
    serving: Coroutine[Any, Any, None],
    make_loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop,
) -> None:
    """Run what serves to its end.

    A tool that stops the loop ends the process at once, with status 1. To Restate this is one
    more crash, and who started the worker starts it again. Winding up would take the loop.
    """
    ended = False

    async def to_its_end() -> None:
        nonlocal ended
        try:
            await serving
        finally:
            ended = True

    with asyncio.Runner(loop_factory=make_loop) as runner:
        try:
            runner.run(to_its_end())
        except RuntimeError:
            if ended:
                raise
            _logger.critical("event_loop_stopped", fix="no tool may call `loop.stop()`")
            logging.shutdown()
            os._exit(1)
